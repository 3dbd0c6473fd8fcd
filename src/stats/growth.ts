// How fast evidence is expected to grow: the mean of one block's ln E when the rates are what they are said to be. For plans, not for judging.

import type { Rates } from "./block.ts";
import { logRatio } from "./block-factor.ts";
import { boundaryBaseline, type Margin, toleratedRate } from "./margin.ts";

export interface GrowthInput {
  /** Trials of one block; a plan's, so fractions are rounded to whole ones. */
  readonly candidateTrials: number;
  readonly baselineTrials: number;
  /** What the rates are. */
  readonly truth: Rates;
  /** What the process bets on. */
  readonly alternative: Rates;
  readonly margin: Margin;
  readonly factorCap: number | "none";
}

/** Outcomes further than this from the mean, in standard deviations, are left out. */
const widestDeviation = 7;
/** So many different counts per arm are looked at; of more, evenly spaced ones. */
const mostCounts = 80;

/** KL(p‖q) of two Bernoulli rates, in nats. */
export function divergence(p: number, q: number): number {
  const ofEvents = p === 0 ? 0 : p * Math.log(p / q);
  return ofEvents + (p === 1 ? 0 : (1 - p) * (Math.log1p(-p) - Math.log1p(-q)));
}

/** By enumeration of both arms' counts, since a cap and few events per block make it far from the formula without them. */
export function growthOf({ alternative, margin, truth, factorCap, ...sizes }: GrowthInput): number {
  const candidateTrials = Math.max(1, Math.round(sizes.candidateTrials));
  const baselineTrials = Math.max(1, Math.round(sizes.baselineTrials));
  const block = { candidate: { trials: candidateTrials, events: 0 }, baseline: { trials: baselineTrials, events: 0 } };
  const q = boundaryBaseline(block, alternative, margin);
  const most = factorCap === "none" ? Number.POSITIVE_INFINITY : Math.log(factorCap);
  const ofCandidate = gains(candidateTrials, truth.candidate, { theta: alternative.candidate, q: toleratedRate(margin, q) });
  const ofBaseline = gains(baselineTrials, truth.baseline, { theta: alternative.baseline, q });
  let weight = 0;
  let sum = 0;
  for (const one of ofCandidate) {
    for (const other of ofBaseline) {
      weight += one.weight * other.weight;
      sum += one.weight * other.weight * Math.min(most, one.gain + other.gain);
    }
  }
  return sum / weight;
}

/** One arm's part of ln E for its likely counts. */
function gains(trials: number, p: number, { theta, q }: { readonly theta: number; readonly q: number }) {
  return likelyCounts(trials, p).map(([events, weight]) => ({ weight, gain: logRatio({ trials, events }, theta, q) }));
}

/** Counts with their probabilities (up to a common factor). */
function likelyCounts(trials: number, p: number): readonly (readonly [number, number])[] {
  if (p <= 0) return [[0, 1]];
  if (p >= 1) return [[trials, 1]];
  const spread = widestDeviation * Math.sqrt(trials * p * (1 - p)) + widestDeviation;
  const first = Math.max(0, Math.floor(trials * p - spread));
  const last = Math.min(trials, Math.ceil(trials * p + spread));
  const step = Math.max(1, Math.ceil((last - first) / mostCounts));
  const middle = Math.round(trials * p);
  const odds = Math.log(p) - Math.log1p(-p);
  const logs: [number, number][] = [[middle, 0]];
  for (let k = middle, log = 0; k < last; k += 1) {
    log += Math.log((trials - k) / (k + 1)) + odds;
    if ((k + 1 - middle) % step === 0) logs.push([k + 1, log]);
  }
  for (let k = middle, log = 0; k > first; k -= 1) {
    log += Math.log(k / (trials - k + 1)) - odds;
    if ((middle - k + 1) % step === 0) logs.push([k - 1, log]);
  }
  return logs.map(([k, log]) => [k, Math.exp(log)]);
}
