// Reducers: what the proxy says → what we know about it. Pure; the planner decides afterwards what to send.

import type { EncodedResource, ProxyConfig, ResourceType } from "../envoy/config.ts";
import type { DeltaRequest } from "./delta-wire.ts";
import {
  dueAfter,
  type Held,
  heldResources,
  initialState,
  isKnown,
  isSubscribed,
  type Outstanding,
  type ProxyState,
  type TypeState,
  unsubscribed,
  wildcardName,
  without,
  withType,
} from "./proxy-state.ts";
import { refused } from "./rejection.ts";
import { hasWildcard, resourceSetOf, resourceTypes } from "./resource-types.ts";

/** What arrives on a stream, its type already looked up. */
export type ProxyRequest = Omit<DeltaRequest, "typeUrl" | "nodeId"> & { readonly type: ResourceType };

/**
 * A stream begins.
 *
 * Of the stream before only what the proxy's report cannot tell is kept: refused contents, what a NACK left open, endpoints
 * owed to changed clusters, and the resources themselves, by which reported versions are recognised.
 */
export function connected(previous: ProxyState | undefined): ProxyState {
  if (previous === undefined) return initialState;
  const types = Object.fromEntries(resourceTypes.map((type) => [type, reconnectedType(previous.types[type])]));
  return { ...initialState, types: { ...initialState.types, ...types }, layer: previous.layer };
}

/** `accepted` and `due` stay as hints until the first request of the type, which replaces them. */
function reconnectedType(previous: TypeState): TypeState {
  const possible = new Map(previous.possible);
  for (const [name, resource] of previous.outstanding?.resources ?? []) possible.set(name, [...(possible.get(name) ?? []), resource]);
  for (const name of previous.outstanding?.removed ?? []) possible.set(name, possible.get(name) ?? []);
  const due = new Map([...previous.due].filter(([name]) => name !== wildcardName).map(([name]) => [name, 0]));
  const { accepted, rejected } = previous;
  return { ...unsubscribed, accepted, rejected, due, possible };
}

/** The proxy sent a request. `config` is only used to recognise what it reports. */
export function received(state: ProxyState, request: ProxyRequest, config: ProxyConfig): ProxyState {
  const { type } = request;
  const before = state.types[type];
  const { outstanding } = before;
  const answered = outstanding !== undefined && request.nonce === String(outstanding.sequence) ? outstanding : undefined;
  const judged =
    answered === undefined
      ? before
      : request.error === undefined
        ? acknowledged(before, answered)
        : refused(before, answered, { type, message: request.error });
  const first = judged.subscribed ? judged : firstRequest(judged, request, config);
  const sequence = state.sequence + 1;
  const next = subscriptionsChanged(first, request, { sequence, isFirst: !judged.subscribed, config });
  return { ...withType(state, type, next), sequence };
}

function acknowledged(state: TypeState, answered: Outstanding): TypeState {
  const names = [...answered.resources.keys(), ...answered.removed];
  const due = dueAfter(state.due, answered);
  const possible = without(state.possible, names);
  return {
    ...state,
    outstanding: undefined,
    accepted: answered.completes ?? acceptedAfter(state, answered),
    possible,
    due,
    trials: answered.isTrial ? state.trials.slice(1) : state.trials,
    settled: due.size === 0 && possible.size === 0 ? answered.completes : undefined,
  };
}

function acceptedAfter(state: TypeState, answered: Outstanding): ReadonlyMap<string, Held> {
  const accepted = new Map(state.accepted);
  for (const name of answered.removed) accepted.delete(name);
  // What was unsubscribed while the response was on its way is no longer in force.
  for (const [name, resource] of answered.resources) if (isSubscribed(state, name)) accepted.set(name, resource);
  return accepted;
}

/** The first request of a type on a stream says what the proxy has from before. */
function firstRequest(state: TypeState, request: ProxyRequest, config: ProxyConfig): TypeState {
  const known = new Map<string, Held>();
  for (const held of heldResources(state)) if (isKnown(held)) known.set(`${held.name} ${held.version}`, held);
  const desired = resourceSetOf(config, request.type);
  const accepted = new Map<string, Held>();
  for (const [reported, version] of request.initialVersions) {
    const wanted = desired.get(reported);
    const name = wanted?.name ?? reported;
    const unknown = { type: request.type, name, version, unknown: true } as const;
    accepted.set(name, wanted?.version === version ? wanted : (known.get(`${name} ${version}`) ?? unknown));
  }
  const legacyWildcard = hasWildcard(request.type) && request.subscribe.length === 0;
  const possible = new Map([...state.possible].filter(([name, resources]) => isStillOpen(accepted.get(name), resources)));
  const due = new Map([...state.due].filter(([name]) => accepted.has(name)));
  return { ...state, subscribed: true, wildcard: legacyWildcard, accepted, possible, due };
}

/** A refused response may have been applied in part, which the reported versions do not show; a reported one settles it. */
function isStillOpen(reported: Held | undefined, possible: readonly EncodedResource[]): boolean {
  return possible.length === 0 ? reported !== undefined : possible.some(({ version }) => reported?.version !== version);
}

interface SubscriptionContext {
  readonly sequence: number;
  readonly isFirst: boolean;
  readonly config: ProxyConfig;
}

/** Subscription changes hold whatever the nonce says: nonces only pair answers with responses. */
function subscriptionsChanged(state: TypeState, request: ProxyRequest, context: SubscriptionContext): TypeState {
  const { subscribe, unsubscribe, type } = request;
  const unchanged = subscribe.length === 0 && unsubscribe.length === 0 && !context.isFirst;
  if (unchanged) return state;
  const desired = resourceSetOf(context.config, type);
  const names = new Set(state.names);
  const due = new Map(state.due);
  let { wildcard } = state;
  for (const asked of subscribe) {
    // The configuration's own string: a thousand proxies share one copy of each name.
    const name = desired.get(asked)?.name ?? asked;
    if (name === wildcardName) wildcard = true;
    else names.add(name);
    // Known to the proxy from the stream before: only a difference is sent. Else it is answered in full, also when repeated.
    if (!context.isFirst || !state.accepted.has(name)) due.set(name, context.sequence);
  }
  if (context.isFirst && wildcard && request.initialVersions.size === 0) due.set(wildcardName, context.sequence);
  const dropped = unsubscribe.filter((name) => name !== wildcardName);
  if (dropped.length < unsubscribe.length) wildcard = false;
  for (const name of dropped) {
    names.delete(name);
    // Under a wildcard the name stays wanted, and the proxy needs to hear what it is now.
    if (wildcard) due.set(name, context.sequence);
    else due.delete(name);
  }
  const gone = wildcard
    ? []
    : [...dropped, ...(unsubscribe.includes(wildcardName) ? [...state.accepted.keys()].filter((name) => !names.has(name)) : [])];
  const { outstanding } = state;
  return {
    ...state,
    wildcard,
    names,
    due,
    // With a name fewer the response under way does not complete the set any more.
    outstanding: outstanding === undefined || unsubscribe.length === 0 ? outstanding : { ...outstanding, completes: undefined },
    accepted: without(state.accepted, gone),
    possible: without(state.possible, gone),
    settled: undefined,
  };
}
