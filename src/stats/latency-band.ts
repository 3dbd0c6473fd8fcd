// How far a measured distribution of latencies may be from the true one, at all times at once: for drawing, not for judging.
// Howard, Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm identification", Bernoulli 28 (2022).

/** C of the paper for its own two levels; others by its bound 0.8·ln(1612/α), a little wider. */
const constants: ReadonlyMap<number, number> = new Map([
  [0.05, 8.123],
  [0.01, 9.284],
]);

export interface BandOptions {
  /** The chance that the band is ever left. */
  readonly alpha: number;
  /** From this many requests on it holds; before, there is no band (32, as the release-engine design checks it). */
  readonly from?: number;
}

/** For all t ≥ from, sup |measured - true| ≤ this, with a chance of at least 1 - alpha; 1 (no knowledge) before. */
export function bandRadius(requests: number, { alpha, from = 32 }: BandOptions): number {
  if (requests < from) return 1;
  const constant = constants.get(alpha) ?? 0.8 * Math.log(1612 / alpha);
  return Math.min(1, 0.85 * Math.sqrt((Math.log(1 + Math.log(requests / from)) + constant) / requests));
}
