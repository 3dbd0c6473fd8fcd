// Is the candidate shown to be within the margin? The harm process with the two sides exchanged: what it tests is p_c ≥ ratio·p_b + plus, and it
// bets on equal rates. Reaching 1/α proves non-inferiority, so a step may end early.

import { defaultErrorMargin, defaultFactorCap, type ProcessState, startProcess } from "./harm.ts";
import { type MixtureSettings, rareEvents } from "./mixture.ts";

/** How far from the baseline's rate (0) to the tolerated one (1) the candidate is bet to be. */
export const goOnGrid: readonly number[] = [0, 0.4];

/** The process for one step of a release; each step starts its own. */
export function startGoOn(settings: Partial<Omit<MixtureSettings, "scale">> = {}): ProcessState {
  const defaults = { margin: defaultErrorMargin, grid: goOnGrid, ...rareEvents, factorCap: defaultFactorCap, lateOnset: "none" as const };
  return startProcess({ ...defaults, ...settings, scale: "between" });
}

/** What one step may spend of the chance to go on wrongly (release-engine design §4: 0.05 for the run, split over its steps). */
export function goOnAlpha(steps: number, total = 0.05): number {
  return total / Math.max(1, steps);
}
