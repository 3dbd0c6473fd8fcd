// One block's e-value: how much likelier its counts are at the alternative's rates than at the nearest tolerated ones.
// Turner, Ly, Grünwald, "Generic E-variables for exact sequential k-sample tests that allow for optional stopping", arXiv 2106.02693.

import type { Arm, Block, Rates } from "./block.ts";
import { boundaryBaseline, type Margin, toleratedRate } from "./margin.ts";

/** Whether a block can say anything against `margin`: both arms were tried, or the margin doesn't ask for the baseline. */
export function hasBothArms({ candidate, baseline }: Block, margin: Margin): boolean {
  return candidate.trials > 0 && (baseline.trials > 0 || margin.ratio === 0);
}

/**
 * ln E of a block; 0 when an arm is empty. The expectation of E is at most 1 while the true rates and the alternative are on different
 * sides of the margin's line, if the alternative was chosen before the block was seen. Rates within (0, 1).
 */
export function logFactor(block: Block, alternative: Rates, margin: Margin): number {
  if (!hasBothArms(block, margin)) return 0;
  const baseline = boundaryBaseline(block, alternative, margin);
  const candidate = toleratedRate(margin, baseline);
  // With `plus` below 0 the root can lie so close to p_c = 0 that no digit is left; sizes and alternative alone decide that, never the events.
  if (candidate <= 0 || candidate >= 1) return 0;
  return logRatio(block.candidate, alternative.candidate, candidate) + logRatio(block.baseline, alternative.baseline, baseline);
}

/** ln of the binomial likelihood ratio of rate `theta` to rate `q`. */
export function logRatio({ trials, events }: Arm, theta: number, q: number): number {
  if (trials === 0 || theta === q) return 0;
  const ofEvents = events === 0 ? 0 : events * Math.log(theta / q);
  return ofEvents + (trials - events) * (Math.log1p(-theta) - Math.log1p(-q));
}
