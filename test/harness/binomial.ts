// How far a measured share may lie from its weight by chance alone: exact binomial bounds, so that a share test fails for a reason.

/**
 * The counts that `trials` independent tries with probability `share` give with a probability of at least 1 - `error`: less than
 * `error` / 2 lies below the first number, and above the second.
 */
export function binomialBounds(trials: number, share: number, error = 1e-6): { readonly min: number; readonly max: number } {
  if (share <= 0) return { min: 0, max: 0 };
  if (share >= 1) return { min: trials, max: trials };
  const probabilities = binomial(trials, share);
  return { min: tail(probabilities, error / 2), max: trials - tail(probabilities.toReversed(), error / 2) };
}

/** Probabilities of 0…trials hits, by logarithms: the single factors are far too small for a number. */
function binomial(trials: number, share: number): readonly number[] {
  let logarithm = trials * Math.log1p(-share);
  const odds = Math.log(share) - Math.log1p(-share);
  return Array.from({ length: trials + 1 }, (_, hits) => {
    if (hits > 0) logarithm += Math.log(trials - hits + 1) - Math.log(hits) + odds;
    return Math.exp(logarithm);
  });
}

/** The first index at which the sum of everything before it and it exceeds `allowed`. */
function tail(probabilities: readonly number[], allowed: number): number {
  let sum = 0;
  const index = probabilities.findIndex((probability) => {
    sum += probability;
    return sum > allowed;
  });
  return Math.max(0, index);
}
