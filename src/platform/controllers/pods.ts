// What controllers ask about a Pod: is it active, ready, available, and since when. Pure.

import type { Pod } from "../../api/kubernetes/pod.ts";

/** A Pod that counts: not ended and not asked to end. */
export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Failed" && phase !== "Succeeded" && pod.metadata.deletionTimestamp === undefined;
}

/** Its Ready condition is True. */
export function isReady(pod: Pod): boolean {
  return readyCondition(pod)?.status === "True";
}

function readyCondition(pod: Pod) {
  return pod.status?.conditions.find(({ type }) => type === "Ready");
}

/** Epoch milliseconds since when it has been ready; undefined when it is not. */
export function readySince(pod: Pod): number | undefined {
  const condition = readyCondition(pod);
  if (condition?.status !== "True") return undefined;
  const since = Date.parse(condition.lastTransitionTime ?? "");
  return Number.isNaN(since) ? 0 : since;
}

/** Milliseconds until a ready pod has been so for `minReadySeconds`: 0 when it is available, undefined when it is not ready. */
export function untilAvailableMs(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const since = readySince(pod);
  if (since === undefined) return undefined;
  return minReadySeconds === 0 ? 0 : Math.max(0, since + minReadySeconds * 1000 - now);
}
