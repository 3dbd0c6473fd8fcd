// Histories of connections as proxies log them (flags and bytes as seen with Envoy 1.40) → trials: each counted once, and failed only by the server's fault;
// bounded, and what nobody saw the end of is no failure.

import { describe, expect, test } from "vitest";
import { type ConnectionRecord, Connections } from "./connections.ts";
import {
  addresses,
  caller,
  connected,
  end,
  lasting,
  laterMs,
  nowMs,
  options,
  other,
  record,
  type Step,
  server,
  trials,
  trialWorld,
} from "./testing/trial-world.ts";

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
  ["the server reset it", [connected, { ...end, flags: "UR" }], [1, 1]],
  ["the server reset it after an answer, whoever had ended first", [connected, { ...end, flags: "UR", received: 5, sent: 5 }], [1, 1]],
  ["the server reset it after it had counted as good: one more trial", [connected, { sent: 1 }, { ...end, flags: "UR", sent: 1 }], [2, 1]],
  ["the record that it was made is lost, its bytes aren't", [{ ...end, sent: 5 }], [1, 0]],
  ["its end is said twice", [connected, { ...end, flags: "UR" }, { ...end, flags: "UR" }], [1, 1]],
] satisfies readonly [string, readonly Step[], readonly number[]][])("%s", (_, steps, expected) => {
  const connections = new Connections(options);
  const { deltas } = connections.observe({ source: caller, records: steps.map(record), receivedMs: nowMs });
  expect(trials([...deltas, ...connections.heard(caller, nowMs + laterMs)])).toEqual(expected);
});

describe("room is bounded, and what has none is told", () => {
  const pairOf = (port: number, from = caller) => `${addresses.get(from)}:${port} 198.18.0.5:8082`;
  const endless = (from: string, ports: readonly number[]) =>
    ports.flatMap((port) => [connected, end].map((step) => record({ ...step, id: `${port}@1`, wireOut: pairOf(port, from) })));
  const refusals = (ports: readonly number[], to = "198.18.0.5") =>
    ports.map((port) => record({ ...end, id: `${port}@1`, flags: "UF,URX", wireIn: `198.18.0.9:${port} ${to}:8082` }));

  test("connections that wait: those beyond, of one caller or of all, are no trials", () => {
    const { connections, observe, heard } = trialWorld({ maxWaiting: 2, maxWaitingInAll: 3 });
    observe(caller, endless(caller, [1, 2, 3]));
    expect(connections.droppedTrials).toBe(1);
    observe(other, endless(other, [1, 2]));
    expect(connections.droppedTrials).toBe(2);
    expect([heard(nowMs + laterMs), heard(nowMs + laterMs, other)]).toEqual([
      [2, 0],
      [1, 0],
    ]);
    observe(other, endless(other, [3, 4]), nowMs + laterMs);
    connections.end(other);
    observe(caller, endless(caller, [4, 5]), nowMs + laterMs);
    expect(connections.droppedTrials).toBe(2);
  });

  test("one that lives is asked for again when there is room", () => {
    const { connections, observe, heard } = trialWorld({ maxWaiting: 1 });
    observe(caller, [...endless(caller, [1]), record(connected), record(lasting)]);
    expect([heard(nowMs + laterMs), connections.droppedTrials]).toEqual([[1, 0], 0]);
    observe(caller, [record(lasting)], nowMs + laterMs);
    expect(heard(nowMs + 2 * laterMs)).toEqual([1, 0]);
    // It is decided, and takes no room any more.
    observe(caller, [record(lasting), ...endless(caller, [2])], nowMs + 2 * laterMs);
    expect([heard(nowMs + 3 * laterMs), connections.droppedTrials]).toEqual([[1, 0], 0]);
  });

  test("words of one server: the oldest go", () => {
    const { connections, observe, heard } = trialWorld({ maxWords: 1 });
    observe(server, refusals([1, 2]));
    observe(caller, endless(caller, [1, 2]));
    expect([heard(nowMs + laterMs), connections.droppedTrials]).toEqual([[2, 1], 1]);
  });

  test("words of servers: one that says endlessly much costs the others nothing", () => {
    const { connections, observe, heard } = trialWorld({ maxWords: 3, maxWordsInAll: 4 });
    observe(server, refusals([1, 2]));
    observe(other, refusals([1, 2, 3, 4, 5], addresses.get(other)));
    expect(connections.droppedTrials).toBe(3);
    observe(caller, endless(caller, [1, 2]));
    expect(heard(nowMs + laterMs)).toEqual([2, 2]);
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
      const connections = new Connections(options);
      connections.observe({ source: caller, records: [record(connected)], receivedMs: nowMs });
      expect(trials(act(connections))).toEqual([0, 0]);
    }
  });

  test("known from the process before, or older than the watching: not tried again, but a reset counts", () => {
    const first = new Connections(options);
    first.observe({ source: caller, records: [record(connected), record(lasting)], receivedMs: nowMs });
    const next = new Connections({ ...options, sinceMs: nowMs + 5000 });
    next.restore(first.kept(), nowMs + 5000);
    const older: Step = { id: "9@1", sent: 4 };
    const told = (records: readonly ConnectionRecord[]) =>
      trials(next.observe({ source: caller, records, receivedMs: nowMs + 6000 }).deltas);
    expect(told([record({ ...lasting, sent: 4 }), record(older)])).toEqual([0, 0]);
    expect(told([record({ ...end, flags: "UR" }), record({ ...older, ...end, flags: "UR" })])).toEqual([2, 2]);
  });
});

test("the template of the pod that was chosen is a tag of trials alone", () => {
  const connections = new Connections(options);
  const records = [connected, { ...end, sent: 5 }].map((step) => record({ ...step, template: "abc" }));
  const { deltas } = connections.observe({ source: caller, records, receivedMs: nowMs });
  expect(deltas.filter(({ labels }) => labels["template"] === "abc").map(({ name }) => name)).toEqual(["lateen_connections_tried_total"]);
});
