// What a release would do, told before anything moves: its steps, who is exposed, the smallest harm that will be found and how long evidence takes at the traffic
// measured now. Spec + traffic -> forecast; no decision rests on it.

import type { ReleaseSpec } from "../api/release/release.ts";
import { type PlannedStep, stepsOf } from "../api/release/steps.ts";
import { goOnAlpha } from "../stats/go-on.ts";
import { type Forecast, smallestHarm, timeToFind, timeToGoOn } from "../stats/planning.ts";
import { secondsBefore, startBefore } from "./before.ts";
import { exposureAt, exposureWords, publicPercent } from "./exposure.ts";
import { judgeOf, writtenMetrics } from "./judging.ts";
import type { TrafficUnit } from "./observation.ts";

export interface PlanTraffic {
  /** To all versions together; 0 when nothing was measured. */
  readonly requestsPerSecond: number;
  /** Errors among them, 0 to 1. */
  readonly errorRate: number;
  /** What is meant by requests here and below; requests unless given. */
  readonly unit?: TrafficUnit;
}

export interface StepForecast {
  /** From 1. */
  readonly step: number;
  readonly kind: PlannedStep["kind"];
  readonly exposure: string;
  readonly percent: number;
  /** Requests per minute that reach the candidate. */
  readonly requestsPerMinute: number;
  /** The shortest time in it; undefined where only a person goes on. */
  readonly leastSeconds?: number;
  /** Seconds until there is evidence to go on, in half of all runs and in 95 %; undefined: none is asked for, or it never comes. */
  readonly evidenceSeconds?: { readonly median: number; readonly p95: number };
  /** It asks for evidence that at this traffic never comes before the step's time-out. */
  readonly isTooSlow: boolean;
  /** The smallest error rate that is found within a minute in 80 % of all runs; undefined: none is. */
  readonly foundInAMinute?: number;
}

export interface ReleasePlan {
  readonly traffic: PlanTraffic;
  readonly steps: readonly StepForecast[];
  /** Until promotion, in half of all runs, without waiting for people; undefined: it can't be told. */
  readonly seconds?: number;
  /** Requests that the candidate gets until promotion. */
  readonly candidateRequests?: number;
  /** A bad candidate as in the demo, 5 % errors: until it is found at the first step that exposes it. */
  readonly findsFivePercent?: { readonly seconds: number; readonly candidateErrors: number };
  /** What should be known before starting. */
  readonly warnings: readonly string[];
}

/** The plan of a release at this traffic. */
export function planOf(spec: ReleaseSpec, traffic: PlanTraffic): ReleasePlan {
  const planned = stepsOf(spec);
  const asking = planned.filter((step) => "advance" in step && step.advance === "evidence").length;
  const steps = planned.map((step, index) =>
    forecastOf(step, { spec, traffic, asking, percent: publicPercent(exposureAt(planned, index)), index }),
  );
  const lasts = steps.map(({ leastSeconds, evidenceSeconds, isTooSlow }) =>
    leastSeconds === undefined || isTooSlow ? undefined : Math.max(leastSeconds, evidenceSeconds?.median ?? 0),
  );
  const isKnown = lasts.every((seconds) => seconds !== undefined);
  const candidateRequests = steps.reduce((sum, { requestsPerMinute }, index) => sum + (requestsPerMinute / 60) * (lasts[index] ?? 0), 0);
  const found = findsBad(spec, traffic, steps);
  return {
    traffic,
    steps,
    ...(isKnown
      ? { seconds: lasts.reduce((sum: number, seconds) => sum + (seconds ?? 0), 0), candidateRequests: Math.round(candidateRequests) }
      : {}),
    ...(found === undefined ? {} : { findsFivePercent: found }),
    warnings: warningsOf(spec, { planned, steps, traffic }),
  };
}

interface StepPlace {
  readonly spec: ReleaseSpec;
  readonly traffic: PlanTraffic;
  readonly asking: number;
  readonly percent: number;
  readonly index: number;
}

function forecastOf(step: PlannedStep, { spec, traffic, asking, percent, index }: StepPlace): StepForecast {
  const { requestsPerSecond, errorRate } = traffic;
  const share = percent / 100;
  const asks = "advance" in step && step.advance === "evidence" && share > 0 && share < 1;
  const settings = errorSettings(spec);
  const rates = { candidate: errorRate, baseline: errorRate };
  const evidence: Forecast | undefined =
    asks && settings !== undefined
      ? timeToGoOn({ requestsPerSecond, share, settings: settings.goOn, rates, alpha: goOnAlpha(asking, spec.analysis.wrongAdvance) })
      : undefined;
  const harm =
    settings === undefined || share <= 0 || share >= 1
      ? undefined
      : smallestHarm({
          requestsPerSecond,
          share,
          settings: settings.harm,
          alpha: spec.analysis.falseAlarm,
          baselineRate: errorRate,
          seconds: 60,
        });
  const least = "forMs" in step ? step.forMs : step.kind === "preview" ? 0 : step.kind === "rollout" ? 0 : undefined;
  return {
    step: index + 1,
    kind: step.kind,
    exposure: exposureWords(exposureAt(stepsOf(spec), index), traffic.unit),
    percent,
    requestsPerMinute: Math.round(60 * requestsPerSecond * share * 10) / 10,
    ...(least === undefined ? {} : { leastSeconds: least / 1000 }),
    ...(evidence === undefined ? {} : { evidenceSeconds: { median: evidence.seconds.median, p95: evidence.seconds.p95 } }),
    isTooSlow: asks && (evidence === undefined || evidence.seconds.median * 1000 > spec.analysis.timeout),
    ...(harm === undefined ? {} : { foundInAMinute: harm }),
  };
}

/** Settings of the two processes of the error rate; undefined when it isn't judged. */
function errorSettings({ analysis }: ReleaseSpec) {
  const metric = judgeOf(analysis).metrics.find(({ kind }) => kind === "rate");
  return metric?.kind === "rate" ? { harm: metric.harm.settings, goOn: metric.goOn.settings } : undefined;
}

const badRate = 0.05;

function findsBad(spec: ReleaseSpec, traffic: PlanTraffic, steps: readonly StepForecast[]) {
  const { requestsPerSecond, errorRate } = traffic;
  const first = steps.find(({ percent }) => percent > 0 && percent < 100);
  const settings = errorSettings(spec);
  if (steps.some(({ kind }) => kind === "rollout")) return findsBadInPlace(spec, traffic);
  if (first === undefined || settings === undefined) return undefined;
  const found = timeToFind({
    requestsPerSecond,
    share: first.percent / 100,
    settings: settings.harm,
    rates: { candidate: Math.max(badRate, errorRate), baseline: errorRate },
    alpha: spec.analysis.falseAlarm,
  });
  if (found === undefined) return undefined;
  return { seconds: found.seconds.median, candidateErrors: Math.round(found.candidateRequests.median * badRate) };
}

/** As if the update were over at once: everybody on the candidate, compared with as much as there was before. */
function findsBadInPlace(spec: ReleaseSpec, { requestsPerSecond, errorRate }: PlanTraffic) {
  const before = startBefore(writtenMetrics(spec.analysis));
  if (before === undefined) return undefined;
  const found = timeToFind({
    requestsPerSecond: 2 * requestsPerSecond,
    share: 0.5,
    settings: before.harm.settings,
    rates: { candidate: Math.max(badRate, errorRate), baseline: errorRate },
    alpha: judgeOf(spec.analysis, { tests: 2 }).alpha,
  });
  if (found === undefined || found.seconds.median > secondsBefore) return undefined;
  return { seconds: found.seconds.median, candidateErrors: Math.round(found.candidateRequests.median * badRate) };
}

interface Known {
  readonly planned: readonly PlannedStep[];
  readonly steps: readonly StepForecast[];
  readonly traffic: PlanTraffic;
}

function warningsOf(spec: ReleaseSpec, { planned, steps, traffic }: Known): readonly string[] {
  const slow = steps.filter(({ isTooSlow }) => isTooSlow).map(({ step }) => step);
  const { unit = "requests" } = traffic;
  const many = slow.length > 1 ? `steps ${slow.join(", ")} ask` : `step ${slow[0] ?? ""} asks`;
  return [
    ...(traffic.requestsPerSecond > 0 ? [] : [`no ${unit} are measured now: how long it takes and what is found can't be told`]),
    ...(slow.length === 0 || traffic.requestsPerSecond === 0
      ? []
      : [
          `${many} for evidence that doesn't come within ${Math.round(spec.analysis.timeout / 60_000)} min at ${Math.round(traffic.requestsPerSecond)} ${unit}/s: widen the margin (analysis.metrics[].margin), or let the clock decide (advance: clock)`,
        ]),
    ...(mixesChosen(planned)
      ? [
          "requests of people chosen by an earlier step can't be told from the share's: where they fail more or less often than others', the candidate looks worse or better than it is",
        ]
      : []),
    ...(planned.some(({ kind }) => kind === "mirror") ? ["copies of requests are requests: what they write is written twice"] : []),
  ];
}

/** Chosen people stay with the candidate in later steps, and samples have one candidate (docs/decisions/021). */
function mixesChosen(steps: readonly PlannedStep[]): boolean {
  return steps.some((_, index) => {
    const exposure = exposureAt(steps, index);
    const percent = publicPercent(exposure);
    return exposure.matches.length + exposure.flags.length > 0 && percent > 0 && percent < 100;
  });
}
