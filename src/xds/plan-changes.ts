// One type of one proxy: what it should hold against what it acknowledged → what may be sent now and what has to wait.

import type { EncodedResource, ProxyConfig, ResourceSet, ResourceType } from "../envoy/config.ts";
import { type Gate, type Readiness, readinessOfResource } from "./gate.ts";
import { type Held, isKnown, isSubscribed, type ProxyState, type TypeState, wildcardName } from "./proxy-state.ts";
import { resourceSetOf } from "./resource-types.ts";
import { isComposite, routeMix } from "./route-mix.ts";
import { isAwaitingTrial, isRejected, wantedResource } from "./wanted.ts";

export interface Changes {
  readonly resources: EncodedResource[];
  readonly removed: string[];
  /** Clusters that are not desired any more; plan-removals.ts decides when they go. */
  readonly retirable: string[];
  /** Desired contents that the proxy reported by version before we knew them. */
  readonly recognised: EncodedResource[];
  /** Names whose acknowledged content is the desired one, or will be with these changes. */
  matching: number;
  /** Something waits for the proxy to acknowledge what it names. */
  isWaiting: boolean;
  /** Something differs from what is desired and is not in these changes. */
  remains: boolean;
}

export interface ChangesInput {
  readonly state: ProxyState;
  readonly config: ProxyConfig;
  readonly gate: Gate;
  readonly type: ResourceType;
  /** Whether what waits has waited long enough: the rest goes without it. */
  readonly isHoldOver: boolean;
}

interface Candidate {
  readonly name: string;
  readonly have: Held | undefined;
  readonly isDue: boolean;
  /** A NACK left open what is in force. */
  readonly isUncertain: boolean;
}

/** Compares. The result is filled while walking, and not touched after this function returned it. */
export function changesOf(input: ChangesInput): Changes {
  const { state, config, type } = input;
  const typeState = state.types[type];
  const desired = resourceSetOf(config, type);
  const names = namesToCompare(typeState, desired);
  const compared = [...names].filter((name) => typeState.accepted.has(name)).length;
  const matching = typeState.accepted.size - compared;
  const changes: Changes = { resources: [], removed: [], retirable: [], recognised: [], matching, isWaiting: false, remains: false };
  for (const name of names) {
    const candidate = {
      name,
      have: typeState.accepted.get(name),
      isDue: typeState.due.has(name),
      isUncertain: typeState.possible.has(name),
    };
    const wanted = desired.get(name);
    if (wanted !== undefined && isComposite(wanted)) addRoutes(input, changes, candidate);
    else addPlain(input, changes, candidate);
  }
  if (type === "lds") holdListeners(input, changes);
  return changes;
}

/** Names that differ, are owed an answer or are open after a NACK; all others are acknowledged as desired. */
function namesToCompare(state: TypeState, desired: ResourceSet): ReadonlySet<string> {
  const names = new Set([...differingNames(state.accepted, desired), ...state.due.keys(), ...state.possible.keys()]);
  names.delete(wildcardName);
  for (const name of names) if (!isSubscribed(state, name)) names.delete(name);
  return names;
}

const differences = new WeakMap<ReadonlyMap<string, Held>, WeakMap<ResourceSet, readonly string[]>>();

/** Remembered per pair of sets: a hundred proxies in the same state are compared once. */
function differingNames(accepted: ReadonlyMap<string, Held>, desired: ResourceSet): readonly string[] {
  if (accepted === desired) return [];
  const ofAccepted = differences.get(accepted) ?? new WeakMap<ResourceSet, readonly string[]>();
  differences.set(accepted, ofAccepted);
  const known = ofAccepted.get(desired);
  if (known !== undefined) return known;
  const names: string[] = [];
  for (const [name, resource] of desired) if (accepted.get(name) !== resource) names.push(name);
  for (const name of accepted.keys()) if (!desired.has(name)) names.push(name);
  ofAccepted.set(desired, names);
  return names;
}

function addPlain(input: ChangesInput, changes: Changes, candidate: Candidate): void {
  const { state, config, type } = input;
  const { name, have, isDue, isUncertain } = candidate;
  const typeState = state.types[type];
  const wanted = wantedResource(state, config, { type, name });
  if (wanted === undefined) {
    addAbsent(type, changes, candidate);
    return;
  }
  const isDesired = resourceSetOf(config, type).get(name)?.version === wanted.version;
  if (wanted.version === have?.version && !isDue && !isUncertain) {
    if (isDesired) changes.matching += 1;
    if (isKnown(wanted) && !isKnown(have)) changes.recognised.push(wanted);
    return;
  }
  if (!isKnown(wanted)) return;
  const readiness = isAwaitingTrial(typeState, name) ? "blocked" : gatedReadiness(input, wanted);
  if (readiness !== "usable") {
    changes.remains = true;
    changes.isWaiting ||= readiness === "waiting";
    if (readiness === "blocked" && isUncertain && type === "lds" && typeState.trials.length === 0) makeCertain(changes, candidate);
    return;
  }
  changes.resources.push(wanted);
  if (isDesired) changes.matching += 1;
}

/** What a NACK left open and can't be replaced by what is desired: back to the last good content, or to none. */
function makeCertain(changes: Changes, { name, have }: Candidate): void {
  if (isKnown(have)) changes.resources.push(have);
  else if (have === undefined) changes.removed.push(name);
}

/** Only what carries traffic is gated; clusters, endpoints and secrets are what the others wait for. */
function gatedReadiness({ gate, type }: ChangesInput, resource: EncodedResource): Readiness {
  return type === "lds" || type === "rds" || type === "ecds" ? readinessOfResource(gate, resource) : "usable";
}

function addAbsent(type: ResourceType, changes: Changes, { name, have, isDue, isUncertain }: Candidate): void {
  const mayExist = have !== undefined || isUncertain;
  if (type === "cds" && mayExist) changes.retirable.push(name);
  // Other types end by the proxy's own unsubscription; a question about a name that does not exist is answered by its removal.
  else if ((type === "lds" && mayExist) || isDue) changes.removed.push(name);
}

function addRoutes(input: ChangesInput, changes: Changes, candidate: Candidate): void {
  const { state, config, gate, isHoldOver } = input;
  const { name, have, isDue, isUncertain } = candidate;
  const desired = config.routes.get(name);
  if (desired === undefined || !isComposite(desired)) return;
  if (have?.version === desired.version && !isDue && !isUncertain) {
    if (!isKnown(have)) changes.recognised.push(desired);
    changes.matching += 1;
    return;
  }
  const mix = routeMix({ desired, state: state.types.rds, gate });
  if (mix === "waiting" || mix === "blocked") {
    changes.isWaiting ||= mix === "waiting";
    changes.remains = true;
    return;
  }
  changes.isWaiting ||= mix.isWaiting;
  changes.remains ||= mix.isPartial;
  const isDifferent = have?.version !== mix.resource.version || isUncertain || isDue;
  const mustWait = mix.isWaiting && !isHoldOver;
  const isRefused = isRejected(state.types.rds, name, mix.resource.version);
  if (isDifferent && (mustWait || isRefused)) {
    changes.remains = true;
    return;
  }
  if (isDifferent) changes.resources.push(mix.resource);
  if (!mix.isPartial) changes.matching += 1;
}

/**
 * While a listener waits for its clusters, none is removed (the new one may take the old one's address), and the first answer
 * is not given: the proxy would call itself ready without it.
 */
function holdListeners({ state, isHoldOver }: ChangesInput, changes: Changes): void {
  if (!changes.isWaiting || isHoldOver) return;
  if (changes.removed.length > 0) changes.remains = true;
  changes.removed.length = 0;
  const isFirstAnswer = state.types.lds.accepted.size === 0 && state.types.lds.due.size > 0;
  if (isFirstAnswer) changes.resources.length = 0;
}
