// What a proxy has acknowledged of what it should have, and what it is still waiting for and why: for `apply` and `status`. Pure.

import type { EncodedResource, ProxyConfig, ResourceSet, ResourceType } from "../envoy/config.ts";
import { runtimeLayerName } from "../envoy/config.ts";
import { gateOf } from "./gate.ts";
import { heldBackOf } from "./held-back.ts";
import { isKnown, type ProxyState, type Rejection, type TypeState, unitSeparator } from "./proxy-state.ts";
import { resourceSetOf, resourceTypes } from "./resource-types.ts";
import { checkedLayer, encodeRuntimeLayer, type RefusedSplit } from "./runtime-layer.ts";
import { headUnit, headVersion, partUnit } from "./wanted.ts";

/** At most this many obstacles are listed; the count is exact. */
const listedObstacles = 20;

/** One thing that is desired and not in force. */
export interface Obstacle {
  readonly type: ResourceType;
  /** The resource; of a route configuration "<name>, virtual host <host>" when only that part is missing. */
  readonly resource: string;
  /** "held_back": stays out until the object of a refused resource is corrected; like a refusal, nothing to wait for. */
  readonly kind: "not_asked" | "not_sent" | "not_acknowledged" | "refused" | "held_back";
  /** One sentence for people. */
  readonly message: string;
  /** The objects it came from. */
  readonly sources: readonly string[];
  /** Of what is held back: the objects to correct first. */
  readonly behind?: readonly string[];
}

export interface ProxyProgress {
  /** Whether everything desired is acknowledged. Clusters waiting for their removal do not count. */
  readonly isAcknowledged: boolean;
  readonly obstacles: readonly Obstacle[];
}

/** Whether all of `config` is in force on the proxy; cheap when nothing changed. */
export function isAcknowledged(state: ProxyState, config: ProxyConfig): boolean {
  return !isObviouslyBehind(state, config) && firstObstacles(state, config, 1).length === 0;
}

/** Whether the proxy has all of `config` but what it refused and what that holds back: no answer of it can change more. */
export function isAcknowledgedOrRefused(state: ProxyState, config: ProxyConfig): boolean {
  if (isObviouslyBehind(state, config)) return false;
  for (const { kind } of allObstacles(state, config)) if (kind !== "refused" && kind !== "held_back") return false;
  return true;
}

/** Most events are answers in the middle of a push: no need to compare anything then. */
function isObviouslyBehind({ types }: ProxyState, config: ProxyConfig): boolean {
  return resourceTypes.some((type) => {
    const { subscribed, outstanding } = types[type];
    return (
      (outstanding?.resources.size ?? 0) > 0 || (!subscribed && (type === "cds" || type === "lds") && resourceSetOf(config, type).size > 0)
    );
  });
}

/** The same with reasons. */
export function progressOf(state: ProxyState, config: ProxyConfig): ProxyProgress {
  const obstacles = firstObstacles(state, config, listedObstacles);
  return { isAcknowledged: obstacles.length === 0, obstacles };
}

function firstObstacles(state: ProxyState, config: ProxyConfig, limit: number): readonly Obstacle[] {
  const obstacles: Obstacle[] = [];
  for (const obstacle of allObstacles(state, config)) {
    obstacles.push(obstacle);
    if (obstacles.length === limit) return obstacles;
  }
  return obstacles;
}

function* allObstacles(state: ProxyState, config: ProxyConfig): Generator<Obstacle> {
  for (const type of resourceTypes) {
    if (type === "rtds") yield* runtimeObstacles(state, config);
    else if (!isInForceAsAWhole(state.types[type], resourceSetOf(config, type))) yield* obstaclesOf(state, config, type);
  }
}

function isInForceAsAWhole({ subscribed, accepted, due, possible }: TypeState, desired: ResourceSet): boolean {
  return subscribed && accepted === desired && due.size === 0 && possible.size === 0;
}

function* obstaclesOf(state: ProxyState, config: ProxyConfig, type: ResourceType): Generator<Obstacle> {
  const typeState = state.types[type];
  const desired = resourceSetOf(config, type);
  for (const name of requiredNames(config, type)) {
    const resource = desired.get(name);
    const isInForce =
      typeState.accepted.get(name)?.version === resource?.version && !typeState.due.has(name) && !typeState.possible.has(name);
    const isKnownToProxy = resource !== undefined || typeState.names.has(name);
    if (!typeState.subscribed || !isInForce || !isKnownToProxy) yield* obstaclesOfResource(state, config, { type, name, resource });
  }
  if (type !== "lds") return;
  for (const [name, held] of typeState.accepted) {
    if (!desired.has(name))
      yield describe(
        { type, resource: name, sources: isKnown(held) ? held.sources : [] },
        "not_acknowledged",
        "its removal is not acknowledged",
      );
  }
}

/** What the proxy must hold: all clusters and listeners, and of the other types what those name. */
function* requiredNames(config: ProxyConfig, type: ResourceType): Generator<string> {
  if (type === "cds" || type === "lds") {
    yield* resourceSetOf(config, type).keys();
    return;
  }
  const byClusters = type === "rds" ? none : referencedNames(config.clusters, type);
  yield* byClusters;
  if (type === "eds") return;
  for (const name of referencedNames(config.listeners, type)) if (!byClusters.has(name)) yield name;
}

const none: ReadonlySet<string> = new Set();
const referenced = new WeakMap<ResourceSet, Map<ResourceType, ReadonlySet<string>>>();

/** The names of one type that a set's resources refer to; remembered, because each answer of each proxy asks for them. */
function referencedNames(set: ResourceSet, type: ResourceType): ReadonlySet<string> {
  const ofSet = referenced.get(set) ?? new Map<ResourceType, ReadonlySet<string>>();
  referenced.set(set, ofSet);
  const known = ofSet.get(type);
  if (known !== undefined) return known;
  const names = new Set<string>();
  for (const { references } of set.values()) for (const reference of references) if (reference.type === type) names.add(reference.name);
  ofSet.set(type, names);
  return names;
}

interface Missing {
  readonly type: ResourceType;
  readonly name: string;
  readonly resource: EncodedResource | undefined;
}

function* obstaclesOfResource(state: ProxyState, config: ProxyConfig, missing: Missing): Generator<Obstacle> {
  const rejections = rejectionsOf(state.types[missing.type], missing.name, missing.resource);
  const heldBack = heldBackOf(state, config, missing);
  if (rejections.length === 0 && heldBack.length === 0) yield obstacleOf(state, config, missing);
  for (const { resource, refusal, sources } of heldBack) {
    const cause = `${refusal.type.toUpperCase()} ${refusal.unit}, which the proxy refused`;
    const message = `held back because it needs ${cause}: correct ${refusal.sources.join(", ")} first`;
    yield { ...describe({ type: missing.type, resource, sources }, "held_back", message), behind: refusal.sources };
  }
  for (const { type, unit, sources, message } of rejections) {
    const part = unit.split(unitSeparator)[1];
    const resource = part === undefined || part === "" ? missing.name : `${missing.name}, virtual host ${part}`;
    yield describe({ type, resource, sources }, "refused", `the proxy refused it: ${message}`);
  }
}

function obstacleOf(state: ProxyState, config: ProxyConfig, { type, name, resource }: Missing): Obstacle {
  const typeState = state.types[type];
  const sources = resource?.sources ?? [];
  const subject = { type, resource: name, sources };
  const isAsked = typeState.wildcard || typeState.names.has(name);
  if (!isAsked) return describe(subject, "not_asked", "the proxy has not asked for it yet");
  if (typeState.outstanding !== undefined) return describe(subject, "not_acknowledged", "sent and not acknowledged yet");
  const obstacle = resource === undefined ? undefined : gateOf(state, config).obstacleOf(resource.references);
  if (obstacle === undefined) return describe(subject, "not_sent", "not sent yet");
  if (obstacle.type === "cds" && !config.clusters.has(obstacle.name)) {
    return describe(subject, "not_sent", `held back because it names cluster ${obstacle.name}, which the proxy is not configured with`);
  }
  return describe(subject, "not_sent", `held back until cluster ${obstacle.name} is acknowledged with its endpoints`);
}

function rejectionsOf(state: TypeState, name: string, resource: EncodedResource | undefined): readonly Rejection[] {
  if (state.rejected.size === 0 || resource === undefined) return [];
  const { composite } = resource;
  const units = new Map([[name, resource.version]]);
  if (composite !== undefined) units.set(headUnit(name), headVersion(composite.head));
  for (const part of composite?.parts ?? []) units.set(partUnit(name, part.name), part.version);
  return [...state.rejected.values()].filter(({ unit, version }) => units.get(unit) === version);
}

function* runtimeObstacles(state: ProxyState, config: ProxyConfig): Generator<Obstacle> {
  const { rtds } = state.types;
  const subject = { type: "rtds", resource: runtimeLayerName, sources: [] } as const;
  const { layer, refused } = checkedLayer(config.runtime);
  for (const split of refused) yield describe(subject, "refused", refusalMessage(split));
  const isAsked = rtds.names.has(runtimeLayerName);
  if (layer.size > 0 && !isAsked) yield describe(subject, "not_asked", "the proxy has not asked for its weights yet");
  const isSent = isSubsetOf(layer, state.layer) || !isAsked;
  const isInForce = rtds.outstanding === undefined && !rtds.due.has(runtimeLayerName);
  const isAccepted =
    layer.size === 0 || !isAsked || rtds.accepted.get(runtimeLayerName)?.version === encodeRuntimeLayer(state.layer).version;
  if (!isSent || !isInForce || !isAccepted) yield describe(subject, "not_acknowledged", "the new weights are not acknowledged yet");
}

function refusalMessage({ prefix, message }: RefusedSplit): string {
  return `the split ${prefix} was not sent: ${message}`;
}

function isSubsetOf(layer: ReadonlyMap<string, number>, sent: ReadonlyMap<string, number>): boolean {
  if (layer === sent) return true;
  for (const [key, weight] of layer) if (sent.get(key) !== weight) return false;
  return true;
}

function describe(
  subject: { readonly type: ResourceType; readonly resource: string; readonly sources: readonly string[] },
  kind: Obstacle["kind"],
  message: string,
): Obstacle {
  return { ...subject, kind, message };
}
