import { expect, test } from "vitest";
import { releaseSpecSchema } from "../../api/release/release.ts";
import type { Run } from "../../release/state.ts";
import { monday, World } from "../../release/testing/world.ts";
import { Collector } from "../../telemetry/collector.ts";
import type { Delta } from "../../telemetry/exact-counters.ts";
import { endNames } from "../../telemetry/graph/traffic-edge.ts";
import type { Labels } from "../../telemetry/point.ts";
import { toldRequestsTotal, triesTotal, untoldTriesTotal } from "../../telemetry/proxy-reports.ts";
import { hopsOf } from "../../telemetry/samples/hops.ts";
import { type CallerEdge, type SteeredRelease, Steering } from "./steering.ts";

const host = "catalog.shop.svc.cluster.local";

function releaseOf(spec: Record<string, unknown> = {}): SteeredRelease {
  return { metadata: { namespace: "shop" }, spec: releaseSpecSchema.parse({ service: "catalog", ...spec }) };
}

function runOf(): Run {
  const world = new World();
  world.pass(2);
  const { run } = world.state;
  if (run === undefined) throw new Error("no run");
  return run;
}

const edge = (from: string, version: string, requests: number, more: Partial<CallerEdge> = {}): CallerEdge => ({
  from: { name: from, kind: "unknown" },
  service: host,
  version,
  requests,
  connections: 0,
  encryption: "none",
  mirrored: false,
  ...more,
});

/** Edges of a minute; of the last seconds none, or these. */
const over =
  (minute: readonly CallerEdge[], last: readonly CallerEdge[] = []) =>
  (windowMs: number) =>
    windowMs < 60_000 ? last : minute;

const quiet = { edges: () => [], hops: () => [], podsWithoutProxy: () => [], nowMs: () => monday };

test("callers without a proxy are found by what servers count, with the pods that may be them", () => {
  const edges = [
    edge(endNames.noSidecar, "v1", 60),
    edge(endNames.noSidecar, "v2", 30),
    edge(endNames.noSidecar, "v2", 900, { service: "web.shop.svc.cluster.local" }),
    edge(endNames.noSidecar, "v2", 500, { mirrored: true }),
    edge("shop/web", "v2", 700),
  ];
  const pods = ["ops/a", "ops/b", "shop/legacy", "shop/old"];
  const seen = { ...quiet, edges: over(edges), podsWithoutProxy: () => pods };
  expect(new Steering(seen).findingsOf(releaseOf(), runOf())).toEqual([
    {
      kind: "CallersNotSteered",
      subject: "catalog",
      sentence:
        "90 requests to catalog within a minute came from callers without a proxy, 30 of them to v2: they get any version, whatever the step says " +
        "(pods without a proxy: ops/a, ops/b, shop/legacy and 1 more)",
    },
  ]);
  const byPods = { ...runOf(), exposure: { ...runOf().exposure, byPods: true } };
  expect(new Steering(seen).findingsOf(releaseOf(), byPods)).toEqual([]);
  const few = { ...quiet, edges: over([edge(endNames.noSidecar, "v1", 2)]) };
  expect(new Steering(few).findingsOf(releaseOf(), runOf())).toEqual([]);
  const tcp = { ...quiet, edges: over([edge(endNames.noSidecar, "v2", 0, { connections: 4 })]) };
  expect(new Steering(tcp).findingsOf(releaseOf(), runOf())[0]?.sentence).toMatch(/^4 connections to catalog .* 4 of them to v2: .* says$/);
});

test("what one end of a plaintext call has reported, and the other not yet, is no stranger's", () => {
  const findings = (minute: readonly CallerEdge[], last: readonly CallerEdge[]) =>
    new Steering({ ...quiet, edges: over(minute, last) }).findingsOf(releaseOf(), runOf()).length;
  const stranger = (requests: number) => edge(endNames.noSidecar, "v1", requests);
  // Requests began three seconds ago, 100 each, and the caller's report of the last second is on its way.
  expect(findings([stranger(100), edge("shop/web", "v1", 200)], [stranger(100), edge("shop/web", "v1", 200)])).toBe(0);
  expect(findings([stranger(100), edge("shop/web", "v1", 2000)], [edge("shop/web", "v1", 200)])).toBe(0);
  expect(findings([stranger(600), edge("shop/web", "v1", 2000)], [stranger(30), edge("shop/web", "v1", 200)])).toBe(1);
  // Who shows a certificate is known at both ends.
  const known = edge("shop/web", "v1", 200, { encryption: "mtls" });
  expect(findings([stranger(100), known], [known])).toBe(1);
});

test("a hop that drops baggage is found by what its proxy got and sent; one that passes it on, and one that was told nothing, aren't", () => {
  const collector = new Collector({ sinceMs: 0, peerOf: () => undefined });
  const counted = (name: string, labels: Labels, value: number): Delta => ({
    kind: "counter",
    key: name + JSON.stringify(labels),
    name,
    labels,
    value,
  });
  const hop = (workload: string, { got, told, tries, untold }: Readonly<Record<"got" | "told" | "tries" | "untold", number>>) => {
    const server = { reporter: "destination", destination_workload: workload, destination_workload_namespace: "shop" };
    const to = { reporter: "source", source_workload: workload, source_workload_namespace: "shop", destination_service: host };
    const deltas = [
      counted("istio_requests_total", { ...server, source_workload: "gateway" }, got / 2),
      counted("istio_requests_total", { ...server, source_workload: "other" }, got / 2),
      counted(toldRequestsTotal, server, told),
      counted(triesTotal, { ...to, destination_version: "v1" }, tries),
      counted(untoldTriesTotal, to, untold),
    ];
    collector.store.record({ kind: "next", source: `${workload}-1.shop`, fromMs: monday - 1000, toMs: monday, deltas });
  };
  hop("drops", { got: 100, told: 100, tries: 80, untold: 80 });
  hop("passes", { got: 100, told: 100, tries: 80, untold: 10 });
  hop("begins", { got: 100, told: 0, tries: 80, untold: 80 });
  hop("partly", { got: 100, told: 50, tries: 80, untold: 50 });
  hop("gateway", { got: 0, told: 0, tries: 500, untold: 500 });
  const seen = { ...quiet, hops: () => hopsOf(collector.store, { fromMs: monday - 60_000, toMs: monday }) };
  const sticky = releaseOf({ sticky: { cookie: "who" } });
  expect(new Steering(seen).findingsOf(sticky, runOf())).toEqual([
    {
      kind: "BaggageDropped",
      subject: "shop/drops",
      sentence:
        "100 % of the requests to shop/drops say in `baggage` whose they are, 0 % of its 80 to catalog do: behind it a user may get another version than at the edge",
    },
  ]);
  // Without users to tell apart chance is what was asked for.
  expect(new Steering(seen).findingsOf(releaseOf(), runOf())).toEqual([]);
});

test("of many hops that drop baggage a few are named one by one", () => {
  const hop = (index: number) => ({ host, caller: `shop/hop${index}`, tries: 80, untold: 80, requests: 80, told: 80 });
  const hops = () => Array.from({ length: 500 }, (_, index) => hop(index));
  const found = new Steering({ ...quiet, hops }).findingsOf(releaseOf({ sticky: { cookie: "user" } }), runOf());
  expect(found.map(({ subject }) => subject)).toEqual(["shop/hop0", "shop/hop1", "shop/hop2", "shop/hop3", "shop/hop4", "others"]);
  expect(found.at(-1)?.sentence).toMatch(/^others drop it too on their way to catalog: shop\/hop5, .* and \d+ more$/);
});

test("all runs share one look at the samples in five seconds", () => {
  const looks = { edges: 0, pods: 0 };
  const world = { nowMs: monday };
  const edges = (windowMs: number) => {
    looks.edges += windowMs < 60_000 ? 0 : 1;
    return [edge(endNames.noSidecar, "v1", 60)];
  };
  const podsWithoutProxy = () => {
    looks.pods += 1;
    return [];
  };
  const steering = new Steering({ ...quiet, edges, podsWithoutProxy, nowMs: () => world.nowMs });
  for (let second = 0; second < 10; second += 1, world.nowMs += 1000) for (const _ of [1, 2]) steering.findingsOf(releaseOf(), runOf());
  expect(looks).toEqual({ edges: 2, pods: 2 });
});
