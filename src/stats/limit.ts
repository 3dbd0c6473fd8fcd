// An absolute objective ("errors at most 2 %"): the candidate alone against a rate, an independent stop. State, counts -> state.

import { z } from "zod";
import { type Arm, armSchema, emptyArm, soundArm, sumOf } from "./block.ts";
import { logFactor } from "./block-factor.ts";
import { defaultFactorCap, harmGrid } from "./harm.ts";
import { logMeanExp } from "./log-space.ts";

export const limitStateSchema = z
  .object({
    max: z.number().gt(0).lt(1),
    factorCap: z.union([z.number().gt(1), z.literal("none")]),
    candidate: armSchema,
    logProducts: z.array(z.number()).readonly(),
    maxLogEvidence: z.number(),
  })
  .readonly();

export type LimitState = z.infer<typeof limitStateSchema>;

/** Tests p_c ≤ max; `max` is a rate within (0, 1). */
export function startLimit(max: number, factorCap: LimitState["factorCap"] = defaultFactorCap): LimitState {
  return { max, factorCap, candidate: emptyArm, logProducts: harmGrid.map(() => 0), maxLogEvidence: 0 };
}

/** The state after one more block of the candidate's counts. */
export function observeLimit(state: LimitState, counts: Arm): LimitState {
  const candidate = soundArm(counts);
  const most = state.factorCap === "none" ? Number.POSITIVE_INFINITY : Math.log(state.factorCap);
  const block = { candidate, baseline: emptyArm };
  const margin = { ratio: 0, plus: state.max };
  const logProducts = state.logProducts.map((logProduct, index) => {
    const odds = ((harmGrid[index] ?? 1) * state.max) / (1 - state.max);
    const alternative = { candidate: odds / (1 + odds), baseline: 0.5 };
    return logProduct + Math.min(most, logFactor(block, alternative, margin));
  });
  const maxLogEvidence = Math.max(state.maxLogEvidence, logMeanExp(logProducts));
  return { ...state, candidate: sumOf(state.candidate, candidate), logProducts, maxLogEvidence };
}

/** ln E now, against "the true rate is at most `max`". */
export function limitLogEvidence({ logProducts }: LimitState): number {
  return logMeanExp(logProducts);
}
