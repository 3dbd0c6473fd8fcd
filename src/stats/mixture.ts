// The running products of the block e-values over a grid of alternatives, and their mean: the core of all processes of this folder.
// A state machine: settings, mixture, block -> mixture. Alternatives are made of earlier blocks only, or nothing of it holds.

import { z } from "zod";
import { type Arm, armSchema, type Block, emptyArm, type Rates, soundBlock, sumOf } from "./block.ts";
import { hasBothArms, logFactor } from "./block-factor.ts";
import { logAdd, logMeanExp } from "./log-space.ts";
import { marginSchema, toleratedRate } from "./margin.ts";

/**
 * How a grid's number makes the candidate's alternative of the tolerated rate t and the baseline's rate b: `rate` number·t, `odds` odds(t)
 * times number (it has no end at 1, so it fits shares of any size), `between` b + number·(t - b), on the side of no harm.
 */
const scaleSchema = z.enum(["rate", "odds", "between"]);

const lateOnsetSchema = z.object({ atStart: z.number().gt(0).lt(1), blocks: z.number().positive() }).readonly();

/**
 * A product that a long healthy time has brought down can't rise again in time. So only the part `atStart` is bet from the first block on, half of
 * the rest within the first `blocks` judged blocks, and so on: a mixture over the block in which harm begins, with weights that sum to 1.
 */
export type LateOnset = z.infer<typeof lateOnsetSchema>;

export const mixtureSettingsSchema = z
  .object({
    margin: marginSchema,
    grid: z.array(z.number()).min(1).readonly(),
    scale: scaleSchema,
    /** Pseudo-counts in front of the baseline's past: what its rate is taken for at the start. */
    prior: armSchema,
    /** Nothing is bet before the baseline was tried so often: a wrong first guess of its rate would cost for the rest of the run. */
    learnTrials: z.number().min(0),
    /** The most that one block may multiply one alternative's product by; tames bursts inside a block. */
    factorCap: z.union([z.number().gt(1), z.literal("none")]),
    /** What is kept back at the start, to be bet later; "none" bets all of it at once. */
    lateOnset: z.union([lateOnsetSchema, z.literal("none")]),
  })
  .readonly();

export type MixtureSettings = z.infer<typeof mixtureSettingsSchema>;

export const mixtureSchema = z
  .object({
    candidate: armSchema,
    baseline: armSchema,
    /** Blocks that multiplied the products. */
    judged: z.number(),
    logProducts: z.array(z.number()).readonly(),
  })
  .readonly();

/** Totals of both arms and, per number of the grid, ln of what was bet on it times its factors since. */
export type Mixture = z.infer<typeof mixtureSchema>;

/** What is assumed of the baseline's rate at the start. */
export type Assumption = Pick<MixtureSettings, "prior" | "learnTrials">;

/** For errors: Beta(0.5, 99.5), a rate of 0.5 % worth a hundred tries (release-engine design §4), so that the first second counts. */
export const rareEvents: Assumption = { prior: { trials: 100, events: 0.5 }, learnTrials: 0 };

/** For events of any rate, as the share beyond an edge: fifty tries first, then what they show (Krichevsky, Trofimov: half an event in one try). */
export const anyRate: Assumption = { prior: { trials: 1, events: 0.5 }, learnTrials: 50 };

/** Rates stay this far from 1, where a single success would end a product for good. */
const highestRate = 0.999;

export function startMixture({ grid, lateOnset }: MixtureSettings): Mixture {
  const bet = lateOnset === "none" ? 0 : Math.log(lateOnset.atStart);
  return { candidate: emptyArm, baseline: emptyArm, judged: 0, logProducts: grid.map(() => bet) };
}

/** The mixture after one more block; the same products when an arm is empty or nothing is known of the baseline. */
export function observeMixture(settings: MixtureSettings, mixture: Mixture, block: Block): Mixture {
  const sound = soundBlock(block);
  const candidate = sumOf(mixture.candidate, sound.candidate);
  const baseline = sumOf(mixture.baseline, sound.baseline);
  const isLearning = mixture.baseline.trials < settings.learnTrials;
  if (isLearning || !hasBothArms(sound, settings.margin)) return { ...mixture, candidate, baseline };
  const rate = rateBefore(settings.prior, mixture.baseline);
  const most = settings.factorCap === "none" ? Number.POSITIVE_INFINITY : Math.log(settings.factorCap);
  const bet = Math.log(reserve(settings, mixture.judged) - reserve(settings, mixture.judged + 1));
  const logProducts = mixture.logProducts.map((before, index) => {
    const alternative = alternativeOf(settings, rate, settings.grid[index] ?? 1);
    const gain = alternative === undefined ? 0 : Math.min(most, logFactor(sound, alternative, settings.margin));
    return gain + (settings.lateOnset === "none" ? before : logAdd(before, bet));
  });
  return { candidate, baseline, judged: mixture.judged + 1, logProducts };
}

/** ln E: the mean over the grid, and what isn't bet yet. */
export function logEvidenceOfMixture(settings: MixtureSettings, { logProducts, judged }: Mixture): number {
  const mean = logMeanExp(logProducts);
  return settings.lateOnset === "none" ? mean : logAdd(mean, Math.log(reserve(settings, judged)));
}

/** What is not bet yet after so many judged blocks. */
function reserve({ lateOnset }: MixtureSettings, judged: number): number {
  return lateOnset === "none" ? 0 : ((1 - lateOnset.atStart) * lateOnset.blocks) / (lateOnset.blocks + judged);
}

/** The baseline's rate as earlier blocks have it. */
export function rateBefore(prior: Arm, past: Arm): number {
  return (prior.events + past.events) / (prior.trials + past.trials);
}

/** The rates that a number of the grid stands for; undefined when they aren't beyond the margin. */
export function alternativeOf({ margin, scale }: MixtureSettings, rate: number, step: number): Rates | undefined {
  const baseline = Math.min(rate, highestRate);
  const tolerated = toleratedRate(margin, baseline);
  if (scale === "between") return { candidate: baseline + step * (Math.min(tolerated, 1) - baseline), baseline };
  if (tolerated <= 0 || tolerated >= 1) return undefined;
  const odds = (step * tolerated) / (1 - tolerated);
  const candidate = Math.min(highestRate, scale === "rate" ? step * tolerated : odds / (1 + odds));
  return candidate > tolerated ? { candidate, baseline } : undefined;
}
