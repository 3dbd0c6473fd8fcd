// What a proxy should hold under a name, given what it refused: the desired content, or the last good one in its place.

import type { EncodedResource, ProxyConfig, ResourceType } from "../envoy/config.ts";
import { contentHash } from "../lib/hash.ts";
import { type Held, type ProxyState, type TypeState, unitSeparator } from "./proxy-state.ts";
import { resourceSetOf } from "./resource-types.ts";

/** The unit of a route configuration's part. */
export function partUnit(routes: string, part: string): string {
  return `${routes}${unitSeparator}${part}`;
}

/** The unit of a route configuration's head: everything but the virtual hosts. */
export function headUnit(routes: string): string {
  return partUnit(routes, "");
}

/** Whether the proxy refused this very content. */
export function isRejected(state: TypeState, unit: string, version: string): boolean {
  return state.rejected.size > 0 && state.rejected.get(unit)?.version === version;
}

/** The version of a head, for `isRejected`. */
export function headVersion(head: Uint8Array): string {
  return contentHash(head);
}

/**
 * The content the proxy should hold: undefined means none.
 *
 * A refused one gives way to the last good one. Composite routes are taken apart by the route mix instead. Endpoints of a
 * cluster that is no longer desired stay as they are until the proxy drops them with the cluster.
 */
export function wantedResource(state: ProxyState, config: ProxyConfig, key: { type: ResourceType; name: string }): Held | undefined {
  const { type, name } = key;
  const typeState = state.types[type];
  const desired: EncodedResource | undefined = resourceSetOf(config, type).get(name);
  if (desired === undefined) return type === "cds" || type === "lds" ? undefined : typeState.accepted.get(name);
  if (!isRejected(typeState, name, desired.version)) return desired;
  const accepted = typeState.accepted.get(name);
  return accepted?.version === desired.version ? undefined : accepted;
}

/** Whether trials are under way and this unit is not among those tried now. */
export function isAwaitingTrial(state: TypeState, unit: string): boolean {
  const [group] = state.trials;
  return group !== undefined && !group.includes(unit);
}
