// Deployment policy: how ReplicaSets grow and shrink during a rollout. Pure; the arithmetic is Kubernetes' (deployment/rolling.go, util/deployment_util.go).

import { type Deployment, defaultRollingUpdate } from "../../api/kubernetes/deployment.ts";

/** One ReplicaSet as far as a rollout cares. */
export interface RolloutSet {
  readonly name: string;
  /** spec.replicas: what it was told. */
  readonly desired: number;
  /** Pods of it that are available, as it reported last. */
  readonly available: number;
  /** Pods that run or are about to, as counted now. */
  readonly active: number;
  /** Pod objects that still exist, ending ones included. */
  readonly existing: number;
}

export interface RolloutInput {
  readonly replicas: number;
  readonly strategy: Deployment["spec"]["strategy"];
  readonly paused: boolean;
  /** The set of the current template; undefined until it exists. */
  readonly current: RolloutSet | undefined;
  /** All others, oldest first. */
  readonly old: readonly RolloutSet[];
}

export interface Scaling {
  readonly name: string;
  readonly replicas: number;
}

/** Pods above and below the desired number that a rolling update may have. */
export interface Fence {
  readonly surge: number;
  readonly unavailable: number;
}

/** Limits in pods: a surge in percent rounds up, unavailability rounds down; when both come to 0, one pod may be unavailable. */
export function fenceOf(strategy: Deployment["spec"]["strategy"], replicas: number): Fence {
  if (strategy.type === "Recreate") return { surge: 0, unavailable: replicas };
  const { maxSurge, maxUnavailable } = strategy.rollingUpdate ?? defaultRollingUpdate;
  const surge = scaledValue(maxSurge, replicas, Math.ceil);
  const unavailable = Math.min(replicas, scaledValue(maxUnavailable, replicas, Math.floor));
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

/** Kubernetes' IntOrString: a number, or a percentage of `total`; anything else is 0. */
export function scaledValue(value: number | string, total: number, round: (share: number) => number): number {
  if (typeof value === "number") return Math.max(0, value);
  const percent = /^(\d+)%$/.exec(value)?.[1];
  return percent === undefined ? 0 : round((Number(percent) * total) / 100);
}

/** The next step: new spec.replicas for some sets, [] when nothing is to be done now. */
export function decideRollout(input: RolloutInput): readonly Scaling[] {
  if (input.paused) return pausedScaling(input);
  return input.strategy.type === "Recreate" ? recreate(input) : rollingUpdate(input);
}

function recreate({ current, old, replicas }: RolloutInput): readonly Scaling[] {
  const shrinking = old.filter(({ desired }) => desired > 0).map(({ name }) => ({ name, replicas: 0 }));
  if (shrinking.length > 0) return shrinking;
  // Two versions must never run together, so ending pods are waited for as well.
  if (old.some(({ existing }) => existing > 0)) return [];
  return current === undefined || current.desired === replicas ? [] : [{ name: current.name, replicas }];
}

function rollingUpdate(input: RolloutInput): readonly Scaling[] {
  const { current, replicas } = input;
  if (current === undefined) return [];
  const grown = currentReplicas(input, current);
  if (grown !== current.desired) return [{ name: current.name, replicas: grown }];
  return shrunkOld(input, current, replicas);
}

/** NewRSNewReplicas: as many as the surge leaves room for. */
function currentReplicas(input: RolloutInput, current: RolloutSet): number {
  const { replicas, strategy, old } = input;
  if (current.desired >= replicas) return replicas;
  // A set that was told to shrink may not have done so yet: Kubernetes counts what it was told and can exceed the surge for a moment.
  const total = [current, ...old].reduce((pods, { desired, active }) => pods + Math.max(desired, active), 0);
  const room = replicas + fenceOf(strategy, replicas).surge - total;
  return room <= 0 ? current.desired : current.desired + Math.min(room, replicas - current.desired);
}

/** reconcileOldReplicaSets: first the pods that serve nobody, then those that the new version has replaced. */
function shrunkOld({ old, strategy }: RolloutInput, current: RolloutSet, replicas: number): readonly Scaling[] {
  const total = current.desired + sum(old.map(({ desired }) => desired));
  const minAvailable = replicas - fenceOf(strategy, replicas).unavailable;
  const currentUnavailable = current.desired - availableOf(current);
  let unhealthyBudget = total - minAvailable - currentUnavailable;
  if (unhealthyBudget <= 0) return [];
  let healthyBudget = Math.max(0, availableOf(current) + sum(old.map(availableOf)) - minAvailable);
  const scalings: Scaling[] = [];
  for (const set of old) {
    const unhealthy = Math.min(set.desired - availableOf(set), unhealthyBudget);
    unhealthyBudget -= unhealthy;
    const healthy = Math.min(set.desired - unhealthy, healthyBudget);
    // A set deletes its unhealthy pods first, so healthy ones only count once those are all gone.
    const removesHealthy = unhealthy === set.desired - availableOf(set) ? healthy : 0;
    healthyBudget -= removesHealthy;
    if (unhealthy + removesHealthy > 0) scalings.push({ name: set.name, replicas: set.desired - unhealthy - removesHealthy });
  }
  return scalings;
}

/** While paused only the number follows the spec, at the set that has most pods. */
function pausedScaling({ current, old, replicas }: RolloutInput): readonly Scaling[] {
  const sets = current === undefined ? old : [...old, current];
  const largest = sets.toSorted((left, right) => right.desired - left.desired)[0];
  const difference = replicas - sum(sets.map(({ desired }) => desired));
  if (largest === undefined || difference === 0) return [];
  return [{ name: largest.name, replicas: Math.max(0, largest.desired + difference) }];
}

/** A report may be older than the last scaling down; no set has more available pods than it was told to have. */
function availableOf(set: RolloutSet): number {
  return Math.min(set.available, set.desired);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
