// A Deployment's own update may be over in seconds: too soon for evidence, and then nobody is left to compare with. So the candidate alone is compared with what
// stable showed just before, each second of it once. Other times aren't the same time, so only errors are, and only what is clearly worse counts.

import type { ReleaseMetric } from "../api/release/release.ts";
import type { PlannedStep } from "../api/release/steps.ts";
import type { Arm } from "../stats/block.ts";
import { defaultErrorMargin, logEvidence, logThreshold, observe, startHarm } from "../stats/harm.ts";
import type { Margin } from "../stats/margin.ts";
import type { ArmSecond } from "./observation.ts";
import { countWords, oddsWords, percentWords } from "./sentences.ts";
import type { Evidence } from "./state.ts";
import { metricName, trialsOf } from "./unit.ts";

/** Seconds of stable that are kept: enough for 0.5 errors per second to be found. Samples of two minutes are at hand. */
export const secondsBefore = 60;

/** Besides twice the ratio: what a minute may be worse than the one before without a new version (docs/decisions/023). */
const driftPlus = 0.005;

type Before = NonNullable<Evidence["before"]>;

/** Whether a run's candidate can be alone while the run is judged: where a Deployment moves the traffic. */
export function watchesBefore(steps: readonly PlannedStep[]): boolean {
  return steps.some(({ kind }) => kind === "rollout");
}

/** Nothing seen yet; undefined where errors aren't judged. */
export function startBefore(metrics: readonly ReleaseMetric[]): Before | undefined {
  const errors = metrics.find(({ name }) => name === "errors");
  if (errors === undefined) return undefined;
  return { seconds: [], harm: startHarm({ margin: widened(errors.margin ?? defaultErrorMargin) }) };
}

function widened({ ratio, plus }: Margin): Margin {
  return { ratio: 2 * ratio, plus: plus + driftPlus };
}

interface BeforeSecond {
  readonly candidate: ArmSecond;
  readonly stable: ArmSecond;
  /** It was before the run. */
  readonly isEarlier: boolean;
}

/** Stable alone is kept; the candidate alone is compared with the newest second that is left. Together they are the judge's. */
export function observeBefore(before: Before, { candidate, stable, isEarlier }: BeforeSecond): Before {
  const [ofCandidate, ofStable] = [trialsOf(candidate), trialsOf(stable)];
  if (ofCandidate.trials === 0) {
    if (ofStable.trials === 0) return before;
    return { ...before, seconds: [...before.seconds, ofStable].slice(-secondsBefore) };
  }
  const baseline = before.seconds.at(-1);
  if (isEarlier || ofStable.trials > 0 || baseline === undefined) return before;
  return { seconds: before.seconds.slice(0, -1), harm: observe(before.harm, { candidate: ofCandidate, baseline }) };
}

/** Whether it is proven, at half of the run's chance of a false alarm, as the judge is then. */
export function isWorseThanBefore({ before, judge }: Pick<Evidence, "before" | "judge">): boolean {
  return before !== undefined && logEvidence(before.harm) >= logThreshold(judge.alpha);
}

/** "errors 5 % of 812, 0.1 % of 800 before the update: …"; undefined when nothing was compared. */
export function beforeWords(evidence: Pick<Evidence, "before" | "judge" | "unit" | "seen">): string | undefined {
  const { before, judge } = evidence;
  if (before === undefined || before.harm.mixture.candidate.trials === 0) return undefined;
  const { candidate, baseline } = before.harm.mixture;
  const share = ({ trials, events }: Arm) => `${percentWords(events / Math.max(1, trials))} of ${countWords(trials)}`;
  const odds = `evidence ${oddsWords(logEvidence(before.harm))}, rolls back at ${oddsWords(logThreshold(judge.alpha))}`;
  const name = metricName("errors", evidence);
  const meaning = isWorseThanBefore({ before, judge }) ? `worse than allowed by ${name}` : "no harm found";
  return `${name} ${share(candidate)}, ${share(baseline)} before the update: ${meaning} (${odds})`;
}
