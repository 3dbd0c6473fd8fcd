// ReplicaSet policy: how many pods to make, which to delete, what to report. Pure; as Kubernetes' replica_set.go and controller_utils.go.

import type { Pod } from "../../api/kubernetes/pod.ts";
import type { ReplicaSet } from "../../api/kubernetes/replica-set.ts";
import { isActive, isReady, readySince, untilAvailableMs } from "./pods.ts";

export interface ReplicaSetInput {
  readonly replicaSet: ReplicaSet;
  /** All pods it owns, ended and ending ones too. */
  readonly pods: readonly Pod[];
  /** Epoch milliseconds. */
  readonly now: number;
}

export interface ReplicaSetDecision {
  /** Pods to make. */
  readonly create: number;
  /** Pods to delete gracefully. */
  readonly remove: readonly Pod[];
  /** Pods that failed: their objects go at once, new ones take their place. */
  readonly failed: readonly Pod[];
  readonly status: ReplicaSetCounts;
  /** Milliseconds until the next pod becomes available by time alone. */
  readonly againMs: number | undefined;
}

export interface ReplicaSetCounts {
  readonly observedGeneration: number;
  readonly replicas: number;
  readonly fullyLabeledReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
}

export function decideReplicaSet({ replicaSet, pods, now }: ReplicaSetInput): ReplicaSetDecision {
  const { replicas: desired, minReadySeconds, template } = replicaSet.spec;
  const active = pods.filter(isActive);
  const waits = active.map((pod) => untilAvailableMs(pod, minReadySeconds, now));
  const remaining = waits.filter((wait) => wait !== undefined && wait > 0);
  const labels = Object.entries(template.metadata.labels);
  const ending = replicaSet.metadata.deletionTimestamp !== undefined;
  return {
    create: ending ? 0 : Math.max(0, desired - active.length),
    remove: ending ? [] : inOrderOfDeletion(active).slice(0, Math.max(0, active.length - desired)),
    failed: pods.filter((pod) => pod.status?.phase === "Failed" && pod.metadata.deletionTimestamp === undefined),
    status: {
      observedGeneration: replicaSet.metadata.generation,
      replicas: active.length,
      fullyLabeledReplicas: active.filter((pod) => labels.every(([key, value]) => pod.metadata.labels[key] === value)).length,
      readyReplicas: active.filter(isReady).length,
      availableReplicas: waits.filter((wait) => wait === 0).length,
    },
    againMs: remaining.length === 0 ? undefined : Math.min(...remaining.map(Number)),
  };
}

/** Which pod goes first: not ready, then ready for the shortest time, then restarted most, then newest, then by name. */
export function inOrderOfDeletion(pods: readonly Pod[]): readonly Pod[] {
  const keyed = pods.map((pod) => ({
    pod,
    rank: [phaseRank(pod), isReady(pod) ? 1 : 0, -(readySince(pod) ?? 0), -restarts(pod), -Date.parse(pod.metadata.creationTimestamp)],
  }));
  return keyed.toSorted((left, right) => compareRanks(left.rank, right.rank) || byName(left.pod, right.pod)).map(({ pod }) => pod);
}

function phaseRank(pod: Pod): number {
  const phase = pod.status?.phase;
  if (phase === "Running") return 2;
  return phase === "Unknown" ? 1 : 0;
}

function restarts(pod: Pod): number {
  return (pod.status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0);
}

function compareRanks(left: readonly number[], right: readonly number[]): number {
  const at = left.findIndex((value, index) => value !== right[index]);
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

function byName(left: Pod, right: Pod): number {
  if (left.metadata.name === right.metadata.name) return 0;
  return left.metadata.name < right.metadata.name ? 1 : -1;
}
