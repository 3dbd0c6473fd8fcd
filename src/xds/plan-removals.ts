// When clusters go: not while anything the proxy may hold names them, and then after a grace in which requests under way end.

import type { ProxyConfig } from "../envoy/config.ts";
import { heldResources, isKnown, type ProxyState, type TypeState } from "./proxy-state.ts";

/** After a reconnect a proxy tells type by type what it has; a route table may come after the clusters. */
const shortestGraceMs = 1000;

export interface Retirement {
  /** Clusters to remove now. */
  readonly removed: readonly string[];
  readonly retiring: ReadonlyMap<string, number>;
  /** When (ms) the next one may go. */
  readonly wakeAt: number | undefined;
}

/** @param retirable clusters the proxy may hold and that are not desired. */
export function retirement(
  state: ProxyState,
  config: ProxyConfig,
  { retirable, now }: { retirable: readonly string[]; now: number },
): Retirement {
  if (retirable.length === 0) return { removed: [], retiring: state.retiring.size === 0 ? state.retiring : new Map(), wakeAt: undefined };
  const named = namedClusters(state, new Set(retirable));
  const grace = Math.max(config.removalGrace, shortestGraceMs);
  const free = named === undefined ? [] : retirable.filter((name) => !named.has(name));
  const retiring = new Map(free.map((name) => [name, state.retiring.get(name) ?? now]));
  const removed = free.filter((name) => now - (retiring.get(name) ?? now) >= grace);
  const waiting = free.filter((name) => !removed.includes(name)).map((name) => (retiring.get(name) ?? now) + grace);
  return { removed, retiring, wakeAt: waiting.length === 0 ? undefined : Math.min(...waiting) };
}

/** The clusters that something in force may name; undefined when that can't be known, so all of them may be. */
function namedClusters(state: ProxyState, retirable: ReadonlySet<string>): ReadonlySet<string> | undefined {
  const { cds, lds, rds, ecds } = state.types;
  if (!lds.subscribed || !hasReportedRoutes(lds, rds)) return undefined;
  const named = new Set<string>();
  for (const typeState of [lds, rds, ecds]) {
    // Not asked for on this stream, so not in use; should the proxy's report still be on its way, the grace is longer.
    if (!typeState.subscribed) continue;
    for (const held of heldResources(typeState)) {
      if (!isKnown(held)) return undefined;
      for (const { type, name } of held.references) if (type === "cds") named.add(name);
    }
  }
  // Aggregates that stay name their members; those that go with them do not hold them.
  for (const held of heldResources(cds)) {
    if (!isKnown(held) || retirable.has(held.name)) continue;
    for (const { type, name } of held.references) if (type === "cds") named.add(name);
  }
  return named;
}

/** After a reconnect the listeners may be known before the route configurations that they use. */
function hasReportedRoutes(lds: TypeState, rds: TypeState): boolean {
  for (const held of heldResources(lds)) {
    if (!isKnown(held)) return false;
    for (const { type, name } of held.references) if (type === "rds" && !rds.names.has(name)) return false;
  }
  return true;
}
