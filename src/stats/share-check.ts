// Do the requests arrive in the shares that the weights say? Dirichlet mixture of the multinomial (Lindon, Malek, "Anytime-valid inference for
// multinomial count data", NeurIPS 2022), per stretch of constant weights: counts, weights -> state. Alarms are wrong with a chance of at most α
// while each request draws its arm anew; where users are sticky, count users.

import { z } from "zod";
import { logBeta } from "./log-gamma.ts";

export const shareSettingsSchema = z
  .object({
    /** How sharply the mixture looks around the weights; larger finds smaller differences, later. */
    concentration: z.number().positive(),
    /** How far from its weight a share may be (0.002 is 0.2 percentage points); 0 asks for the exact weights. */
    tolerance: z.number().min(0).lt(1),
  })
  .readonly();

export type ShareSettings = z.infer<typeof shareSettingsSchema>;

export const shareStateSchema = z
  .object({
    settings: shareSettingsSchema,
    weights: z.array(z.number()).readonly(),
    counts: z.array(z.number()).readonly(),
    /** ln E of the stretches before the present weights. */
    logBefore: z.number(),
    maxLogEvidence: z.number(),
  })
  .readonly();

export type ShareState = z.infer<typeof shareStateSchema>;

/** Counts of one block beside the weights that stood while it was counted, arm by arm. */
export interface ShareBlock {
  readonly counts: readonly number[];
  /** Shares of one, each above 0, with the sum 1; leave arms of weight 0 out, and blocks in which weights were in motion. */
  readonly weights: readonly number[];
}

/** Middle of the two concentrations whose values the release-engine design gives, 10 and 100, on a log scale. */
export const defaultShareSettings: ShareSettings = { concentration: 30, tolerance: 0 };

export function startShareCheck(settings: ShareSettings = defaultShareSettings): ShareState {
  return { settings, weights: [], counts: [], logBefore: 0, maxLogEvidence: 0 };
}

/** The state after one more block; new weights begin a new stretch, whose evidence multiplies that of the ones before. */
export function observeShares(state: ShareState, { counts, weights }: ShareBlock): ShareState {
  const same = weights.length === state.weights.length && weights.every((weight, index) => weight === state.weights[index]);
  const before = same ? state : { ...state, logBefore: shareLogEvidence(state), weights, counts: weights.map(() => 0) };
  const sums = before.counts.map((count, index) => count + soundCount(counts[index]));
  const next = { ...before, counts: sums };
  return { ...next, maxLogEvidence: Math.max(state.maxLogEvidence, shareLogEvidence(next)) };
}

/** ln E now. */
export function shareLogEvidence({ settings, weights, counts, logBefore }: ShareState): number {
  return logBefore + logShareEvidence(counts, weights, settings);
}

/** ln E of counts against weights: the mixture's likelihood over the largest that tolerated shares reach. */
export function logShareEvidence(counts: readonly number[], weights: readonly number[], settings: ShareSettings): number {
  if (weights.length === 0) return 0;
  const prior = weights.map((weight) => settings.concentration * weight);
  const mixture = logBeta(prior.map((a, index) => a + (counts[index] ?? 0))) - logBeta(prior);
  const likeliest = settings.tolerance === 0 ? weights : likeliestShares(counts, weights, settings.tolerance);
  return likeliest.reduce((rest, share, index) => rest - logPower(share, counts[index] ?? 0), mixture);
}

/** ln share^count, and 0 for 0^0. */
function logPower(share: number, count: number): number {
  return count === 0 ? 0 : count * Math.log(share);
}

/** The tolerated shares under which the counts are likeliest: proportional to them, but within each one's bounds. */
function likeliestShares(counts: readonly number[], weights: readonly number[], tolerance: number): readonly number[] {
  const sharesAt = (level: number) =>
    weights.map((weight, index) => {
      const proportional = level * (counts[index] ?? 0);
      return Math.min(Math.min(1, weight + tolerance), Math.max(Math.max(0, weight - tolerance), proportional));
    });
  const sum = (shares: readonly number[]) => shares.reduce((total, share) => total + share, 0);
  let low = 0;
  let high = 1;
  while (sum(sharesAt(high)) < 1 && high < 1e9) high *= 2;
  for (let step = 0; step < 200 && high - low > 1e-16 * high; step += 1) {
    const middle = (low + high) / 2;
    if (sum(sharesAt(middle)) < 1) low = middle;
    else high = middle;
  }
  // The upper end: shares a little too large make the evidence a little too small, never too large.
  return sharesAt(high);
}

function soundCount(count: number | undefined): number {
  return count !== undefined && count > 0 && Number.isFinite(count) ? count : 0;
}
