// Seconds of tries: each once, when it is complete, with whole counts, whatever becomes of reports.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Labels } from "../point.ts";
import { connectionsFailed, connectionsTried, triesTotal, tryDuration } from "../proxy-reports.ts";
import { SampleStore } from "./sample-store.ts";
import { parseTemplateArm, type TrySecond, templateArm, trySeconds } from "./try-seconds.ts";

const start = 1_800_000_000;
const host = "orders.shop.svc.cluster.local";

function labels(version: string, code = "200", more: Labels = {}): Labels {
  return { reporter: "source", destination_service: host, destination_version: version, response_code: code, response_flags: "-", ...more };
}

function tries(value: number, of: Labels) {
  return { kind: "counter", key: JSON.stringify(of), name: triesTotal, labels: of, value } as const;
}

function took(counts: readonly number[], of: Labels) {
  return {
    kind: "histogram",
    key: `took ${JSON.stringify(of)}`,
    name: tryDuration,
    labels: of,
    bounds: [10, 100],
    counts,
    sum: 1,
  } as const;
}

type Deltas = Parameters<SampleStore["record"]>[0]["deltas"];

/** A report that covers `span` seconds up to the end of second `second`. */
function report(store: SampleStore, source: string, { second, span = 1, deltas = [] }: { second: number; span?: number; deltas?: Deltas }) {
  const toMs = (start + second + 1) * 1000;
  store.record({ kind: "next", source, fromMs: toMs - span * 1000, toMs, deltas });
}

function ask(store: SampleStore, { after = -1, now }: { after?: number; now: number }): readonly TrySecond[] {
  return trySeconds(store, { host, afterSecond: start + after, nowMs: (start + now) * 1000 });
}

const seconds = (found: readonly TrySecond[]) => found.map(({ second }) => second - start);

test("tries, errors, refusals and latency by version", () => {
  const store = new SampleStore();
  report(store, "web", {
    second: 0,
    deltas: [
      tries(90, labels("v1")),
      tries(4, labels("v1", "404")),
      tries(3, labels("v1", "503")),
      tries(2, labels("v1", "0", { response_flags: "UT" })),
      tries(1, labels("v1", "200", { grpc_response_status: "14" })),
      tries(2, labels("v1", "200", { response_flags: "UC" })),
      tries(1, labels("v1", "200", { response_flags: "UR", grpc_response_status: "2" })),
      tries(7, labels("v2")),
      tries(5, labels("unknown", "503")),
      tries(6, labels("v2", "200", { mirrored: "true" })),
      tries(8, labels("v2", "200", { destination_service: "other" })),
      took([60, 40, 0], labels("v1")),
    ],
  });
  report(store, "web-2", { second: 0, deltas: [tries(10, labels("v1")), took([0, 0, 10], labels("v1"))] });
  const [second, ...more] = ask(store, { now: 1 });
  expect(more).toEqual([]);
  const [withCopies] = trySeconds(store, { host, afterSecond: start - 1, nowMs: (start + 1) * 1000, withCopies: true });
  expect(withCopies?.versions.get("v2")?.tries).toBe(13);
  expect([...(second?.versions ?? [])]).toEqual([
    ["v1", { tries: 113, errors: 9, clientErrors: 4, latency: { bounds: [10, 100], counts: [60, 40, 10], sum: 2 } }],
    ["v2", { tries: 7, errors: 0, clientErrors: 0, latency: undefined }],
  ]);
});

test("templates of one version are told apart where that is asked for", () => {
  const store = new SampleStore();
  const of = (template: string) => ({ destination_template: template });
  report(store, "web", {
    second: 0,
    deltas: [
      tries(30, labels("v1", "200", of("a1"))),
      tries(5, labels("v1", "200", of("b2"))),
      tries(1, labels("v1", "503", of("b2"))),
      tries(2, labels("v1")),
      tries(4, labels("unknown", "200", of("c3"))),
      tries(9, labels("unknown", "503")),
    ],
  });
  const asked = { host, afterSecond: start - 1, nowMs: (start + 1) * 1000 };
  const counts = (byTemplate: boolean) =>
    trySeconds(store, { ...asked, byTemplate }).flatMap(({ versions }) => [...versions].map(([arm, one]) => [arm, one.tries, one.errors]));
  expect(counts(true)).toEqual([
    ["unknown/c3", 4, 0],
    ["v1", 2, 0],
    ["v1/a1", 30, 0],
    ["v1/b2", 6, 1],
  ]);
  expect(counts(false)).toEqual([["v1", 38, 1]]);
  expect(parseTemplateArm(templateArm("v1", "b2"))).toEqual({ version: "v1", template: "b2" });
});

test("connections that began, were decided and failed, by version, as their callers' proxies count them", () => {
  const store = new SampleStore();
  const counted = (name: string, value: number, of: Labels) =>
    ({ ...tries(value, of), key: `${name} ${JSON.stringify(of)}`, name }) as const;
  const opened = "istio_tcp_connections_opened_total";
  const refused = labels("v2", "", { response_flags: "UF,URX" });
  const deltas = [
    counted(opened, 9, labels("v1", "")),
    counted(connectionsTried, 8, labels("v1", "")),
    counted(opened, 3, labels("v2", "")),
    counted(connectionsTried, 2, labels("v2", "")),
    counted(opened, 1, refused),
    counted(connectionsTried, 1, refused),
    counted(connectionsFailed, 1, refused),
    counted(opened, 3, labels("v2", "", { reporter: "destination" })),
    counted(connectionsTried, 4, labels("v2", "", { destination_template: "abc" })),
  ];
  report(store, "web", { second: 0, deltas });
  const none = { tries: 0, errors: 0, clientErrors: 0, latency: undefined };
  const [second] = trySeconds(store, { host, afterSecond: start - 1, nowMs: (start + 1) * 1000, byTemplate: true });
  expect([...(second?.versions ?? [])]).toEqual([
    ["v1", { ...none, connections: { opened: 9, tried: 8, failed: 0 } }],
    ["v2", { ...none, connections: { opened: 4, tried: 3, failed: 1 } }],
    ["v2/abc", { ...none, connections: { opened: 0, tried: 4, failed: 0 } }],
  ]);
});

describe("complete", () => {
  test("a second waits for callers that are late, not for ever, and not for those that are gone", () => {
    const store = new SampleStore();
    for (const source of ["web", "late"]) report(store, source, { second: 0, deltas: [tries(1, labels("v1"))] });
    report(store, "web", { second: 1, deltas: [tries(1, labels("v1"))] });
    expect(seconds(ask(store, { now: 2 }))).toEqual([0]);
    expect(seconds(ask(store, { now: 5 }))).toEqual([0, 1]);
    store.end("late");
    expect(seconds(ask(store, { now: 2 }))).toEqual([0, 1]);
  });

  test("a second in which nobody tried is empty; one that nobody reported is missing", () => {
    const store = new SampleStore();
    report(store, "web", { second: 0, deltas: [tries(1, labels("v1"))] });
    report(store, "web", { second: 1 });
    report(store, "web", { second: 4 });
    const found = ask(store, { now: 5 });
    expect(seconds(found)).toEqual([0, 1, 4]);
    expect(found[1]?.versions.size).toBe(0);
  });

  test("only what comes after the second asked for, and no more than two minutes", () => {
    const store = new SampleStore();
    for (let second = 0; second < 200; second += 1) report(store, "web", { second, deltas: [tries(1, labels("v1"))] });
    expect(seconds(ask(store, { after: 197, now: 200 }))).toEqual([198, 199]);
    expect(ask(store, { now: 200 })).toHaveLength(120);
    expect(ask(store, { after: 199, now: 200 })).toEqual([]);
  });
});

test("asked once a second, every try is in one second, whatever reports are late or lost", () => {
  const step = fc.record({ tries: fc.nat(20), isLost: fc.boolean() });
  const history = fc.tuple(fc.array(step, { minLength: 20, maxLength: 20 }), fc.array(step, { minLength: 20, maxLength: 20 }));
  fc.assert(
    fc.property(history, (histories) => {
      const store = new SampleStore();
      const lost = [0, 0];
      let [sent, seen, after] = [0, 0, -1];
      const spans = [1, 1];
      const found: number[] = [];
      for (let second = 0; second < 30; second += 1) {
        for (const [index, steps] of histories.entries()) {
          const { tries: count, isLost } = steps[second] ?? { tries: 0, isLost: false };
          // Counters are cumulative: the next report has what a lost one would have said.
          lost[index] = (lost[index] ?? 0) + count;
          if (isLost) {
            spans[index] = (spans[index] ?? 1) + 1;
            continue;
          }
          report(store, `web-${index}`, {
            second,
            span: spans[index] ?? 1,
            deltas: lost[index] === 0 ? [] : [tries(lost[index] ?? 0, labels("v1"))],
          });
          sent += lost[index] ?? 0;
          lost[index] = 0;
          spans[index] = 1;
        }
        for (const { second: one, versions } of ask(store, { after, now: second + 1 })) {
          found.push(one);
          after = one - start;
          seen += versions.get("v1")?.tries ?? 0;
        }
      }
      expect(found).toEqual([...new Set(found)].toSorted((a, b) => a - b));
      expect(seen).toBe(sent);
    }),
    { seed: 5, numRuns: 100 },
  );
});
