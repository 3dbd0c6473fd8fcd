// "Is it live everywhere?": the answer for one revision of the store, for `apply` and `status`. Pure.

import type { SessionStatus } from "./proxy-session.ts";
import type { Obstacle } from "./proxy-status.ts";

/** A proxy that has not acknowledged the revision, and why. */
export interface LaggingProxy {
  readonly proxyId: string;
  /** Empty while the revision has not reached the planner. */
  readonly obstacles: readonly Obstacle[];
  /** Whether only refusals and what they hold back are missing, so that nothing is waited for. */
  readonly isSettled: boolean;
}

export interface RevisionProgress {
  readonly revision: number;
  /** How many proxies are connected. */
  readonly connected: number;
  /** How many of those have acknowledged everything that the revision asks of them. */
  readonly acknowledged: number;
  /** The connected ones that have not, sorted by id. */
  readonly lagging: readonly LaggingProxy[];
  /** Known proxies without a stream, sorted by id: they get the newest configuration when they connect. */
  readonly disconnected: readonly string[];
}

export function revisionProgressOf(proxies: readonly SessionStatus[], revision: number): RevisionProgress {
  const connected = proxies.filter(({ isConnected }) => isConnected);
  const lagging = connected.filter(({ acknowledgedRevision }) => (acknowledgedRevision ?? Number.NEGATIVE_INFINITY) < revision);
  return {
    revision,
    connected: connected.length,
    acknowledged: connected.length - lagging.length,
    lagging: lagging.map(({ proxyId, desiredRevision, settledRevision, progress }) => ({
      proxyId,
      isSettled: (settledRevision ?? Number.NEGATIVE_INFINITY) >= revision,
      obstacles: (desiredRevision ?? Number.NEGATIVE_INFINITY) < revision ? [] : progress.obstacles,
    })),
    disconnected: proxies.filter(({ isConnected }) => !isConnected).map(({ proxyId }) => proxyId),
  };
}
