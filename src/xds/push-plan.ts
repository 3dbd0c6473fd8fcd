// The planner of make-before-break: (what a proxy acknowledged, what it should have, the time) → what to send now. Pure.
// At most one response per type is under way; what changes meanwhile is sent together when its answer has come.

import type { EncodedResource, ProxyConfig, ResourceType } from "../envoy/config.ts";
import { runtimeLayerName } from "../envoy/config.ts";
import { gateOf } from "./gate.ts";
import { type Changes, changesOf } from "./plan-changes.ts";
import { retirement } from "./plan-removals.ts";
import {
  heldResources,
  isKnown,
  type Outstanding,
  type ProxyState,
  type TypeState,
  wildcardName,
  without,
  withType,
} from "./proxy-state.ts";
import { resourceSetOf, resourceTypes } from "./resource-types.ts";
import { reachableLayer } from "./rising-weights.ts";
import { encodeRuntimeLayer, mergedLayer } from "./runtime-layer.ts";
import { isRejected } from "./wanted.ts";

/** How long what is ready waits for the rest, so that one change is one response: two round trips of a busy proxy. */
const holdMs = 100;
/** The same before a type's first resources: a proxy that starts should get all of them at once. */
const firstHoldMs = 2000;

/** One response to put on the stream. */
export interface PlannedResponse {
  readonly type: ResourceType;
  readonly nonce: string;
  readonly resources: readonly EncodedResource[];
  readonly removed: readonly string[];
}

export interface Plan {
  /** In the order of sending. */
  readonly responses: readonly PlannedResponse[];
  /** What is known once they are sent. */
  readonly state: ProxyState;
  /** When (ms, same clock as `now`) to plan again although nothing happened. */
  readonly wakeAt: number | undefined;
}

/** Plans everything that may be sent now. Planning again without an event in between sends nothing. */
export function plan(state: ProxyState, config: ProxyConfig, now: number): Plan {
  let next: ProxyState = state;
  const responses: PlannedResponse[] = [];
  const wakes: number[] = [];
  for (const type of resourceTypes) {
    if (type === "rtds") continue;
    const step = planType(next, config, { type, now });
    next = step.state;
    responses.push(...step.responses);
    if (step.wakeAt !== undefined) wakes.push(step.wakeAt);
  }
  const runtime = planRuntime(next, config);
  return {
    responses: [...runtime.responses, ...responses],
    state: runtime.state,
    wakeAt: wakes.length === 0 ? undefined : Math.min(...wakes),
  };
}

interface Step {
  readonly state: ProxyState;
  readonly responses: readonly PlannedResponse[];
  readonly wakeAt?: number | undefined;
}

interface Moment {
  readonly type: ResourceType;
  readonly now: number;
}

function planType(state: ProxyState, config: ProxyConfig, { type, now }: Moment): Step {
  const before = state.types[type];
  const desired = resourceSetOf(config, type);
  if (!before.subscribed || before.outstanding !== undefined || before.settled === desired) return { state, responses: [] };
  const holdEnds = before.heldSince === undefined ? undefined : before.heldSince + (before.accepted.size === 0 ? firstHoldMs : holdMs);
  const isHoldOver = holdEnds !== undefined && now >= holdEnds;
  const changes = changesOf({ state, config, type, gate: gateOf(state, config), isHoldOver });
  const leaving = type === "cds" ? retirement(state, config, { retirable: changes.retirable, now }) : undefined;
  // A removal among trials would be repeated with each of them.
  if (before.trials.length === 0) changes.removed.push(...(leaving?.removed ?? []));
  const retired = leaving === undefined ? state : { ...state, retiring: leaving.retiring };
  const heldSince = !changes.isWaiting ? undefined : isHoldOver ? now : (before.heldSince ?? now);
  const wakeAt = earliest(
    leaving?.wakeAt,
    heldSince === undefined ? undefined : heldSince + (before.accepted.size === 0 ? firstHoldMs : holdMs),
  );
  const known = { ...before, accepted: withRecognised(before.accepted, changes.recognised) };
  const isEmpty = changes.resources.length === 0 && changes.removed.length === 0;
  const isAnswerDue = before.due.has(wildcardName) && !(changes.isWaiting && !isHoldOver);
  if (!isEmpty || isAnswerDue) {
    const sent = sentState(withType(retired, type, { ...known, heldSince }), config, { type, changes });
    return { ...sent, wakeAt };
  }
  if (before.trials.length > 0) {
    return planType(withType(retired, type, { ...known, trials: before.trials.slice(1) }), config, { type, now });
  }
  return { state: withType(retired, type, quietState(known, config, { type, changes, heldSince })), responses: [], wakeAt };
}

/** Nothing to send now: remembers whether that holds until something happens. */
function quietState(
  before: TypeState,
  config: ProxyConfig,
  { type, changes, heldSince }: { type: ResourceType; changes: Changes; heldSince: number | undefined },
): TypeState {
  const desired = resourceSetOf(config, type);
  const isSettled = !changes.remains && changes.retirable.length === 0;
  const isWhole = isSettled && changes.matching === desired.size && before.accepted.size === desired.size;
  // The desired set itself in place of an equal copy: comparing becomes free, and proxies share the memory.
  return { ...before, heldSince, settled: isSettled ? desired : undefined, accepted: isWhole ? desired : before.accepted };
}

/** Equal versions are equal contents: from now on we know what the proxy's resource names. */
function withRecognised(accepted: TypeState["accepted"], recognised: readonly EncodedResource[]): TypeState["accepted"] {
  if (recognised.length === 0) return accepted;
  return new Map([...accepted, ...recognised.map((resource) => [resource.name, resource] as const)]);
}

function sentState(state: ProxyState, config: ProxyConfig, { type, changes }: { type: ResourceType; changes: Changes }): Step {
  const before = state.types[type];
  const sequence = state.sequence + 1;
  const { resources, removed } = changes;
  const outstanding: Outstanding = {
    sequence,
    resources: new Map(resources.map((resource) => [resource.name, resource])),
    removed,
    isTrial: before.trials.length > 0,
    completes: completesOf(before, config, { type, changes }),
  };
  const sent = { ...withType(state, type, { ...before, outstanding, settled: undefined }), sequence };
  const next = type === "cds" ? withEndpointsDue(sent, resources, removed) : sent;
  return { state: next, responses: [{ type, nonce: String(sequence), resources, removed }] };
}

function completesOf(before: TypeState, config: ProxyConfig, { type, changes }: { type: ResourceType; changes: Changes }) {
  const desired = resourceSetOf(config, type);
  if (changes.remains || changes.matching !== desired.size) return undefined;
  const added = changes.resources.filter(({ name }) => !before.accepted.has(name)).length;
  const gone = changes.removed.filter((name) => before.accepted.has(name)).length;
  return before.accepted.size + added - gone === desired.size ? desired : undefined;
}

/**
 * A changed cluster warms until endpoints arrive after it, and Envoy does not ask again for those of a known name (its delta
 * subscription has the name already): they are sent unasked right behind, and only their ACK makes the cluster usable.
 */
function withEndpointsDue(state: ProxyState, resources: readonly EncodedResource[], removed: readonly string[]): ProxyState {
  const { cds, eds } = state.types;
  const gone = new Set(removed);
  const removedClusters = [...heldResources(cds)].filter((held) => isKnown(held) && gone.has(held.name));
  const forgotten = endpointNames(removedClusters.filter(isKnown)).filter((name) => !eds.names.has(name));
  const due = new Map(without(eds.due, forgotten));
  for (const name of endpointNames(resources)) due.set(name, state.sequence);
  return due.size === 0 && eds.due.size === 0 ? state : withType(state, "eds", { ...eds, due, settled: undefined });
}

function endpointNames(clusters: readonly EncodedResource[]): readonly string[] {
  return clusters.flatMap(({ references }) => references.filter(({ type }) => type === "eds").map(({ name }) => name));
}

/** Weights wait for nothing but the endpoints of who gets more; what vanished stays until no route reads it any more. */
function planRuntime(state: ProxyState, config: ProxyConfig): Step {
  const { rtds, lds, rds } = state.types;
  if (!rtds.subscribed || rtds.outstanding !== undefined) return { state, responses: [] };
  const reachable = reachableLayer(config, state);
  // What a proxy that outlived a control plane was sent last isn't known: it stays whole until all of the new may go.
  if (reachable !== config.runtime && state.layer.size === 0 && rtds.accepted.has(runtimeLayerName)) return { state, responses: [] };
  const layer = mergedLayer(reachable, state.layer, isMoving(lds) || isMoving(rds));
  const resources: EncodedResource[] = [];
  const removed: string[] = [];
  for (const name of rtds.names) {
    const have = rtds.accepted.get(name);
    const isDue = rtds.due.has(name) || rtds.possible.has(name);
    const wanted = name === runtimeLayerName && layer.size > 0 ? encodeRuntimeLayer(layer) : undefined;
    if (wanted === undefined && (have !== undefined || isDue)) removed.push(name);
    if (wanted === undefined || isRejected(rtds, name, wanted.version)) continue;
    if (wanted.version !== have?.version || isDue) resources.push(wanted);
  }
  if (resources.length === 0 && removed.length === 0) return { state: state.layer === layer ? state : { ...state, layer }, responses: [] };
  const sequence = state.sequence + 1;
  const outstanding = {
    sequence,
    resources: new Map(resources.map((resource) => [resource.name, resource])),
    removed,
    isTrial: false,
    completes: undefined,
  };
  const next = withType({ ...state, sequence, layer }, "rtds", { ...rtds, outstanding });
  return { state: next, responses: [{ type: "rtds", nonce: String(sequence), resources, removed }] };
}

/** Whether the type may still change on the proxy without a new configuration. */
function isMoving({ subscribed, outstanding, heldSince, trials }: TypeState): boolean {
  return !subscribed || outstanding !== undefined || heldSince !== undefined || trials.length > 0;
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
