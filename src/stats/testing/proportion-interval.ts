// How sure a simulated rate is: Clopper and Pearson's exact interval for `events` of `trials`.

/** Exact two-sided interval at confidence 1 - `alpha` (Clopper, Pearson, Biometrika 1934). */
export function clopperPearson(events: number, trials: number, alpha = 0.05): { readonly low: number; readonly high: number } {
  const low = events === 0 ? 0 : rateWith((p) => 1 - atMost(events - 1, trials, p) > alpha / 2);
  const high = events === trials ? 1 : rateWith((p) => atMost(events, trials, p) < alpha / 2);
  return { low, high };
}

/** "2.80 % of 2000 (95 %: 2.12–3.62 %)" */
export function printedRate(events: number, trials: number): string {
  const { low, high } = clopperPearson(events, trials);
  const percent = (value: number) => (100 * value).toFixed(2);
  return `${percent(events / trials)} % of ${trials} (95 %: ${percent(low)}–${percent(high)} %)`;
}

/** The rate at which a condition starts to hold. */
function rateWith(holds: (p: number) => boolean): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 50; step += 1) {
    const middle = (low + high) / 2;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return (low + high) / 2;
}

function atMost(events: number, trials: number, p: number): number {
  let term = trials * Math.log1p(-p);
  let sum = Math.exp(term);
  for (let k = 1; k <= events; k += 1) {
    term += Math.log((trials - k + 1) / k) + Math.log(p) - Math.log1p(-p);
    sum += Math.exp(term);
  }
  return sum;
}
