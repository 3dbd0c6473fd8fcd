// Histories of connections as proxies log them (flags and bytes as seen with Envoy 1.40) → trials: each counted once, and failed only by the server's fault.

import { describe, expect, test } from "vitest";
import type { TrialFacts } from "./connection-trials.ts";
import { type ConnectionRecord, Connections, type ConnectionsOptions } from "./connections.ts";
import type { CounterDelta } from "./exact-counters.ts";

const nowMs = 1_800_000_000_000;
const wire = "198.18.0.9:41000 198.18.0.5:8082";
const [caller, server, other] = ["web-1.shop", "db-1.shop", "cart-1.shop"];
const addresses = new Map([
  [caller, "198.18.0.9"],
  [server, "198.18.0.5"],
  [other, "198.18.0.7"],
]);
const options = { sinceMs: nowMs, addressOf: (source: string) => addresses.get(source) };

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

function world(limits: Partial<ConnectionsOptions> = {}) {
  const connections = new Connections({ ...options, ...limits });
  const observe = (source: string, records: readonly ConnectionRecord[], atMs = nowMs) =>
    trials(connections.observe({ source, records, receivedMs: atMs }).deltas);
  return { connections, observe, heard: (atMs: number, source = caller) => trials(connections.heard(source, atMs)) };
}

type World = ReturnType<typeof world>;

const refused = record({ ...end, flags: "UF,URX", wireIn: wire, tags: { traffic: "destination;tcp" } });
const seen = [connected, end].map(record);

describe("what only the server's proxy sees", () => {
  test.each([
    ["first", ({ observe }: World) => [observe(server, [refused]), observe(caller, seen)]],
    ["last", ({ observe }: World) => [observe(caller, seen), observe(server, [refused])]],
  ])("a refusal that it tells %s is the caller's trial, once", (_, tell) => {
    const it = world();
    expect(tell(it)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(it.heard(nowMs + 1)).toEqual([1, 1]);
    expect(it.heard(nowMs + laterMs)).toEqual([0, 0]);
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
    expect(heard(nowMs + 2 * laterMs + 1)).toEqual([0, 0]);
    observe(caller, [record({ ...connected, id: "8@1" }), record({ ...end, id: "8@1" })], nowMs + 2 * laterMs + 1);
    expect(heard(nowMs + 3 * laterMs + 1)).toEqual([1, 0]);
  });

  test("a refusal that was heard is no later connection's of the same pair", () => {
    const { observe, heard } = world();
    observe(server, [refused]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
    const later = [connected, end].map((step) => record({ ...step, id: "8@1" }));
    observe(caller, later, nowMs + 1);
    expect(heard(nowMs + 1 + laterMs)).toEqual([1, 0]);
  });

  test("refused after it had lasted: one more trial, failed", () => {
    const { observe, heard } = world();
    expect(observe(caller, [record(connected), record(lasting)])).toEqual([0, 0]);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
    observe(caller, [record(end)], nowMs + laterMs);
    observe(server, [refused], nowMs + laterMs);
    expect(heard(nowMs + laterMs + 1)).toEqual([1, 1]);
  });

  test("the addresses may be IPv6", () => {
    const [from, to] = ["fd00::9", "fd00::5"];
    const { observe, heard } = world({ addressOf: (source) => (source === caller ? from : to) });
    const pair = `[${from}]:41000 [${to}]:8082`;
    observe(caller, [record({ ...connected, wireOut: pair }), record({ ...end, wireOut: pair })]);
    observe(server, [record({ ...end, flags: "UF,URX", wireIn: pair })]);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
  });
});

describe("a proxy is heard about its own pod's end only", () => {
  test.each([
    ["another pod's", other],
    ["the caller's own", caller],
    ["one whose address isn't known", "stranger.shop"],
  ])("a refusal of %s proxy is none", (_, liar) => {
    const { observe, heard } = world();
    observe(liar, [record({ ...end, id: "66@1", flags: "UF,URX", wireIn: wire })]);
    observe(caller, seen);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
  });

  test("nor does one clear what the server's proxy said", () => {
    const { observe, heard } = world();
    observe(server, [refused]);
    observe(other, [record({ ...connected, wireIn: wire })]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
  });

  test("a caller that names another's pair is judged by what it saw itself, and leaves the word to whom it is about", () => {
    const { observe, heard } = world();
    observe(server, [refused]);
    expect(observe(other, seen)).toEqual([1, 0]);
    expect(heard(nowMs + laterMs, other)).toEqual([0, 0]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([1, 1]);
  });
});

describe("a server whose proxy hasn't reached the application", () => {
  const atServer = (step: Step) => record({ ...step, wireIn: wire });
  const failed = atServer({ ...end, flags: "UF,URX" });

  test("the caller left first: no trial", () => {
    const { observe, heard } = world();
    observe(caller, seen);
    observe(server, [atServer(end)]);
    expect([heard(nowMs + 1), heard(nowMs + laterMs)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  test("the caller left after it had been reached: good", () => {
    const { observe, heard } = world();
    observe(server, [atServer(connected), atServer(end)]);
    observe(caller, seen);
    expect(heard(nowMs + laterMs)).toEqual([1, 0]);
  });

  test("lasting is no success meanwhile, and what comes of it decides, once", () => {
    const { observe, heard } = world();
    const fails = [observe(caller, [connected, lasting].map(record)), observe(server, [atServer(lasting)]), heard(nowMs + laterMs)];
    expect(fails).toEqual(Array.from({ length: 3 }, () => [0, 0]));
    observe(server, [failed], nowMs + laterMs);
    observe(caller, [record(end)], nowMs + laterMs);
    expect([heard(nowMs + laterMs + 1), heard(nowMs + 2 * laterMs)]).toEqual([
      [1, 1],
      [0, 0],
    ]);
  });

  test("reached late: good from the next report on", () => {
    const { observe, heard } = world();
    observe(caller, [connected, lasting].map(record));
    observe(server, [atServer(lasting)]);
    expect(heard(nowMs + laterMs)).toEqual([0, 0]);
    observe(server, [atServer(connected)], nowMs + laterMs);
    observe(caller, [record(lasting)], nowMs + laterMs);
    expect(heard(nowMs + 2 * laterMs)).toEqual([1, 0]);
  });

  test("ended while it was pending, and nothing more is heard: no trial", () => {
    const { observe, heard } = world();
    observe(server, [atServer(lasting)]);
    observe(caller, seen);
    expect([heard(nowMs + 1), heard(nowMs + laterMs), heard(nowMs + 2 * laterMs)]).toEqual(Array.from({ length: 3 }, () => [0, 0]));
  });

  test("ended while it was pending: the server's last word is waited for", () => {
    const { observe, heard } = world();
    observe(server, [atServer(lasting)]);
    observe(caller, seen);
    expect(heard(nowMs + 1)).toEqual([0, 0]);
    observe(server, [failed], nowMs + 1000);
    expect(heard(nowMs + 1001)).toEqual([1, 1]);
  });
});

describe("room is bounded, and what has none is told", () => {
  const pairOf = (port: number, from = caller) => `${addresses.get(from)}:${port} 198.18.0.5:8082`;
  const endless = (from: string, ports: readonly number[]) =>
    ports.flatMap((port) => [connected, end].map((step) => record({ ...step, id: `${port}@1`, wireOut: pairOf(port, from) })));
  const refusals = (ports: readonly number[], to = "198.18.0.5") =>
    ports.map((port) => record({ ...end, id: `${port}@1`, flags: "UF,URX", wireIn: `198.18.0.9:${port} ${to}:8082` }));

  test("connections that wait: those beyond, of one caller or of all, are no trials", () => {
    const { connections, observe, heard } = world({ maxWaiting: 2, maxWaitingInAll: 3 });
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
    const { connections, observe, heard } = world({ maxWaiting: 1 });
    observe(caller, [...endless(caller, [1]), record(connected), record(lasting)]);
    expect([heard(nowMs + laterMs), connections.droppedTrials]).toEqual([[1, 0], 0]);
    observe(caller, [record(lasting)], nowMs + laterMs);
    expect(heard(nowMs + 2 * laterMs)).toEqual([1, 0]);
    // It is decided, and takes no room any more.
    observe(caller, [record(lasting), ...endless(caller, [2])], nowMs + 2 * laterMs);
    expect([heard(nowMs + 3 * laterMs), connections.droppedTrials]).toEqual([[1, 0], 0]);
  });

  test("words of one server: the oldest go", () => {
    const { connections, observe, heard } = world({ maxWords: 1 });
    observe(server, refusals([1, 2]));
    observe(caller, endless(caller, [1, 2]));
    expect([heard(nowMs + laterMs), connections.droppedTrials]).toEqual([[2, 1], 1]);
  });

  test("words of servers: one that says endlessly much costs the others nothing", () => {
    const { connections, observe, heard } = world({ maxWords: 3, maxWordsInAll: 4 });
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
