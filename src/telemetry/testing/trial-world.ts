// Connections of a caller's proxy and a server's as both log them, and what is counted of their trials, for tests.

import type { TrialFacts } from "../connection-trials.ts";
import { type ConnectionRecord, Connections, type ConnectionsOptions } from "../connections.ts";
import type { CounterDelta } from "../exact-counters.ts";

export const nowMs = 1_800_000_000_000;
/** Who wasn't answered may have been refused behind the server's proxy: known three seconds later. */
export const laterMs = 3000;

/** The connection between the proxies: its addresses, the caller's first. */
export const wire = "198.18.0.9:41000 198.18.0.5:8082";
export const [caller, server, other] = ["web-1.shop", "db-1.shop", "cart-1.shop"];
export const addresses: ReadonlyMap<string, string> = new Map([
  [caller, "198.18.0.9"],
  [server, "198.18.0.5"],
  [other, "198.18.0.7"],
]);
export const options: ConnectionsOptions = { sinceMs: nowMs, addressOf: (source) => addresses.get(source) };

/** How a record differs from one of a connection that lives. */
export type Step = Partial<Omit<ConnectionRecord, "trial">> & Partial<TrialFacts>;
export const connected: Step = { isConnected: true };
export const lasting: Step = {};
export const end: Step = { isEnd: true };

/** What the caller's proxy says, unless `wireIn` makes it the server's. */
export function record({ isConnected = false, flags = "", wireOut, wireIn = "", template = "", ...more }: Step = {}): ConnectionRecord {
  const trial = { isConnected, flags, wireOut: wireOut ?? (wireIn === "" ? wire : ""), wireIn, template };
  return { id: "7@1", startMs: nowMs, isEnd: false, received: 0, sent: 0, tags: { traffic: "source;tcp" }, trial, ...more };
}

/** [tried, failed]. */
export function trials(deltas: readonly CounterDelta[]): readonly number[] {
  return ["tried", "failed"].map((what) =>
    deltas.filter(({ name }) => name === `lateen_connections_${what}_total`).reduce((sum, { value }) => sum + value, 0),
  );
}

export interface TrialWorld {
  readonly connections: Connections;
  /** A proxy reports; what it counts at once. */
  observe(source: string, records: readonly ConnectionRecord[], atMs?: number): readonly number[];
  /** The caller's proxy, unless it is another's, reports nothing new at that time; what counts then. */
  heard(atMs: number, source?: string): readonly number[];
}

/** Nothing has been reported. */
export function trialWorld(limits: Partial<ConnectionsOptions> = {}): TrialWorld {
  const connections = new Connections({ ...options, ...limits });
  return {
    connections,
    observe: (source, records, receivedMs = nowMs) => trials(connections.observe({ source, records, receivedMs }).deltas),
    heard: (atMs, source = caller) => trials(connections.heard(source, atMs)),
  };
}
