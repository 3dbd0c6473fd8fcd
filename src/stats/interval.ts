// How much do two variants differ? An interval that holds at every look: all margins which neither one-sided process rejected. State, block -> state.
// One process per margin and side, on plug-in rates of earlier blocks; a margin once rejected stays so and costs nothing more. Where users are
// sticky their requests are not independent: count users then.

import { z } from "zod";
import { type Arm, armSchema, type Block, emptyArm, type Rates, soundBlock, sumOf } from "./block.ts";
import { hasBothArms, logFactor } from "./block-factor.ts";
import { logThreshold } from "./harm.ts";
import { type Margin, toleratedRate } from "./margin.ts";

export const intervalSettingsSchema = z
  .object({
    /** Of p_candidate - p_baseline, or of p_candidate / p_baseline. */
    of: z.enum(["difference", "ratio"]),
    /** The values that the ends can have, ascending. */
    margins: z.array(z.number()).min(2).readonly(),
    /** The chance that the interval is ever wrong, both ends together. */
    alpha: z.number().gt(0).lt(1),
    /** As for errors; conversions don't come in bursts, so "none" is the default here. */
    factorCap: z.union([z.number().gt(1), z.literal("none")]),
  })
  .readonly();

export type IntervalSettings = z.infer<typeof intervalSettingsSchema>;

export const intervalStateSchema = z
  .object({
    settings: intervalSettingsSchema,
    candidate: armSchema,
    baseline: armSchema,
    /** Per margin ln E against "at most this", and against "at least this". */
    notAbove: z.array(z.number()).readonly(),
    notBelow: z.array(z.number()).readonly(),
  })
  .readonly();

export type IntervalState = z.infer<typeof intervalStateSchema>;

/** Ends of an interval; undefined where the margins reach no further. */
export interface Interval {
  readonly low: number | undefined;
  readonly high: number | undefined;
}

/** Differences from 0.0001 to 0.5 on both sides of 0, 15 % more each. */
export const differenceMargins: readonly number[] = symmetric(geometric(0.0001, 0.5, 1.15));
/** Ratios from 1/10 to 10 in steps of 4 %. */
export const ratioMargins: readonly number[] = geometric(0.1, 10, 1.04);

/** Products below e^-60 are let go: they could not come back in any run, and stay out of the way. */
const lost = -60;
/** An arm's plug-in rate leans on both arms' common rate with the weight of so many tries, so that the first blocks don't bet on noise. */
const leaning = 20;

export function startInterval(settings: Partial<IntervalSettings> & Pick<IntervalSettings, "of">): IntervalState {
  const margins = settings.of === "difference" ? differenceMargins : ratioMargins;
  const all = { margins, alpha: 0.05, factorCap: "none" as const, ...settings };
  const zeros = all.margins.map(() => 0);
  return { settings: all, candidate: emptyArm, baseline: emptyArm, notAbove: zeros, notBelow: zeros };
}

/** The state after one more block. */
export function observeInterval(state: IntervalState, block: Block): IntervalState {
  const sound = soundBlock(block);
  const candidate = sumOf(state.candidate, sound.candidate);
  const baseline = sumOf(state.baseline, sound.baseline);
  const guess = plugInRates(state);
  if (guess === undefined || !hasBothArms(sound, { ratio: 1, plus: 0 })) return { ...state, candidate, baseline };
  const advance = (logs: readonly number[], isBeyond: (tolerated: number) => boolean) =>
    logs.map((log, index) => {
      const margin = marginOf(state.settings, state.settings.margins[index] ?? 0);
      const isSettled = log >= endThreshold(state.settings) || log < lost;
      return isSettled || !isBeyond(toleratedRate(margin, guess.baseline))
        ? log
        : log + capped(state.settings, logFactor(sound, guess, margin));
    });
  const notAbove = advance(state.notAbove, (tolerated) => guess.candidate > tolerated);
  const notBelow = advance(state.notBelow, (tolerated) => guess.candidate < tolerated);
  return { ...state, candidate, baseline, notAbove, notBelow };
}

/**
 * The interval now. Each end is moved only past margins that are rejected without a gap from outside: then it is wrong only if one certain
 * true margin was rejected, which has a chance of at most α/2 however many margins there are.
 */
export function intervalOf({ settings, notAbove, notBelow }: IntervalState): Interval {
  const threshold = endThreshold(settings);
  const firstAbove = notAbove.findIndex((log) => log < threshold);
  const lastBelow = notBelow.findLastIndex((log) => log < threshold);
  const kept = firstAbove === -1 ? notAbove.length : firstAbove;
  return { low: settings.margins[kept - 1], high: settings.margins[lastBelow + 1] };
}

function endThreshold({ alpha }: IntervalSettings): number {
  return logThreshold(alpha / 2);
}

function capped({ factorCap }: IntervalSettings, log: number): number {
  return factorCap === "none" ? log : Math.min(log, Math.log(factorCap));
}

function marginOf({ of }: IntervalSettings, value: number): Margin {
  return of === "difference" ? { ratio: 1, plus: value } : { ratio: value, plus: 0 };
}

/** Rates of both arms as earlier blocks have them; undefined before the first. */
function plugInRates({ candidate, baseline }: { readonly candidate: Arm; readonly baseline: Arm }): Rates | undefined {
  if (candidate.trials === 0 || baseline.trials === 0) return undefined;
  const both = sumOf(candidate, baseline);
  const common = (both.events + 0.5) / (both.trials + 1);
  const rateOf = ({ trials, events }: Arm) => (events + leaning * common) / (trials + leaning);
  return { candidate: rateOf(candidate), baseline: rateOf(baseline) };
}

function geometric(from: number, to: number, factor: number): readonly number[] {
  const count = Math.round(Math.log(to / from) / Math.log(factor));
  return Array.from({ length: count + 1 }, (_, index) => from * (to / from) ** (index / count));
}

function symmetric(values: readonly number[]): readonly number[] {
  return [...values.toReversed().map((value) => -value), 0, ...values];
}
