// Which versions of a service there are and how their pods do: the Service's selector, ReplicaSets and Pods -> observed versions, and how far a Deployment's
// own update is. Pure.

import type { Deployment } from "../../api/kubernetes/deployment.ts";
import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { Pod } from "../../api/kubernetes/pod.ts";
import type { ReplicaSet } from "../../api/kubernetes/replica-set.ts";
import type { Release } from "../../api/release/release.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { isActive, isReady } from "../../platform/controllers/pods.ts";
import type { ObservedVersion, RolloutProgress } from "../../release/observation.ts";

/** Deployments that opted in to be scaled by releases bear it. */
export const scaleLabel = "lateen.io/scale";

/** A version and what carries it. */
export interface VersionFacts extends ObservedVersion {
  /** Its newest ReplicaSet. */
  readonly set: ReplicaSet;
  readonly deployment: Deployment | undefined;
}

/** All versions of a Release's service, by name. */
export function versionsOf(release: Release, snapshot: Snapshot): readonly VersionFacts[] {
  const { namespace } = release.metadata;
  const { label } = release.spec.versions;
  const selector = snapshot.get("Service", namespace, release.spec.service)?.spec.selector ?? {};
  if (Object.keys(selector).length === 0) return [];
  const sets = snapshot.list("ReplicaSet", namespace).filter(({ spec }) => labelsMatch(selector, spec.template.metadata.labels));
  const ready = readyPods(snapshot.list("Pod", namespace), { selector, label });
  const byName = Map.groupBy(
    sets.filter(({ spec }) => spec.template.metadata.labels[label] !== undefined),
    ({ spec }) => spec.template.metadata.labels[label] ?? "",
  );
  return [...byName]
    .map(([name, all]): VersionFacts => {
      const [newest] = all.toSorted((a, b) => appearedAt(b) - appearedAt(a));
      const set = newest ?? unreachable();
      const deployment = deploymentOf(set, snapshot);
      return {
        name,
        since: Math.min(...all.map(appearedAt)),
        readyPods: ready.get(name) ?? 0,
        scaleManaged: deployment?.metadata.labels[scaleLabel] === "managed",
        set,
        deployment,
      };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function unreachable(): never {
  throw new Error("a group of no ReplicaSet");
}

function readyPods(
  pods: readonly Pod[],
  { selector, label }: { readonly selector: Readonly<Record<string, string>>; readonly label: string },
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const pod of pods) {
    const version = pod.metadata.labels[label];
    if (version === undefined || !isActive(pod) || !isReady(pod) || !labelsMatch(selector, pod.metadata.labels)) continue;
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  return counts;
}

function appearedAt({ metadata }: ReplicaSet): number {
  const time = Date.parse(metadata.creationTimestamp ?? "");
  return Number.isNaN(time) ? 0 : time;
}

function deploymentOf({ metadata }: ReplicaSet, snapshot: Snapshot): Deployment | undefined {
  const owner = metadata.ownerReferences?.find(({ kind, controller }) => kind === "Deployment" && controller === true);
  return owner === undefined ? undefined : snapshot.get("Deployment", metadata.namespace, owner.name);
}

/** How far the Deployment of a version is with making all its pods of that version; undefined when it makes others. */
export function rolloutOf(version: VersionFacts | undefined, direction: RolloutProgress["direction"]): RolloutProgress | undefined {
  if (version?.deployment === undefined) return undefined;
  const { deployment, readyPods: ready, set } = version;
  const isTheirs = labelsMatch(set.spec.template.metadata.labels, { ...deployment.spec.template.metadata.labels, ...hashLabel(set) });
  if (!isTheirs) return undefined;
  const progressing = deployment.status?.conditions.find(({ type }) => type === "Progressing");
  const isStuck = progressing?.status === "False";
  return {
    direction,
    updatedReady: ready,
    total: deployment.spec.replicas,
    ...(isStuck ? { failed: progressing.message ?? progressing.reason ?? "no progress" } : {}),
  };
}

const hashLabelName = "pod-template-hash";

function hashLabel({ spec }: ReplicaSet): Readonly<Record<string, string>> {
  const hash = spec.template.metadata.labels[hashLabelName];
  return hash === undefined ? {} : { [hashLabelName]: hash };
}
