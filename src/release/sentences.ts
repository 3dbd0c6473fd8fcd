// Verdicts as sentences with numbers. Run -> text.

import { logThreshold } from "../stats/harm.ts";
import { intervalOf } from "../stats/interval.ts";
import type { Judgement } from "../stats/judge.ts";
import type { LatencyState } from "../stats/latency.ts";
import { logSuspicion } from "../stats/verdict.ts";
import { tellingEdge } from "./latency-words.ts";
import type { Evidence, Run } from "./state.ts";
import { metricName, unitOf } from "./unit.ts";

/** "0.4 %": two digits that say something. */
export function percentWords(rate: number): string {
  const percent = 100 * rate;
  if (percent === 0) return "0 %";
  if (percent < 0.001) return "under 0.001 %";
  return `${Number(percent.toPrecision(percent >= 10 ? 3 : 2))} %`;
}

/** "7,558" */
export function countWords(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** "12:1", of ln E. */
export function oddsWords(log: number): string {
  if (log >= Math.log(1e6)) return "over 1,000,000:1";
  const odds = Math.exp(log);
  return `${odds >= 10 ? countWords(odds) : Number(odds.toPrecision(1))}:1`;
}

/** "1 check", "2 checks" */
export function manyWords(count: number, one: string): string {
  return `${countWords(count)} ${one}${count === 1 ? "" : "s"}`;
}

const mostNamed = 3;

/** "a, b, c and 2 more" */
export function listWords(names: readonly string[]): string {
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : "";
  return `${names.slice(0, mostNamed).join(", ")}${more}`;
}

/** "41 s", "3 min 5 s", "12 min" */
export function timeWords(ms: number): string {
  if (ms < 100) return `${Number(ms.toPrecision(2))} ms`;
  if (ms < 120_000) return `${Number((ms / 1000).toPrecision(3))} s`;
  const seconds = Math.round(ms / 1000) % 60;
  if (ms < 600_000 && seconds > 0) return `${Math.floor(ms / 60_000)} min ${seconds} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** What each metric shows, or only those named: "errors 1.1 % of 812 against 0.9 % of 7,558", "latency above 50 ms 4.8 % against 5.1 %". */
export function metricWords(evidence: Evidence, names?: readonly string[]): readonly string[] {
  return evidence.judge.metrics.flatMap((metric) => {
    if (names !== undefined && !names.includes(metric.name)) return [];
    if (metric.kind === "rate") {
      const { candidate, baseline } = metric.harm.mixture;
      if (candidate.trials === 0) return [];
      const own = `${metricName(metric.name, evidence)} ${shareWords(candidate)}`;
      return [baseline.trials === 0 ? own : `${own} against ${shareWords(baseline)}`];
    }
    return latencyWords(metric.name, metric.harm);
  });
}

/** Nothing where every request of both lies between the same two edges. */
function latencyWords(name: string, state: LatencyState): readonly string[] {
  const edge = tellingEdge(state);
  const [first] = state.mixtures;
  if (edge === undefined || first === undefined || first.candidate.trials === 0) return [];
  const own = `${name} above ${timeWords(edge.edgeMs)} ${percentWords(edge.candidateShare)}`;
  return [first.baseline.trials === 0 ? own : `${own} against ${percentWords(edge.baselineShare)}`];
}

function shareWords({ trials, events }: { readonly trials: number; readonly events: number }): string {
  return `${percentWords(trials === 0 ? 0 : events / trials)} of ${countWords(trials)}`;
}

/** What is known of chosen people, whom nothing is compared with: "errors 0 % of 155, within the limit of 5 %". */
export function limitSentence(evidence: Evidence): string {
  const seen = evidence.limits.filter(({ state }) => state.candidate.trials > 0);
  const words = seen.map(
    ({ name, state }) =>
      `${metricName(name, evidence)} ${shareWords(state.candidate)}, no proof that they are above the limit of ${percentWords(state.max)}`,
  );
  return words.join("; ") || `no ${unitOf(evidence)} to judge by yet`;
}

/** The whole verdict: what was seen, what it means, how sure it is. */
export function verdictSentence(evidence: Evidence, judgement: Judgement): string {
  const threshold = oddsWords(logThreshold(evidence.judge.alpha));
  const odds = `evidence ${oddsWords(judgement.logEvidence)}, rolls back at ${threshold}`;
  const guilty = judgement.guilty.length > 0 ? judgement.guilty : judgement.foremost === undefined ? [] : [judgement.foremost];
  // Of a bad version that is told which is bad; of another all.
  const isBad = (judgement.verdict === "harm" || judgement.verdict === "suspicion") && guilty.length > 0;
  const seen = metricWords(evidence, isBad ? guilty : undefined).join("; ");
  const names = guilty.map((name) => metricName(name, evidence));
  const meaning = {
    harm: `worse than allowed by ${names.join(" and ")}`,
    suspicion: `suspicious by ${names.join(" and ")} (from ${oddsWords(logSuspicion(evidence.judge.alpha))})`,
    withinMargin: "shown to be within the margin",
    undecided: "no harm found",
  }[judgement.verdict];
  return seen === "" ? `no ${unitOf(evidence)} to judge by yet (${odds})` : `${seen}: ${meaning} (${odds})`;
}

/** How far a step is in showing that it may go on: the least sure metric. */
export function goOnWords(evidence: Evidence, judgement: Judgement, threshold: number): string {
  const least = Math.min(...judgement.goOn);
  const index = judgement.goOn.indexOf(least);
  const name = metricName(evidence.judge.metrics[index]?.name ?? "", evidence);
  return `${name} within the margin ${oddsWords(least)}, goes on at ${oddsWords(threshold)}`;
}

/** A comparison, variant by variant: "blue errors +0.2 % (−0.1 to +0.5 %)". */
export function comparisonWords({ comparisons }: Evidence): readonly string[] {
  return comparisons.map(({ variant, metric, state }) => {
    const { low, high } = intervalOf(state);
    const rate = (arm: { readonly trials: number; readonly events: number }) => (arm.trials === 0 ? 0 : arm.events / arm.trials);
    const range = `${signedWords(low)} to ${signedWords(high)}`;
    return `${variant}: ${metric} ${percentWords(rate(state.candidate))} against ${percentWords(rate(state.baseline))} (difference ${range})`;
  });
}

function signedWords(value: number | undefined): string {
  if (value === undefined) return "open";
  return `${value < 0 ? "−" : "+"}${percentWords(Math.abs(value))}`;
}

/** How far a Deployment's own update is: "3 of 5 pods are new and ready". */
export function podsWords({ updatedReady, total }: { readonly updatedReady: number; readonly total: number }): string {
  return `${updatedReady} of ${total} pods are new and ready`;
}

/** "61 requests to v3 failed (61 of them copies)" */
export function failedWords(
  version: string,
  { failedRequests, failedCopies = 0 }: Pick<Evidence, "failedRequests" | "failedCopies">,
  unit: "requests" | "connections" = "requests",
): string {
  const copies = failedCopies === 0 ? "" : ` (${countWords(failedCopies)} of them copies)`;
  return `${manyWords(failedRequests, unit === "connections" ? "connection" : "request")} to ${version} failed${copies}`;
}

type Sides = Pick<Run, "stable" | "candidate">;

/** What it means that the candidate has no ready pod while it has a share. */
export function candidateUnreadyWords({ stable, candidate }: Sides): string {
  return `${candidate} has no ready pod, so ${stable} answers its share`;
}

/** What it means that stable has none. */
export function stableUnreadyWords({ stable, candidate }: Sides, effect = `${candidate} answers everybody`): string {
  return `${stable} has no ready pod, so ${effect}, and nothing could go back`;
}
