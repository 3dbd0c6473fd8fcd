// What the evidence allows: roll back, go on, be careful, or wait. Evidence, thresholds -> one word; what is done with it is the release engine's.

import { logThreshold } from "./harm.ts";

/**
 * `harm` is proven; `suspicion` is not, but the weight shouldn't rise; `withinMargin` is proven, the step may end; `undecided` needs more
 * requests. That no data came at all, or the source of data is down, is none of these, and isn't for statistics to say.
 */
export type Verdict = "harm" | "suspicion" | "withinMargin" | "undecided";

export interface VerdictInput {
  /** ln E of the run's harm process, of all metrics together. */
  readonly harm: number;
  /** Whether the errors are spread over pods or seconds (burst.ts). */
  readonly spread: boolean;
  /** ln E of the step's go-on processes, one per metric that must be shown; none: nothing can be shown. */
  readonly goOn: readonly number[];
  /** Chance of a false alarm in the whole run. */
  readonly alpha: number;
  /** Chance to go on wrongly in this step (`goOnAlpha`). */
  readonly goOnAlpha: number;
}

/** ln of the evidence from which the weight is held: the square root of what rolls back, so a healthy run is ever held with a chance of √α. */
export function logSuspicion(alpha: number): number {
  return logThreshold(alpha) / 2;
}

/** The verdict now. Harm comes before everything; going on asks for every metric, each at the full level (an intersection needs no correction). */
export function decideVerdict({ harm, spread, goOn, alpha, goOnAlpha }: VerdictInput): Verdict {
  if (harm >= logThreshold(alpha) && spread) return "harm";
  if (harm >= logSuspicion(alpha)) return "suspicion";
  return goOn.length > 0 && goOn.every((log) => log >= logThreshold(goOnAlpha)) ? "withinMargin" : "undecided";
}
