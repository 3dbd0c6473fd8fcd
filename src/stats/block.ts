// What one second says of one indicator ("failed", "slower than 500 ms"): per arm the trials and how many of them were events.
// All processes of this folder are fed with such blocks; a block's length doesn't matter to them.

import { z } from "zod";

export const armSchema = z.object({ trials: z.number(), events: z.number() }).readonly();

/** One arm's counts: `events` of `trials` independent tries. */
export type Arm = z.infer<typeof armSchema>;

/** One block: both arms in the same stretch of time, so that what hits both (an incident, a drift) can't be taken for a difference. */
export interface Block {
  readonly candidate: Arm;
  readonly baseline: Arm;
}

/** Event rates of both arms, each within 0..1. */
export interface Rates {
  readonly candidate: number;
  readonly baseline: number;
}

export const emptyArm: Arm = { trials: 0, events: 0 };

/**
 * The counts with what can't be true put right. Counters are read at different instants and start again with their process: a second
 * may show fewer tries than errors, or less than nothing. One NaN would stay in a running product for good.
 */
export function soundArm({ trials, events }: Arm): Arm {
  const sound = trials > 0 && Number.isFinite(trials) ? trials : 0;
  const within = events > 0 ? Math.min(events, sound) : 0;
  return sound === trials && within === events ? { trials, events } : { trials: sound, events: within };
}

/** Both arms' counts put right. */
export function soundBlock({ candidate, baseline }: Block): Block {
  return { candidate: soundArm(candidate), baseline: soundArm(baseline) };
}

/** The counts of two stretches together. */
export function sumOf(one: Arm, other: Arm): Arm {
  return { trials: one.trials + other.trials, events: one.events + other.events };
}
