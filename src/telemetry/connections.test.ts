// Connections' reports in any order, lost and repeated: sums are what the connections carried.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { connectionAttributes, connectionLogTypes } from "./connection-log.ts";
import { type ConnectionRecord, Connections, connectionRecordOf } from "./connections.ts";
import type { CounterDelta } from "./exact-counters.ts";

const tags = { traffic: "source;tcp", service: "db.data.svc.cluster.local;db;data;5432" };
const nowMs = 1_800_000_000_000;

function record(over: Partial<ConnectionRecord> = {}): ConnectionRecord {
  const trial = { isConnected: false, flags: "", wireOut: "", wireIn: "", template: "" };
  return { id: "7@1", startMs: nowMs, isEnd: false, received: 0, sent: 0, tags, trial, ...over };
}

/** [opened, closed, received, sent]. */
function sums(deltas: readonly CounterDelta[]): readonly number[] {
  const names = ["connections_opened", "connections_closed", "received_bytes", "sent_bytes"];
  return names.map((name) => deltas.filter((delta) => delta.name === `istio_tcp_${name}_total`).reduce((sum, { value }) => sum + value, 0));
}

function report(connections: Connections, records: readonly ConnectionRecord[], receivedMs = nowMs) {
  return connections.observe({ source: "web-1.shop", records, receivedMs });
}

describe("a proxy's record", () => {
  const attributes = {
    [connectionAttributes.connection]: "12",
    [connectionAttributes.logType]: connectionLogTypes.periodic,
    [connectionAttributes.received]: "10",
    [connectionAttributes.sent]: "-",
    traffic: "source;tcp",
    other: "left out",
  };
  const base = { timeMs: 5, body: "", traceId: "", spanId: "", attributes };

  test("names the connection, its bytes and tags", () => {
    const read = connectionRecordOf(base);
    expect(read).toMatchObject({ id: "12@5", startMs: 5, isEnd: false, received: 10, sent: 0 });
    expect(read?.tags).toMatchObject({ traffic: "source;tcp", service: "" });
    expect(read?.tags).not.toHaveProperty("other");
  });

  test.each([
    ["another log", { [connectionAttributes.logType]: "DownstreamEnd" }],
    ["no number", { [connectionAttributes.connection]: "" }],
    ["bytes that are none", { [connectionAttributes.sent]: "-5" }],
    ["more bytes than can be counted", { [connectionAttributes.received]: "9".repeat(16) }],
    ["endless tags", { service: "x".repeat(9000) }],
  ])("%s is left out", (_, changed) => {
    expect(connectionRecordOf({ ...base, attributes: { ...attributes, ...changed } })).toBeUndefined();
  });
});

test("what a connection carries is counted while it lives, and its end once", () => {
  const connections = new Connections({ sinceMs: nowMs });
  expect(sums(report(connections, [record()]).deltas)).toEqual([1, 0, 0, 0]);
  expect(sums(report(connections, [record({ received: 10, sent: 4 })]).deltas)).toEqual([0, 0, 10, 4]);
  expect([...connections.open()]).toHaveLength(1);
  const last = record({ received: 15, sent: 4, isEnd: true });
  expect(sums(report(connections, [last]).deltas)).toEqual([0, 1, 5, 0]);
  expect(sums(report(connections, [last, record({ received: 11 })]).deltas)).toEqual([0, 0, 0, 0]);
  expect([...connections.open()]).toEqual([]);
});

test("a connection that never reached anybody is opened and closed", () => {
  const { deltas, before } = report(new Connections({ sinceMs: nowMs }), [record({ isEnd: true, received: 3 })]);
  expect([sums(deltas), before]).toEqual([[1, 1, 3, 0], []]);
});

test("what an older connection carried before the watching isn't known to lie in time", () => {
  const connections = new Connections({ sinceMs: nowMs + 1 });
  const first = report(connections, [record({ received: 100 })]);
  expect([sums(first.before), first.deltas]).toEqual([[1, 0, 100, 0], []]);
  const next = report(connections, [record({ received: 120 })]);
  expect([sums(next.deltas), next.before]).toEqual([[0, 0, 20, 0], []]);
});

test("a proxy's clock that is behind makes no connection older", () => {
  const connections = new Connections({ sinceMs: nowMs + 5000 });
  const { before } = connections.observe({ source: "a", records: [record()], receivedMs: nowMs + 6000, clockOffsetMs: 5500 });
  expect(before).toEqual([]);
});

test("silent while its proxy is heard: closed; back again: counted on, closed once", () => {
  const connections = new Connections({ sinceMs: nowMs, silentMs: 30_000 });
  report(connections, [record({ received: 5 })]);
  expect(connections.heard("web-1.shop", nowMs + 30_000)).toEqual([]);
  expect(sums(connections.heard("web-1.shop", nowMs + 30_001))).toEqual([0, 1, 0, 0]);
  expect([...connections.open()]).toEqual([]);
  expect(sums(report(connections, [record({ received: 9 })], nowMs + 31_000).deltas)).toEqual([0, 0, 4, 0]);
  expect([...connections.open()]).toHaveLength(1);
  expect(sums(report(connections, [record({ received: 9, isEnd: true })], nowMs + 32_000).deltas)).toEqual([0, 0, 0, 0]);
});

test("a proxy that nobody hears may be cut off: its connections stay", () => {
  const connections = new Connections({ sinceMs: nowMs });
  report(connections, [record()]);
  report(connections, [record({ received: 9 })], nowMs + 600_000);
  expect([...connections.open()]).toHaveLength(1);
});

test("with its process a proxy's connections are gone, not those of the new one", () => {
  const connections = new Connections({ sinceMs: nowMs });
  report(connections, [record(), record({ id: "1@2", startMs: nowMs + 500 })]);
  expect(sums(connections.restarted("web-1.shop", nowMs + 400))).toEqual([0, 1, 0, 0]);
  expect([...connections.open()]).toHaveLength(1);
});

test("more connections than are followed are refused, and count once there is room", () => {
  const connections = new Connections({ sinceMs: nowMs, maxOpen: 1 });
  const other = { id: "8@1", received: 50 };
  expect(report(connections, [record(), record(other)]).refused).toBe(1);
  report(connections, [record({ isEnd: true })]);
  expect(sums(report(connections, [record(other)]).deltas)).toEqual([1, 0, 50, 0]);
});

test("the next process goes on where this one ended; what was carried meanwhile lies at no known time", () => {
  const first = new Connections({ sinceMs: nowMs });
  report(first, [record({ received: 10 }), record({ id: "8@1", isEnd: true })]);
  const next = new Connections({ sinceMs: nowMs + 5000 });
  next.restore(first.kept(), nowMs + 5000);
  expect([...next.open()]).toEqual([{ source: "web-1.shop", tags }]);
  const back = report(next, [record({ received: 25 })], nowMs + 6000);
  expect([sums(back.before), back.deltas]).toEqual([[0, 0, 15, 0], []]);
  expect(sums(report(next, [record({ received: 30, isEnd: true })], nowMs + 7000).deltas)).toEqual([0, 1, 5, 0]);
});

test("any history with ends that arrive says what the connections carried", () => {
  const step = fc.record({ received: fc.nat(1000), sent: fc.nat(1000), fate: fc.constantFrom("sent", "lost", "twice", "late") });
  const connection = fc.array(step, { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(connection, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(), { minLength: 50 }), (histories, order) => {
      const delivered: ConnectionRecord[] = [];
      const late: ConnectionRecord[] = [];
      let [received, sent] = [0, 0];
      for (const [index, steps] of histories.entries()) {
        const total = { received: 0, sent: 0 };
        const id = `${index}@1`;
        for (const { fate, ...more } of steps) {
          total.received += more.received;
          total.sent += more.sent;
          const said = record({ id, ...total });
          if (fate === "late") late.push(said);
          else for (let times = fate === "lost" ? 0 : fate === "twice" ? 2 : 1; times > 0; times -= 1) delivered.push(said);
        }
        delivered.push(record({ id, ...total, isEnd: true }));
        received += total.received;
        sent += total.sent;
      }
      // Late ones come anywhere, also after the end.
      for (const [index, said] of late.entries()) delivered.splice((order[index] ?? 0) % (delivered.length + 1), 0, said);
      const connections = new Connections({ sinceMs: nowMs });
      const counted = delivered.flatMap((said, index) => report(connections, [said], nowMs + index * 1000).deltas);
      expect(sums(counted)).toEqual([histories.length, histories.length, received, sent]);
    }),
    { seed: 5, numRuns: 300 },
  );
});
