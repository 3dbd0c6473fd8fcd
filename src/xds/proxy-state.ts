// What we know about one proxy on one stream, as immutable values. Changed only by the reducers in proxy-events.ts
// (what the proxy said) and push-plan.ts (what is sent); both are pure.

import type { EncodedResource, ResourceSet, ResourceType, RuntimeLayer } from "../envoy/config.ts";

/** A resource the proxy reported after a reconnect that is not ours: its content, so what it names, is unknown. */
export interface UnknownResource {
  readonly type: ResourceType;
  readonly name: string;
  readonly version: string;
  readonly unknown: true;
}

/** What a proxy may hold under a name. */
export type Held = EncodedResource | UnknownResource;

/** A response that was sent and neither acknowledged nor refused yet; at most one per type. */
export interface Outstanding {
  /** Its place in the order of everything sent on the stream; the nonce is its decimal form. */
  readonly sequence: number;
  readonly resources: ReadonlyMap<string, EncodedResource>;
  readonly removed: readonly string[];
  /** Whether it carried the first group of `trials` only. */
  readonly isTrial: boolean;
  /** The desired set that is in force as a whole once this is acknowledged; undefined when something else remains. */
  readonly completes: ResourceSet | undefined;
}

/** A unit of content the proxy refused; it is not sent again until its version changes. */
export interface Rejection {
  readonly type: ResourceType;
  /** The resource's name; of a route configuration's part "<route configuration>\n<virtual host>". */
  readonly unit: string;
  readonly version: string;
  /** The proxy's words, at most 2,000 characters. */
  readonly message: string;
  /** The objects it came from. */
  readonly sources: readonly string[];
}

/** One type on one stream. */
export interface TypeState {
  /** Whether the proxy asked for this type on this stream. */
  readonly subscribed: boolean;
  readonly wildcard: boolean;
  /** Names asked for one by one. */
  readonly names: ReadonlySet<string>;
  /** What the proxy acknowledged; the very desired set once it is all acknowledged. */
  readonly accepted: ReadonlyMap<string, Held>;
  /** Names whose state a NACK left open, with the contents that may be in force besides the accepted one. */
  readonly possible: ReadonlyMap<string, readonly EncodedResource[]>;
  readonly outstanding: Outstanding | undefined;
  /** Names that must be answered in full although nothing changed, and since when (a sequence number); "*" is the wildcard itself. */
  readonly due: ReadonlyMap<string, number>;
  /** By unit. */
  readonly rejected: ReadonlyMap<string, Rejection>;
  /** Groups of units, one of which the proxy refuses: sent group by group, halved at each NACK. */
  readonly trials: readonly (readonly string[])[];
  /** Hashes of the groups that were refused: one that is refused again can't be taken apart, so all of it is rejected. */
  readonly refusedGroups: ReadonlySet<string>;
  /** Since when (ms) something is held back because what it names is not usable yet. */
  readonly heldSince: number | undefined;
  /** The desired set for which nothing was left to send, when last compared; undefined after each event of the type. */
  readonly settled: ResourceSet | undefined;
}

export type TypeStates = Readonly<Record<ResourceType, TypeState>>;

export interface ProxyState {
  readonly types: TypeStates;
  /** Counts responses and subscriptions, so that "sent after" is a comparison. */
  readonly sequence: number;
  /** Clusters that nothing names any more, and since when (ms). */
  readonly retiring: ReadonlyMap<string, number>;
  /** The runtime layer sent last. */
  readonly layer: RuntimeLayer;
}

/** The wildcard's key in `due`. */
export const wildcardName = "*";

/** Separates a route configuration's name from its part's in a unit; neither can hold it. */
export const unitSeparator = "\n";

/** A type nothing was heard of. */
export const unsubscribed: TypeState = {
  subscribed: false,
  wildcard: false,
  names: new Set(),
  accepted: new Map(),
  possible: new Map(),
  outstanding: undefined,
  due: new Map(),
  rejected: new Map(),
  trials: [],
  refusedGroups: new Set(),
  heldSince: undefined,
  settled: undefined,
};

/** A proxy that just connected and said nothing. */
export const initialState: ProxyState = {
  types: {
    rtds: unsubscribed,
    cds: unsubscribed,
    eds: unsubscribed,
    sds: unsubscribed,
    ecds: unsubscribed,
    lds: unsubscribed,
    rds: unsubscribed,
  },
  sequence: 0,
  retiring: new Map(),
  layer: new Map(),
};

/** Whether the content of a held resource is known. */
export function isKnown(held: Held | undefined): held is EncodedResource {
  return held !== undefined && !("unknown" in held);
}

/** Whether the proxy wants to hear of this name. */
export function isSubscribed(state: TypeState, name: string): boolean {
  return state.wildcard || state.names.has(name);
}

/** The state with one type replaced. */
export function withType(state: ProxyState, type: ResourceType, typeState: TypeState): ProxyState {
  return { ...state, types: { ...state.types, [type]: typeState } };
}

/** Everything that may be in force on the proxy under this type: acknowledged, left open by a NACK, or on its way. */
export function* heldResources(state: TypeState): Generator<Held> {
  yield* state.accepted.values();
  for (const resources of state.possible.values()) yield* resources;
  if (state.outstanding !== undefined) yield* state.outstanding.resources.values();
}

/** A copy of the map without the names; the same map when it held none of them. */
export function without<T>(map: ReadonlyMap<string, T>, names: Iterable<string>): ReadonlyMap<string, T> {
  let copy: Map<string, T> | undefined;
  for (const name of names) {
    if (!map.has(name)) continue;
    copy ??= new Map(map);
    copy.delete(name);
  }
  return copy ?? map;
}

/** What is still owed after a response: names that became due after it was sent. */
export function dueAfter(due: TypeState["due"], answered: Outstanding): TypeState["due"] {
  if (due.size === 0) return due;
  const done = [...answered.resources.keys(), ...answered.removed, wildcardName];
  return without(
    due,
    done.filter((name) => (due.get(name) ?? Infinity) < answered.sequence),
  );
}
