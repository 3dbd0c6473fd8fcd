// When a key set is fetched again: a pure function of how the last attempts went.

/** Istio's refresh interval (pilot/pkg/model/jwks_resolver.go, JwtPubKeyRefreshInterval). */
export const refreshMs = 20 * 60_000;
const firstRetryMs = 1000;
/** Istio tries failed refreshes again after a minute (JwtPubKeyRefreshIntervalOnFailure). */
const longestRetryMs = 60_000;

/**
 * How long to wait after an attempt, in ms.
 *
 * @param failures attempts that failed since the last success; 0 after a success.
 * @param random of [0, 1): spreads the calls of many control planes, by up to a tenth of the time.
 */
export function decideRefetch(failures: number, random: number): number {
  const base = failures === 0 ? refreshMs : Math.min(longestRetryMs, firstRetryMs * 2 ** (failures - 1));
  return Math.round(base * (1 - random / 10));
}
