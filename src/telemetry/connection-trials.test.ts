// Histories of connections as proxies log them (flags and bytes as seen with Envoy 1.40) → trials: each counted once, and failed only by the server's fault.

import { describe, expect, test } from "vitest";
import type { TrialFacts } from "./connection-trials.ts";
import { type ConnectionRecord, Connections } from "./connections.ts";
import type { CounterDelta } from "./exact-counters.ts";

const nowMs = 1_800_000_000_000;
const wire = "198.18.0.9:41000 198.18.0.5:8082";
const [caller, server] = ["web-1.shop", "db-1.shop"];

type Step = Partial<Omit<ConnectionRecord, "trial">> & Partial<TrialFacts>;

/** What the caller's proxy says, unless `wireIn` makes it the server's. */
function record({ isConnected = false, flags = "", wireOut, wireIn = "", template = "", ...more }: Step = {}): ConnectionRecord {
  const trial = { isConnected, flags, wireOut: wireOut ?? (wireIn === "" ? wire : ""), wireIn, template };
  return { id: "7@1", startMs: nowMs, isEnd: false, received: 0, sent: 0, tags: { traffic: "source;tcp" }, trial, ...more };
}

/** [tried, failed]. */
function trials(deltas: readonly CounterDelta[]): readonly number[] {
  return ["tried", "failed"].map((what) =>
    deltas.filter(({ name }) => name === `lateen_connections_${what}_total`).reduce((sum, { value }) => sum + value, 0),
  );
}

const connected: Step = { isConnected: true };
const lasting: Step = {};
const end: Step = { isEnd: true };
/** Who wasn't answered may have been refused behind the server's proxy: known three seconds later. */
const laterMs = 3000;

test.each([
  ["answered and ended", [connected, { ...end, sent: 5 }], [1, 0]],
  ["ended without an answer", [connected, end], [1, 0]],
  ["lasting: once, however long", [connected, lasting, { sent: 9 }, { ...end, sent: 9 }], [1, 0]],
  ["lasting without a byte: once", [connected, lasting, lasting, end], [1, 0]],
  ["not decided yet", [connected], [0, 0]],
  ["the client left before it was made", [end], [0, 0]],
  ["no attempt was successful", [{ ...end, flags: "UF,URX" }], [1, 1]],
  ["the one attempt that there was failed", [{ ...end, flags: "UF" }], [1, 1]],
  [
    "a later attempt was successful",
    [
      { ...connected, flags: "UF" },
      { ...end, flags: "UF", sent: 5 },
    ],
    [1, 0],
  ],
  ["nobody to connect to", [{ ...end, flags: "UH" }], [0, 0]],
  ["the caller's own circuit breaker", [{ ...end, flags: "UO" }], [0, 0]],
  ["the server reset it", [connected, { ...end, flags: "UR", sent: 5 }], [1, 1]],
  ["the server reset it after it had counted as good: one more trial", [connected, lasting, { ...end, flags: "UR" }], [2, 1]],
  ["the record that it was made is lost, its bytes aren't", [{ ...end, sent: 5 }], [1, 0]],
  ["its end is said twice", [connected, { ...end, flags: "UR" }, { ...end, flags: "UR" }], [1, 1]],
] satisfies readonly [string, readonly Step[], readonly number[]][])("%s", (_, steps, expected) => {
  const connections = new Connections({ sinceMs: nowMs });
  const { deltas } = connections.observe({ source: caller, records: steps.map(record), receivedMs: nowMs });
  expect(trials([...deltas, ...connections.heard(caller, nowMs + laterMs)])).toEqual(expected);
});

describe("what only the server's proxy sees", () => {
  const refused = record({ ...end, flags: "UF,URX", wireIn: wire, tags: { traffic: "destination;tcp" } });
  const seen = [connected, end].map(record);

  function world() {
    const connections = new Connections({ sinceMs: nowMs });
    const observe = (source: string, records: readonly ConnectionRecord[], atMs = nowMs) =>
      trials(connections.observe({ source, records, receivedMs: atMs }).deltas);
    return { connections, observe, heard: (atMs: number) => trials(connections.heard(caller, atMs)) };
  }

  test.each([
    [
      "first",
      (observe: (source: string, records: readonly ConnectionRecord[]) => unknown) => [observe(server, [refused]), observe(caller, seen)],
    ],
    [
      "last",
      (observe: (source: string, records: readonly ConnectionRecord[]) => unknown) => [observe(caller, seen), observe(server, [refused])],
    ],
  ])("a refusal that it tells %s is the caller's trial, once", (_, tell) => {
    const { observe, heard } = world();
    expect(tell(observe)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
    expect(heard(nowMs + laterMs)).toEqual([0, 0]);
  });

  test("a reset that both see is one failure, and the server's own connections are nobody's trials", () => {
    const { observe, heard } = world();
    const reset = { ...end, flags: "UR", sent: 4 };
    expect(observe(server, [record({ ...connected, wireIn: wire }), record({ ...reset, wireIn: wire })])).toEqual([0, 0]);
    expect(observe(caller, [record(connected), record(reset)])).toEqual([1, 1]);
    expect(heard(nowMs + laterMs)).toEqual([0, 0]);
  });

  test("another pair of addresses is another connection, and an old refusal is no longer any's", () => {
    const { observe, heard } = world();
    observe(server, [refused]);
    observe(caller, [record(connected), record({ ...end, wireOut: "198.18.0.9:41001 198.18.0.5:8082" })]);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
    expect(heard(nowMs + 2 * laterMs)).toEqual([0, 0]);
    observe(caller, [record({ ...connected, id: "8@1" }), record({ ...end, id: "8@1" })], nowMs + 2 * laterMs);
    expect(heard(nowMs + 3 * laterMs)).toEqual([1, 0]);
  });

  test("refused after it had lasted: one more trial, failed", () => {
    const { observe, heard } = world();
    expect(observe(caller, [record(connected), record(lasting), record(end)])).toEqual([1, 0]);
    observe(server, [refused]);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
  });
});

describe("what nobody saw the end of is no failure", () => {
  test("silent, of a proxy that is gone, or of another process", () => {
    for (const act of [
      (connections: Connections) => connections.heard(caller, nowMs + 60_000),
      (connections: Connections) => connections.restarted(caller, nowMs + 1),
      (connections: Connections) => {
        connections.end(caller);
        return connections.heard(caller, nowMs + 60_000);
      },
    ]) {
      const connections = new Connections({ sinceMs: nowMs });
      connections.observe({ source: caller, records: [record(connected)], receivedMs: nowMs });
      expect(trials(act(connections))).toEqual([0, 0]);
    }
  });

  test("known from the process before, or older than the watching: not tried again, but a reset counts", () => {
    const first = new Connections({ sinceMs: nowMs });
    first.observe({ source: caller, records: [record(connected), record(lasting)], receivedMs: nowMs });
    const next = new Connections({ sinceMs: nowMs + 5000 });
    next.restore(first.kept(), nowMs + 5000);
    const older: Step = { id: "9@1", sent: 4 };
    const told = (records: readonly ConnectionRecord[]) =>
      trials(next.observe({ source: caller, records, receivedMs: nowMs + 6000 }).deltas);
    expect(told([record({ ...lasting, sent: 4 }), record(older)])).toEqual([0, 0]);
    expect(told([record({ ...end, flags: "UR" }), record({ ...older, ...end, flags: "UR" })])).toEqual([2, 2]);
  });
});

test("the template of the pod that was chosen is a tag of trials alone", () => {
  const connections = new Connections({ sinceMs: nowMs });
  const records = [connected, { ...end, sent: 5 }].map((step) => record({ ...step, template: "abc" }));
  const { deltas } = connections.observe({ source: caller, records, receivedMs: nowMs });
  expect(deltas.filter(({ labels }) => labels["template"] === "abc").map(({ name }) => name)).toEqual(["lateen_connections_tried_total"]);
});
