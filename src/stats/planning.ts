// Before anything moves: how long until harm of a given size is found, the smallest that is found in a given time, and how long to show that
// there is none. Traffic and rates -> seconds and requests. All are forecasts; no decision rests on them.

import type { Rates } from "./block.ts";
import { divergence, growthOf } from "./growth.ts";
import { logThreshold } from "./harm.ts";
import { boundaryBaseline, type Margin, toleratedRate } from "./margin.ts";
import { alternativeOf, type MixtureSettings } from "./mixture.ts";

/** In half of all runs it takes at most `median`, in 80 % `p80`, in 95 % `p95`. */
export interface Quantiles {
  readonly median: number;
  readonly p80: number;
  readonly p95: number;
}

/** A forecast; both are undefined where it is never decided. */
export interface Forecast {
  readonly seconds: Quantiles;
  readonly candidateRequests: Quantiles;
}

export interface Traffic {
  /** Of both arms together. */
  readonly requestsPerSecond: number;
  /** The candidate's part, within (0, 1). */
  readonly share: number;
}

export interface PlanInput extends Traffic {
  readonly settings: MixtureSettings;
  readonly rates: Rates;
  readonly alpha: number;
  /** ln E as it stands now: what is left to go is forecast; 0 before the start. */
  readonly logEvidence?: number;
}

/** How much longer than ln(1/α) over the mean growth it takes: for the mixture and for chance (release-engine design §4, measured at 1 → 3 %). */
export const harmFactors: Quantiles = { median: 1.3, p80: 2.1, p95: 3.1 };
/** The same for going on; measured in test/slow/stats-simulations.test.ts. */
export const goOnFactors: Quantiles = { median: 1, p80: 1.6, p95: 2.4 };

/**
 * Candidate requests until harm is found, by the formula: f·ln(1/α) / (KL(p_c‖q_c) + (1-ρ)/ρ·KL(p_b‖q_b)). It knows no cap and no
 * blocks: the table "canary requests needed". Undefined when the rates are within the margin.
 */
export function candidateRequestsNeeded(
  rates: Rates,
  { margin, share, alpha }: { readonly margin: Margin; readonly share: number; readonly alpha: number },
): Quantiles | undefined {
  if (rates.candidate <= toleratedRate(margin, rates.baseline)) return undefined;
  const sizes = { candidate: { trials: share, events: 0 }, baseline: { trials: 1 - share, events: 0 } };
  const q = boundaryBaseline(sizes, rates, margin);
  const growth = divergence(rates.candidate, toleratedRate(margin, q)) + ((1 - share) / share) * divergence(rates.baseline, q);
  return scaled(harmFactors, logThreshold(alpha) / growth);
}

/** How long until harm of these rates is found at this traffic, with the cap and second by second; undefined: never. */
export function timeToFind(input: PlanInput): Forecast | undefined {
  return forecast(input, harmFactors);
}

/** How long until a go-on process with these settings (go-on.ts) shows that the rates are within the margin; undefined: never. */
export function timeToGoOn(input: PlanInput): Forecast | undefined {
  return forecast(input, goOnFactors);
}

/** The smallest rate of the candidate that is found within `seconds`, in `quantile` of all runs; undefined when none is. */
export function smallestHarm(
  input: Omit<PlanInput, "rates"> & { readonly baselineRate: number; readonly seconds: number; readonly quantile?: keyof Quantiles },
): number | undefined {
  const { baselineRate, seconds, quantile = "p80" } = input;
  const isFound = (candidate: number) => {
    const found = timeToFind({ ...input, rates: { candidate, baseline: baselineRate } });
    return found !== undefined && found.seconds[quantile] <= seconds;
  };
  let low = toleratedRate(input.settings.margin, baselineRate);
  let high = 1;
  if (low >= high || !isFound(high)) return undefined;
  for (let step = 0; step < 40 && high - low > 0.005 * high; step += 1) {
    // The mean of rates a decade apart is geometric; near each other both means are the same.
    const middle = low > 0 ? Math.sqrt(low * high) : high / 2;
    if (isFound(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function forecast(input: PlanInput, factors: Quantiles): Forecast | undefined {
  const { requestsPerSecond, share, settings, rates, alpha, logEvidence = 0 } = input;
  const candidatePerSecond = requestsPerSecond * share;
  const baselinePerSecond = requestsPerSecond * (1 - share);
  if (!(candidatePerSecond > 0 && baselinePerSecond > 0)) return undefined;
  // Seconds without a request in both arms say nothing: where they are rare, a block is as long as it takes to have one.
  const blockSeconds = Math.max(1, 1 / candidatePerSecond, 1 / baselinePerSecond);
  const sizes = { candidateTrials: candidatePerSecond * blockSeconds, baselineTrials: baselinePerSecond * blockSeconds };
  const growth = bestGrowth(settings, rates, sizes);
  const heldBack = settings.lateOnset === "none" ? 0 : -Math.log(settings.lateOnset.atStart);
  const left = logEvidence < logThreshold(alpha) ? logThreshold(alpha) + heldBack - logEvidence : 0;
  if (left <= 0) return { seconds: scaled(factors, 0), candidateRequests: scaled(factors, 0) };
  if (!(growth > 0)) return undefined;
  const perBlock = Math.max(1, Math.round(sizes.candidateTrials));
  const blocks = scaled(factors, left / growth, Math.ceil);
  return { seconds: scaled(blocks, perBlock / candidatePerSecond), candidateRequests: scaled(blocks, perBlock) };
}

/** A mixture soon grows as fast as its best part; under a cap that isn't always the one nearest to the truth. */
function bestGrowth(
  settings: MixtureSettings,
  truth: Rates,
  sizes: { readonly candidateTrials: number; readonly baselineTrials: number },
): number {
  // A rate of exactly 0 is what a plan says for "never seen": the process itself never bets on it.
  const known = Math.max(truth.baseline, 1e-6);
  const growths = settings.grid.flatMap((step) => {
    const alternative = alternativeOf(settings, known, step);
    return alternative === undefined
      ? []
      : [growthOf({ ...sizes, truth, alternative, margin: settings.margin, factorCap: settings.factorCap })];
  });
  return Math.max(0, ...growths);
}

function scaled({ median, p80, p95 }: Quantiles, by: number, round: (value: number) => number = (value) => value): Quantiles {
  return { median: round(median * by), p80: round(p80 * by), p95: round(p95 * by) };
}
