// ln Γ and ln of the multivariate beta function, for mixtures over shares.

const coefficients = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Γ(x) for x > 0: Lanczos' approximation below 20, Stirling's series above, where it has all digits. */
export function logGamma(x: number): number {
  if (x >= 20) {
    const square = x * x;
    const series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / (1680 * square)) / square) / square) / x;
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
  }
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const below = x - 1;
  const top = below + 7.5;
  const sum = coefficients.reduce((total, coefficient, index) => (index === 0 ? coefficient : total + coefficient / (below + index)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (below + 0.5) * Math.log(top) - top + Math.log(sum);
}

/** ln B(a…) = Σ ln Γ(a) - ln Γ(Σ a). */
export function logBeta(parameters: readonly number[]): number {
  return parameters.reduce((total, a) => total + logGamma(a), 0) - logGamma(parameters.reduce((total, a) => total + a, 0));
}
