// Is it the version, or one pod for one second? The only assumption of the e-process is that requests of one block are independent; a burst breaks
// it. So beside the cap on each block's factor, errors must have come from two pods, or in several distinct seconds. It can only hold a verdict back.

import { z } from "zod";

export const burstSettingsSchema = z.object({ seconds: z.number().min(1) }).readonly();

/** `seconds`: so many distinct seconds with errors are enough when they all come from one pod. */
export type BurstSettings = z.infer<typeof burstSettingsSchema>;

export const burstStateSchema = z
  .object({ settings: burstSettingsSchema, pods: z.array(z.string()).readonly(), seconds: z.number() })
  .readonly();

/** What was seen since the evidence last was at or below 1: up to two pods with errors, and how many seconds had any. */
export type BurstState = z.infer<typeof burstStateSchema>;

export interface BurstBlock {
  /** Whether the candidate had any event that counts against it in this second. */
  readonly hadEvents: boolean;
  /** The candidate's pods that had them, as far as the samples tell. */
  readonly pods: readonly string[];
  /** ln E of the verdict after this block. */
  readonly logEvidence: number;
}

/** Three seconds: at the default cap of 3 and α = 0.01 the evidence itself needs five. */
export const defaultBurstSettings: BurstSettings = { seconds: 3 };

export function startBurst(settings: BurstSettings = defaultBurstSettings): BurstState {
  return { settings, pods: [], seconds: 0 };
}

/** The state after one more second; what was seen is forgotten once nothing is held against the candidate any more (E ≤ 1). */
export function observeBurst(state: BurstState, { hadEvents, pods, logEvidence }: BurstBlock): BurstState {
  if (logEvidence <= 0) return state.seconds === 0 ? state : startBurst(state.settings);
  if (!hadEvents) return state;
  const known = [...new Set([...state.pods, ...pods])].toSorted().slice(0, 2);
  return { settings: state.settings, pods: known, seconds: state.seconds + 1 };
}

/** Whether the errors are spread enough to blame the version. */
export function isSpread({ settings, pods, seconds }: BurstState): boolean {
  return pods.length >= 2 || seconds >= settings.seconds;
}
