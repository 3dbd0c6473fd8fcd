// A Deployment's status and its two conditions, Available and Progressing, with Kubernetes' reasons; kubectl rollout status reads them. Pure.

import type { Condition } from "../../api/kubernetes/condition.ts";
import type { Deployment } from "../../api/kubernetes/deployment.ts";
import { timestamp } from "../../store/lifecycle.ts";
import { fenceOf } from "./rollout.ts";

export interface SetCounts {
  readonly name: string;
  readonly replicas: number;
  readonly ready: number;
  readonly available: number;
}

export interface DeploymentStatusInput {
  readonly deployment: Deployment;
  readonly current: SetCounts | undefined;
  readonly old: readonly SetCounts[];
  /** Epoch milliseconds. */
  readonly now: number;
}

export interface DeploymentStatusDecision {
  readonly status: DeploymentCounts & { readonly conditions: readonly Condition[] };
  /** Milliseconds until the progress deadline, while the rollout runs. */
  readonly againMs: number | undefined;
}

interface DeploymentCounts {
  readonly observedGeneration: number;
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
  readonly unavailableReplicas: number;
}

export function decideDeploymentStatus(input: DeploymentStatusInput): DeploymentStatusDecision {
  const counts = countsOf(input);
  const available = availableCondition(input, counts);
  const progressing = progressingCondition(input, counts);
  const before = input.deployment.status?.conditions ?? [];
  const others = before.filter(({ type }) => type !== "Available" && type !== "Progressing");
  return { status: { ...counts, conditions: [...others, available, progressing] }, againMs: untilDeadline(input, counts, progressing) };
}

function countsOf({ deployment, current, old }: DeploymentStatusInput): DeploymentCounts {
  const sets = current === undefined ? old : [...old, current];
  const sum = (read: (set: SetCounts) => number): number => sets.reduce((total, set) => total + read(set), 0);
  const replicas = sum((set) => set.replicas);
  const availableReplicas = sum((set) => set.available);
  return {
    observedGeneration: deployment.metadata.generation,
    replicas,
    updatedReplicas: current?.replicas ?? 0,
    readyReplicas: sum((set) => set.ready),
    availableReplicas,
    unavailableReplicas: Math.max(0, replicas - availableReplicas),
  };
}

function availableCondition({ deployment, now }: DeploymentStatusInput, counts: DeploymentCounts): Condition {
  const { replicas, strategy } = deployment.spec;
  const holds = counts.availableReplicas >= replicas - fenceOf(strategy, replicas).unavailable;
  return transition(deployment, now, {
    type: "Available",
    status: holds ? "True" : "False",
    reason: holds ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: holds ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
  });
}

function progressingCondition(input: DeploymentStatusInput, counts: DeploymentCounts): Condition {
  const { deployment, current, now } = input;
  const before = conditionOf(deployment, "Progressing");
  const set = `ReplicaSet "${current?.name ?? ""}"`;
  if (deployment.spec.paused) return progressing(input, { status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" });
  if (isComplete(deployment, counts)) {
    return progressing(input, { status: "True", reason: "NewReplicaSetAvailable", message: `${set} has successfully progressed.` });
  }
  // A new template starts the clock anew.
  const restarted = deployment.status?.observedGeneration !== deployment.metadata.generation || before === undefined;
  if (restarted || hasProgressed(deployment, counts)) {
    const condition = progressing(input, { status: "True", reason: "ReplicaSetUpdated", message: `${set} is progressing.` });
    return { ...condition, lastUpdateTime: timestamp(now) };
  }
  if (before.reason !== "ProgressDeadlineExceeded" && now < deadlineOf(deployment, before, now)) {
    return progressing(input, { status: "True", reason: "ReplicaSetUpdated", message: `${set} is progressing.` });
  }
  return progressing(input, { status: "False", reason: "ProgressDeadlineExceeded", message: `${set} has timed out progressing.` });
}

function isComplete({ spec }: Deployment, counts: DeploymentCounts): boolean {
  return counts.updatedReplicas === spec.replicas && counts.replicas === spec.replicas && counts.availableReplicas >= spec.replicas;
}

function hasProgressed({ status }: Deployment, counts: DeploymentCounts): boolean {
  if (status === undefined) return true;
  const oldBefore = status.replicas - status.updatedReplicas;
  return (
    counts.updatedReplicas > status.updatedReplicas ||
    counts.replicas - counts.updatedReplicas < oldBefore ||
    counts.readyReplicas > status.readyReplicas ||
    counts.availableReplicas > status.availableReplicas
  );
}

function deadlineOf({ spec }: Deployment, condition: Condition, now: number): number {
  const since = Date.parse(condition.lastUpdateTime ?? "");
  return (Number.isNaN(since) ? now : since) + spec.progressDeadlineSeconds * 1000;
}

function untilDeadline({ deployment, now }: DeploymentStatusInput, counts: DeploymentCounts, condition: Condition): number | undefined {
  const running = condition.status === "True" && !isComplete(deployment, counts);
  return running ? Math.max(1000, deadlineOf(deployment, condition, now) - now) : undefined;
}

interface ConditionText {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

function progressing({ deployment, now }: DeploymentStatusInput, text: ConditionText): Condition {
  return transition(deployment, now, { type: "Progressing", ...text });
}

/** The condition with its times: kept as long as nothing of it changes. */
function transition(deployment: Deployment, now: number, condition: ConditionText & { readonly type: string }): Condition {
  const before = conditionOf(deployment, condition.type);
  const same = before?.status === condition.status && before.reason === condition.reason;
  return {
    ...condition,
    lastTransitionTime: before?.status === condition.status ? (before.lastTransitionTime ?? timestamp(now)) : timestamp(now),
    lastUpdateTime: same ? (before.lastUpdateTime ?? timestamp(now)) : timestamp(now),
  };
}

function conditionOf({ status }: Deployment, type: string): Condition | undefined {
  return status?.conditions.find((condition) => condition.type === type);
}
