// Which versions of a service there are and how their pods do: the Service's selector, ReplicaSets and Pods -> observed versions, and how far a Deployment's
// own update is. Pure.

import type { Deployment } from "../../api/kubernetes/deployment.ts";
import type { Pod } from "../../api/kubernetes/pod.ts";
import type { ReplicaSet } from "../../api/kubernetes/replica-set.ts";
import type { Release } from "../../api/release/release.ts";
import { stepsOf } from "../../api/release/steps.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { revisionAnnotation, templateHashLabel } from "../../platform/controllers/deployment.ts";
import { isActive, isReady } from "../../platform/controllers/pods.ts";
import type { ObservedVersion, RolloutProgress } from "../../release/observation.ts";
import { createLabelIndex } from "./by-labels.ts";

/** Deployments that opted in to be scaled by releases bear it. */
const scaleLabel = "lateen.io/scale";

/** A version and what carries it. */
export interface VersionFacts extends ObservedVersion {
  /** Its value of the version label: what callers' counts know it by. Templates changed in place may share one, or have none (""). */
  readonly label: string;
  /** Versions that are templates: what callers' counts know them by, whatever their labels; undefined where no Deployment made them. */
  readonly hash: string | undefined;
  /** Its newest ReplicaSet. */
  readonly set: ReplicaSet;
  readonly deployment: Deployment | undefined;
  /** By name; those that are ending left out. */
  readonly pods: readonly Pod[];
}

/** Whether the Deployment moves the traffic by its own update, so that a template is a version. */
export function isByPods({ spec }: Pick<Release, "spec">): boolean {
  return stepsOf(spec).some(({ kind }) => kind === "rollout");
}

const setsBy = createLabelIndex<ReplicaSet>(({ spec }) => spec.template.metadata.labels);
const podsBy = createLabelIndex<Pod>(({ metadata }) => metadata.labels);

/** All versions of a Release's service, by name. */
export function versionsOf(release: Release, snapshot: Snapshot): readonly VersionFacts[] {
  const { namespace } = release.metadata;
  const { label } = release.spec.versions;
  const selector = snapshot.get("Service", namespace, release.spec.service)?.spec.selector ?? {};
  if (Object.keys(selector).length === 0) return [];
  const sets = setsBy(snapshot.list("ReplicaSet", namespace), selector);
  const pods = podsBy(snapshot.list("Pod", namespace), selector).filter(isActive);
  const groups = isByPods(release) ? byTemplate(sets, label) : byLabel(sets, label);
  return groups.map((group) => factsOf(group, { snapshot, pods, label })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** All pods that a Release's Service selects, whatever their version; none without a selector. */
export function servicePods(release: Release, snapshot: Snapshot): readonly Pod[] {
  const { namespace } = release.metadata;
  const selector = snapshot.get("Service", namespace, release.spec.service)?.spec.selector ?? {};
  return Object.keys(selector).length === 0 ? [] : podsBy(snapshot.list("Pod", namespace), selector);
}

/** Ready pods of a version, by name. */
export function readyPodsOf(release: Release, version: string, snapshot: Snapshot): readonly Pod[] {
  const found = versionsOf(release, snapshot).find(({ name }) => name === version);
  return (found?.pods ?? []).filter(isReady);
}

interface Group {
  readonly name: string;
  /** At least one, newest first. */
  readonly sets: readonly [ReplicaSet, ...ReplicaSet[]];
  /** Its pods have this value of the label pod-template-hash; undefined: the version label alone tells them. */
  readonly hash: string | undefined;
}

function byLabel(sets: readonly ReplicaSet[], label: string): readonly Group[] {
  const groups = Map.groupBy(sets, ({ spec }) => spec.template.metadata.labels[label]);
  return [...groups].flatMap(([name, all]): readonly Group[] => {
    const [newest, ...others] = all.toSorted((a, b) => appearedAt(b) - appearedAt(a));
    return name === undefined || newest === undefined ? [] : [{ name, sets: [newest, ...others], hash: undefined }];
  });
}

/** Each template is a version: the first with a value of the label is called by it, later ones by their hash besides. */
function byTemplate(sets: readonly ReplicaSet[], label: string): readonly Group[] {
  const known = new Set<string>();
  const oldestFirst = sets.toSorted((a, b) => appearedAt(a) - appearedAt(b) || revisionOf(a) - revisionOf(b));
  return oldestFirst.flatMap((set): readonly Group[] => {
    const { labels } = set.spec.template.metadata;
    const value = labels[label];
    const hash = labels[templateHashLabel];
    const own = hash ?? set.metadata.name;
    // Who has no version label has templates all the same.
    if (value === undefined) return hash === undefined ? [] : [{ name: own, sets: [set], hash }];
    const name = known.has(value) ? `${value}-${own}` : value;
    known.add(value);
    return [{ name, sets: [set], hash }];
  });
}

interface Seen {
  readonly snapshot: Snapshot;
  readonly pods: readonly Pod[];
  readonly label: string;
}

function factsOf({ name, sets, hash }: Group, { snapshot, pods, label }: Seen): VersionFacts {
  const [set] = sets;
  const deployment = deploymentOf(set, snapshot);
  const value = set.spec.template.metadata.labels[label];
  const own = pods
    .filter(({ metadata }) => metadata.labels[label] === value && (hash === undefined || metadata.labels[templateHashLabel] === hash))
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return {
    name,
    label: value ?? "",
    hash,
    since: Math.min(...sets.map(appearedAt)),
    readyPods: own.filter(isReady).length,
    // Two templates share a Deployment's replicas: scaling the one that goes would take the other's pods.
    scaleManaged: hash === undefined && deployment?.metadata.labels[scaleLabel] === "managed",
    ...(hash === undefined ? {} : { deployed: isDeployed(set, deployment) }),
    set,
    deployment,
    pods: own,
  };
}

function appearedAt({ metadata }: ReplicaSet): number {
  const time = Date.parse(metadata.creationTimestamp ?? "");
  return Number.isNaN(time) ? 0 : time;
}

function deploymentOf({ metadata }: ReplicaSet, snapshot: Snapshot): Deployment | undefined {
  const owner = metadata.ownerReferences?.find(({ kind, controller }) => kind === "Deployment" && controller === true);
  return owner === undefined ? undefined : snapshot.get("Deployment", metadata.namespace, owner.name);
}

function revisionOf({ metadata }: Pick<ReplicaSet | Deployment, "metadata">): number {
  return Number(metadata.annotations[revisionAnnotation] ?? 0);
}

/** Whether the Deployment's template is this set's now; its controller must have seen the template. */
function isDeployed(set: ReplicaSet, deployment: Deployment | undefined): boolean {
  if (deployment === undefined || deployment.status?.observedGeneration !== deployment.metadata.generation) return false;
  return revisionOf(set) === revisionOf(deployment);
}

/** How far the Deployment of a version is with making all its pods of that version; undefined when it makes others. */
export function rolloutOf(version: VersionFacts | undefined, direction: RolloutProgress["direction"]): RolloutProgress | undefined {
  if (version?.deployment === undefined || version.deployed !== true) return undefined;
  const { deployment, readyPods: ready } = version;
  const failed = stuckWords(version);
  return { direction, updatedReady: ready, total: deployment.spec.replicas, ...(failed === undefined ? {} : { failed }) };
}

/** A container that ended so often won't become better (the kubelet's back-off begins after the first). */
const manyRestarts = 2;

function stuckWords({ deployment, pods }: VersionFacts): string | undefined {
  const progressing = deployment?.status?.conditions.find(({ type }) => type === "Progressing");
  if (progressing?.status === "False") return progressing.message ?? progressing.reason ?? "no progress";
  for (const { metadata, status } of pods) {
    const crashing = status?.containerStatuses.find(
      ({ restartCount, state }) => restartCount >= manyRestarts && state?.waiting?.reason === "CrashLoopBackOff",
    );
    if (crashing !== undefined) {
      const code = crashing.lastState?.terminated?.exitCode;
      const why = code === undefined ? "" : `, last with exit code ${code}`;
      return `container ${crashing.name} of pod ${metadata.name} ended ${crashing.restartCount + 1} times${why}`;
    }
  }
  return undefined;
}
