// Is the candidate worse than the margin allows? The block e-process for errors and other rates: state, block -> state, all plain JSON.
// Looked at as often as one likes, it reaches 1/α with a chance of at most α while the candidate is within the margin (Ville's inequality).

import { z } from "zod";
import type { Block } from "./block.ts";
import type { Margin } from "./margin.ts";
import {
  type LateOnset,
  logEvidenceOfMixture,
  type MixtureSettings,
  mixtureSchema,
  mixtureSettingsSchema,
  observeMixture,
  rareEvents,
  startMixture,
} from "./mixture.ts";

export const processStateSchema = z
  .object({ settings: mixtureSettingsSchema, mixture: mixtureSchema, blocks: z.number(), maxLogEvidence: z.number() })
  .readonly();

/** An e-process between two blocks: its settings, its products, how many blocks it saw, and the largest ln E there ever was (0 at least). */
export type ProcessState = z.infer<typeof processStateSchema>;

/** The release-engine design's margin for error rates: half as many again, and a tenth of a percentage point. */
export const defaultErrorMargin: Margin = { ratio: 1.5, plus: 0.001 };

/** Times the tolerated rate (release-engine design §4; there times the baseline's, see docs/decisions/013). */
export const harmGrid: readonly number[] = [1.25, 1.5, 2, 3, 5, 8, 15, 30, 60, 150];

/** Per block, so per second: one second of one broken pod is not a broken version (release-engine design §4, "2–3"). */
export const defaultFactorCap = 3;

/** Two minutes of judged seconds: found by simulation, docs/decisions/013. */
export const defaultLateOnset: LateOnset = { atStart: 0.5, blocks: 120 };

/** The process for an error rate with everything at its default but what is given. */
export function startHarm(settings: Partial<MixtureSettings> = {}): ProcessState {
  const all = {
    margin: defaultErrorMargin,
    grid: harmGrid,
    scale: "rate" as const,
    ...rareEvents,
    factorCap: defaultFactorCap,
    lateOnset: defaultLateOnset,
    ...settings,
  };
  return startProcess(all);
}

export function startProcess(settings: MixtureSettings): ProcessState {
  return { settings, mixture: startMixture(settings), blocks: 0, maxLogEvidence: 0 };
}

/** The state after one more block. */
export function observe(state: ProcessState, block: Block): ProcessState {
  const mixture = observeMixture(state.settings, state.mixture, block);
  const maxLogEvidence = Math.max(state.maxLogEvidence, logEvidenceOfMixture(state.settings, mixture));
  return { settings: state.settings, mixture, blocks: state.blocks + 1, maxLogEvidence };
}

/** ln E now. Odds "evidence:1" are its exponential. */
export function logEvidence(state: ProcessState): number {
  return logEvidenceOfMixture(state.settings, state.mixture);
}

/** Valid whenever it is read, and never rises: min(1, 1/max E). */
export function alwaysValidP({ maxLogEvidence }: { readonly maxLogEvidence: number }): number {
  return Math.exp(-Math.max(0, maxLogEvidence));
}

/** ln(1/α): the evidence that decides at a chance of at most `alpha` to be wrong. */
export function logThreshold(alpha: number): number {
  return -Math.log(alpha);
}
