// Whatever calls whom: no request that a proxy counted is missing on the graph, and none is there twice.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { CompositeTags } from "../composite-tags.ts";
import type { Delta } from "../exact-counters.ts";
import { expandTags } from "../expand-tags.ts";
import { SampleStore } from "../samples/sample-store.ts";
import { standardMetricOf } from "../standard-metrics.ts";
import { EdgeTable } from "./traffic-edges.ts";

const nowMs = 1_800_000_000_000;
const names = ["a", "b", "c", "d"] as const;
const spiffe = (name: string) => `spiffe://cluster.local/ns/shop/sa/${name}`;
const service = (name: string) => `${name}.shop.svc.cluster.local`;

/** Calls of one caller to one server: how many its own proxy counted, and how often the server's proxy was tried. */
const call = fc.record({
  /** Undefined: it has no sidecar. */
  from: fc.option(fc.constantFrom(...names), { nil: undefined }),
  to: fc.constantFrom(...names),
  code: fc.constantFrom("200", "404", "503"),
  requests: fc.integer({ min: 1, max: 500 }),
  failedTries: fc.integer({ min: 0, max: 20 }),
  copies: fc.integer({ min: 0, max: 50 }),
  second: fc.integer({ min: 0, max: 9 }),
});
type Call = typeof call extends fc.Arbitrary<infer Value> ? Value : never;

function delta(tags: CompositeTags, value: number, caller: string | undefined): Delta {
  const metric = standardMetricOf("istio_requests_total");
  if (metric === undefined) throw new Error("no such metric");
  const peerOf = () => (caller === undefined ? undefined : { workload: caller, namespace: "shop", version: "v1" });
  const labels = expandTags(metric, tags, { peerOf });
  return { kind: "counter", key: JSON.stringify([tags, caller]), name: metric.name, labels, value };
}

function deltasOf({ from, to, code, requests, failedTries, copies }: Call): readonly (readonly [string, Delta])[] {
  const destination = `${to};shop;${to};v1`;
  const tags = { destination, service: `${service(to)};${to};shop;80`, response: `${code};-` };
  const security = from === undefined ? `none;${spiffe(to)};` : `mutual_tls;${spiffe(to)};${spiffe(from)}`;
  const server = (more: Partial<CompositeTags>, value: number) =>
    [to, delta({ ...tags, traffic: "destination;http", source: "san", security, ...more }, value, from)] as const;
  const atServer = [server({}, requests), server({ response: "503;-" }, failedTries), server({ traffic: "destination;http;1" }, copies)];
  if (from === undefined) return atServer;
  const client = { ...tags, traffic: "source;http", source: `${from};shop;${from};v1`, security: `;${spiffe(from)};${spiffe(to)}` };
  return [[from, delta(client, requests, undefined)], ...atServer];
}

test("the edges' sum is the sum of what clients counted, of strangers' requests, and of copies", () => {
  fc.assert(
    fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
      const store = new SampleStore();
      for (let second = 0; second < 10; second += 1) {
        const counted = calls.filter((one) => one.second === second).flatMap(deltasOf);
        for (const name of names) {
          const fromMs = nowMs + second * 1000;
          // Equal keys of one report are one series.
          const own = counted.filter(([source]) => source === name).map(([, one]) => one);
          store.record({ kind: "next", source: name, fromMs, toMs: fromMs + 1000, deltas: own });
        }
      }
      const options = { fromMs: nowMs, toMs: nowMs + 10_000, gateways: new Set<string>(), services: new Set(names.map(service)) };
      const edges = new EdgeTable(store).edges(options);
      const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
      const shown = (mirrored: boolean) => sum(edges.filter((edge) => edge.mirrored === mirrored).map(({ requests }) => requests));
      const wanted = sum(calls.map(({ from, requests, failedTries }) => requests + (from === undefined ? failedTries : 0)));
      expect([shown(false), shown(true)]).toEqual([wanted, sum(calls.map(({ copies }) => copies))]);
    }),
    { seed: 7, numRuns: 150 },
  );
});
