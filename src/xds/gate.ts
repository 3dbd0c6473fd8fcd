// The gate of make-before-break: whether everything a resource names is usable on the proxy.

import type { EncodedResource, ProxyConfig, ResourceReference, ResourceSet } from "../envoy/config.ts";
import { isKnown, type ProxyState } from "./proxy-state.ts";
import { resourceSetOf } from "./resource-types.ts";
import { isRejected, wantedResource } from "./wanted.ts";

/**
 * usable: acknowledged; waiting: it will be once the proxy answers; blocked: not before the configuration changes
 * (the proxy refused it, or nothing of that name is desired).
 */
export type Readiness = "usable" | "waiting" | "blocked";

/** Answers for one state and configuration; remembers clusters it has looked at. */
export interface Gate {
  /** Whether the whole resource may go without a look at its parts: every desired cluster is usable, and it names no other. */
  readonly isOpenFor: (resource: EncodedResource) => boolean;
  readonly readinessOf: (references: readonly ResourceReference[]) => Readiness;
  /** The first reference that is not usable, for status. */
  readonly obstacleOf: (references: readonly ResourceReference[]) => ResourceReference | undefined;
}

/**
 * Makes the gate. Only clusters count: a listener's route configurations and secrets are asked for by the proxy after it has
 * the listener, which warms until then.
 */
export function gateOf(state: ProxyState, config: ProxyConfig): Gate {
  const isWhole = isWholeSetUsable(state, config);
  const known = new Map<string, Readiness>();
  const ofCluster = (name: string): Readiness => {
    if (isWhole) return config.clusters.has(name) ? "usable" : "blocked";
    const remembered = known.get(name);
    if (remembered !== undefined) return remembered;
    // Aggregates may refer in circles; a circle is usable when the rest is.
    known.set(name, "usable");
    const readiness = clusterReadiness(state, config, { name, ofCluster });
    known.set(name, readiness);
    return readiness;
  };
  const clusters = (references: readonly ResourceReference[]) => references.filter(({ type }) => type === "cds");
  return {
    isOpenFor: (resource) => isWhole && namesOnly(resource, config.clusters),
    readinessOf: (references) => worstOf(clusters(references).map(({ name }) => ofCluster(name))),
    obstacleOf: (references) => clusters(references).find(({ name }) => ofCluster(name) !== "usable"),
  };
}

/** The common case at no cost: every desired cluster and endpoint set is acknowledged with the secrets of the clusters, and nothing is owed. */
function isWholeSetUsable(state: ProxyState, config: ProxyConfig): boolean {
  const isWhole = (["cds", "eds"] as const).every((type) => {
    const { subscribed, accepted, due, possible, outstanding } = state.types[type];
    const desired = resourceSetOf(config, type);
    const isHeld = desired.size === 0 || (subscribed && accepted === desired);
    return isHeld && due.size === 0 && possible.size === 0 && outstanding === undefined;
  });
  return isWhole && secretsOf(config.clusters).every((name) => secretReadiness(state, config, name) === "usable");
}

const knownSecrets = new WeakMap<ResourceSet, readonly string[]>();

/** The secrets that a set's resources name; the others warm listeners, which nothing waits for. */
function secretsOf(clusters: ResourceSet): readonly string[] {
  const known = knownSecrets.get(clusters);
  if (known !== undefined) return known;
  const names = new Set<string>();
  for (const { references } of clusters.values()) for (const { type, name } of references) if (type === "sds") names.add(name);
  const list = [...names];
  knownSecrets.set(clusters, list);
  return list;
}

const knownNames = new WeakMap<EncodedResource, WeakMap<ResourceSet, boolean>>();

/** Whether all clusters that a resource names are desired; remembered, because a route table names thousands. */
function namesOnly(resource: EncodedResource, clusters: ResourceSet): boolean {
  const ofResource = knownNames.get(resource) ?? new WeakMap<ResourceSet, boolean>();
  knownNames.set(resource, ofResource);
  const known = ofResource.get(clusters);
  if (known !== undefined) return known;
  const answer = resource.references.every(({ type, name }) => type !== "cds" || clusters.has(name));
  ofResource.set(clusters, answer);
  return answer;
}

interface ClusterLookup {
  readonly name: string;
  readonly ofCluster: (name: string) => Readiness;
}

function clusterReadiness(state: ProxyState, config: ProxyConfig, { name, ofCluster }: ClusterLookup): Readiness {
  if (!config.clusters.has(name)) return "blocked";
  const { cds } = state.types;
  const wanted = wantedResource(state, config, { type: "cds", name });
  if (wanted === undefined) return "blocked";
  const isOnItsWay = cds.outstanding?.resources.has(name) === true || cds.outstanding?.removed.includes(name) === true;
  const isAccepted = cds.subscribed && cds.accepted.get(name)?.version === wanted.version && !cds.possible.has(name);
  if (!isAccepted || isOnItsWay) return "waiting";
  const references = isKnown(wanted) ? wanted.references : [];
  return worstOf(
    references.map((reference) => (reference.type === "cds" ? ofCluster(reference.name) : warmthOf(state, config, reference))),
  );
}

/**
 * Whether the proxy has a secret: in whatever version, for a cluster goes on with the last one until the next is there, also a changed
 * cluster. So a rotation holds nothing up.
 */
function secretReadiness({ types: { sds } }: ProxyState, config: ProxyConfig, name: string): Readiness {
  if (!sds.subscribed || sds.due.has(name)) return "waiting";
  if (sds.accepted.has(name)) return "usable";
  const desired = config.secrets.get(name);
  // No such secret: nothing will come, and the proxy was told so if it asked.
  if (desired === undefined) return sds.names.has(name) ? "usable" : "waiting";
  return isRejected(sds, name, desired.version) ? "blocked" : "waiting";
}

/** Whether what a cluster is warmed by (endpoints, secrets) was acknowledged after the cluster itself was sent. */
function warmthOf(state: ProxyState, config: ProxyConfig, reference: ResourceReference): Readiness {
  if (reference.type === "sds") return secretReadiness(state, config, reference.name);
  const typeState = state.types[reference.type];
  if (!typeState.subscribed || typeState.due.has(reference.name)) return "waiting";
  const wanted = wantedResource(state, config, reference);
  // Nothing of that name: the proxy was told so if it asked, which ends the warming.
  if (wanted === undefined) return typeState.names.has(reference.name) ? "usable" : "waiting";
  return typeState.accepted.get(reference.name)?.version === wanted.version ? "usable" : "waiting";
}

function worstOf(all: readonly Readiness[]): Readiness {
  if (all.includes("blocked")) return "blocked";
  return all.includes("waiting") ? "waiting" : "usable";
}

/** Whether a resource may be sent now. */
export function readinessOfResource(gate: Gate, resource: EncodedResource): Readiness {
  return gate.readinessOf(resource.references);
}
