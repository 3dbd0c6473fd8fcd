// From seconds of samples to evidence: errors, latency and metrics of a query to src/stats' judge, absolute limits, a comparison's intervals.
// Each second counts once. What is comparable is decided here: people chosen by a condition aren't compared with everybody.

import type { ReleaseMetric, ReleaseSpec } from "../api/release/release.ts";
import type { PlannedStep } from "../api/release/steps.ts";
import type { Arm } from "../stats/block.ts";
import { goOnAlpha } from "../stats/go-on.ts";
import { defaultErrorMargin, logThreshold } from "../stats/harm.ts";
import { observeInterval, startInterval } from "../stats/interval.ts";
import {
  type Judgement,
  type JudgeSample,
  type JudgeState,
  judgementOf,
  type MetricSettings,
  observeJudge,
  startJudge,
} from "../stats/judge.ts";
import { defaultLatencyMargin } from "../stats/latency.ts";
import { limitLogEvidence, observeLimit, startLimit } from "../stats/limit.ts";
import { anyRate } from "../stats/mixture.ts";
import { defaultShareSettings, observeShares, type ShareState, shareLogEvidence, startShareCheck } from "../stats/share-check.ts";
import { observeBefore, secondsBefore, startBefore, watchesBefore } from "./before.ts";
import { publicPercent } from "./exposure.ts";
import type { ArmSecond, SampleSecond, TrafficUnit } from "./observation.ts";
import type { Evidence, Run } from "./state.ts";
import { trialsOf, unitOf } from "./unit.ts";

/** Envoy's default histogram buckets (config.metrics.v3.StatsConfig.histogram_bucket_settings), in milliseconds. */
export const latencyEdgesMs: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
];

/** Errors of chosen people when no limit is set (LTN1111 says so). */
const peopleLimit = 0.05;

/** Beside latency, when no metrics are written: errors are found 2 s sooner than with equal weights, slowness 3 s later (docs/decisions/016). */
const errorsWeight = 4;

/** Nobody minds half a percentage point. */
const shareTolerance = 0.005;

const noRequests: ArmSecond = { requests: 0, errors: 0 };

type Analysis = ReleaseSpec["analysis"];

/** The evidence at the start of a run: none, but that of updates in place begins with what was just before. */
export function startEvidence(analysis: Analysis, now: number, steps: readonly PlannedStep[] = []): Evidence {
  const before = watchesBefore(steps) ? startBefore(writtenMetrics(analysis)) : undefined;
  const limits = analysis.limits.map(({ name, max }) => ({ name, peopleOnly: false, state: startLimit(max) }));
  const people = limits.length > 0 ? [] : [{ name: "errors", peopleOnly: true, state: startLimit(peopleLimit) }];
  return {
    judge: judgeOf(analysis, { tests: before === undefined ? 1 : 2 }),
    limits: [...limits, ...people],
    comparisons: [],
    shares: startShareCheck({ ...defaultShareSettings, tolerance: shareTolerance }),
    successes: analysis.metrics.flatMap(({ name, counts }) => (counts === "successes" ? [name] : [])),
    // What was before the run says nothing of its candidate.
    lastSecond: Math.floor(now / 1000) - (before === undefined ? 0 : secondsBefore),
    sampleAt: now,
    trafficAt: now,
    stepCandidate: 0,
    stepStable: 0,
    failedRequests: 0,
    ...(before === undefined ? {} : { before }),
  };
}

/** A judge with these settings and no evidence. Tests of one run share its chance of a false alarm: the comparison with what was before is a second one. */
export function judgeOf(analysis: Analysis, { tests = 1 }: { readonly tests?: 1 | 2 } = {}): JudgeState {
  return startJudge({ alpha: analysis.falseAlarm / tests, metrics: writtenMetrics(analysis).map(metricSettings) });
}

/** The metrics that judge a run, those that hold without being written included; margins are those of src/stats where none is written. */
export function writtenMetrics(analysis: Analysis): readonly ReleaseMetric[] {
  if (analysis.metrics.length > 0) return analysis.metrics;
  return [
    { name: "errors", weight: errorsWeight, counts: "failures", margin: defaultErrorMargin },
    { name: "latency", weight: 1, counts: "failures", margin: defaultLatencyMargin },
  ];
}

function metricSettings({ name, weight, margin }: ReleaseMetric): MetricSettings {
  const common = margin === undefined ? { name, weight } : { name, weight, margin };
  if (name === "latency") return { ...common, edgesMs: latencyEdgesMs };
  return name === "errors" ? common : { ...common, ...anyRate };
}

/** The intervals of a comparison, one per variant with a version and metric that is a rate. */
export function comparisonsOf(step: PlannedStep, { judge, limits }: Evidence): Evidence["comparisons"] {
  if (step.kind !== "compare") return [];
  const metrics = judge.metrics.flatMap(({ kind, name }) => (kind === "rate" ? [name] : []));
  const rates = metrics.length > 0 ? metrics : limits.map(({ name }) => name);
  return step.variants.flatMap(({ name, version }) =>
    version === undefined ? [] : rates.map((metric) => ({ variant: name, version, metric, state: startInterval({ of: "difference" }) })),
  );
}

/** Whether candidate and stable have the same kind of requests now: by chance, by users or as copies, and not only chosen people's. */
export function isComparable({ steps, step: index, exposure }: Pick<Run, "steps" | "step" | "exposure">): boolean {
  const step = steps[index];
  if (step?.kind === "ring" && step.match !== undefined) return false;
  if (step?.kind === "match" || step?.kind === "flag" || step?.kind === "preview") return false;
  if (step?.kind === "rollout" && step.type === "recreate") return false;
  return publicPercent(exposure) > 0 || exposure.mirrorPercent > 0 || exposure.byPods || exposure.variants.length > 0;
}

/** What of a run decides how seconds are judged. */
export type JudgedRun = Pick<
  Run,
  "candidate" | "stable" | "startedAt" | "steps" | "step" | "stage" | "stageSince" | "exposure" | "evidence"
>;

/** The evidence after the seconds that are newer than the last; `now` is when they were seen. */
export function observeSeconds(run: JudgedRun, samples: readonly SampleSecond[], now: number): Evidence {
  const fresh = samples.filter(({ second }) => second > run.evidence.lastSecond).toSorted((a, b) => a.second - b.second);
  const once = fresh.filter(({ second }, index) => second !== fresh[index - 1]?.second);
  return once.reduce((evidence, sample) => observeSecond(run, { evidence, sample, now }), run.evidence);
}

interface Seen {
  readonly evidence: Evidence;
  readonly sample: SampleSecond;
  readonly now: number;
}

function observeSecond(run: JudgedRun, { evidence, sample, now }: Seen): Evidence {
  const arms = { candidate: armOf(sample, run.candidate), stable: armOf(sample, run.stable) };
  const isEarlier = evidence.before !== undefined && sample.second <= Math.floor(run.startedAt / 1000);
  const before = evidence.before === undefined ? {} : { before: observeBefore(evidence.before, { ...arms, isEarlier }) };
  if (isEarlier) return { ...evidence, ...before, lastSecond: sample.second, sampleAt: now };
  const comparable = isComparable(run);
  const isOfStep = beganSince(run, sample);
  const { candidate, stable } = arms;
  return {
    ...evidence,
    ...before,
    judge: comparable ? observeJudge(evidence.judge, judgeSample(evidence, arms)) : evidence.judge,
    limits: evidence.limits.map((limit) => {
      const counts = limit.peopleOnly && comparable ? undefined : rateOf(candidate, limit.name, evidence.successes);
      return counts === undefined ? limit : { ...limit, state: observeLimit(limit.state, counts) };
    }),
    comparisons: evidence.comparisons.map((comparison) => {
      const variant = rateOf(armOf(sample, comparison.version), comparison.metric, evidence.successes);
      const control = rateOf(stable, comparison.metric, evidence.successes);
      if (variant === undefined || control === undefined) return comparison;
      return { ...comparison, state: observeInterval(comparison.state, { candidate: variant, baseline: control }) };
    }),
    shares: isOfStep ? sharesAfter(run, evidence.shares, [begunIn(candidate), begunIn(stable)]) : evidence.shares,
    lastSecond: sample.second,
    sampleAt: now,
    trafficAt: seenIn(candidate) > 0 ? now : evidence.trafficAt,
    stepCandidate: evidence.stepCandidate + (isOfStep ? seenIn(candidate) : 0),
    stepStable: evidence.stepStable + (isOfStep ? seenIn(stable) : 0),
    failedRequests: evidence.failedRequests + trialsOf(candidate).events,
    ...(isCopied(run) && isOfStep ? { failedCopies: (evidence.failedCopies ?? 0) + trialsOf(candidate).events } : {}),
    seen: seenAfter(evidence.seen, [candidate, stable]),
  };
}

function seenAfter(before: Evidence["seen"], arms: readonly ArmSecond[]): Evidence["seen"] {
  const sum = (countOf: (arm: ArmSecond) => number) => arms.reduce((total, arm) => total + countOf(arm), 0);
  return {
    requests: (before?.requests ?? 0) + sum(({ requests }) => requests),
    connections: (before?.connections ?? 0) + sum((arm) => seenIn({ ...arm, requests: 0 })),
  };
}

/** Requests and connections that took a version: a connection takes it when it begins, and is judged when it is decided. */
function begunIn({ requests, connections }: ArmSecond): number {
  return requests + (connections?.opened ?? 0);
}

/** Of pods of a template it is only known which connections were decided. */
function seenIn({ requests, connections = { opened: 0, tried: 0, failed: 0 } }: ArmSecond): number {
  return requests + Math.max(connections.opened, connections.tried);
}

/** Seconds that proxies report later: their counters up to one, and a second waits for the slowest; their logs of connections two more. */
const reportedLate: Readonly<Record<TrafficUnit, number>> = { requests: 1, connections: 3 };

/** Whether what a second tells of all began since the stage did. */
function beganSince({ stageSince }: JudgedRun, { second, arms }: SampleSecond): boolean {
  const hasConnections = Object.values(arms).some(({ connections }) => connections !== undefined);
  return (second - reportedLate[hasConnections ? "connections" : "requests"]) * 1000 >= stageSince;
}

/** Whether the candidate gets nothing but copies. */
function isCopied({ exposure }: JudgedRun): boolean {
  const { mirrorPercent, matches, flags, variants } = exposure;
  return mirrorPercent > 0 && publicPercent(exposure) === 0 && matches.length + flags.length + variants.length === 0;
}

/** Of so many seconds are the requests that a step has counted since its stage began (or since its exposure last changed). */
export function countedSeconds({ stageSince, evidence }: Pick<Run, "stageSince" | "evidence">): number {
  return Math.max(0, evidence.lastSecond + 1 - Math.ceil(stageSince / 1000) - reportedLate[unitOf(evidence)]);
}

/** Only while weights stand, every proxy has them, and each request draws its arm anew: a user's requests all go the same way. */
function sharesAfter({ stage, exposure }: JudgedRun, shares: ShareState, counts: readonly [number, number]): ShareState {
  const { weightPercent, usersPercent, matches, variants, flags, mirrorPercent } = exposure;
  const others = usersPercent + mirrorPercent + matches.length + variants.length + flags.length;
  if (stage !== "running" || others > 0 || weightPercent <= 0 || weightPercent >= 100) return shares;
  return observeShares(shares, { counts, weights: [weightPercent / 100, 1 - weightPercent / 100] });
}

/** Whether it is proven that requests don't arrive in the configured shares. */
export function areSharesWrong({ shares, judge }: Evidence): boolean {
  return shareLogEvidence(shares) >= logThreshold(judge.alpha);
}

function armOf({ arms }: SampleSecond, name: string): ArmSecond {
  return Object.hasOwn(arms, name) ? (arms[name] ?? noRequests) : noRequests;
}

/** A metric's counts of one arm, as something bad that happened; undefined when the sample hasn't it. */
function rateOf(arm: ArmSecond, metric: string, successes: readonly string[]): Arm | undefined {
  if (metric === "errors") return trialsOf(arm);
  if (metric === "clientErrors") return arm.clientErrors === undefined ? undefined : { trials: arm.requests, events: arm.clientErrors };
  const counts = arm.metrics !== undefined && Object.hasOwn(arm.metrics, metric) ? arm.metrics[metric] : undefined;
  if (counts === undefined || !successes.includes(metric)) return counts;
  return { trials: counts.trials, events: counts.trials - counts.events };
}

/** One second for the judge. */
function judgeSample(
  { judge, successes }: Pick<Evidence, "judge" | "successes">,
  { candidate, stable }: { readonly candidate: ArmSecond; readonly stable: ArmSecond },
): JudgeSample {
  const rates = judge.metrics.flatMap(({ kind, name }) => {
    const ofCandidate = kind === "rate" ? rateOf(candidate, name, successes) : undefined;
    const ofStable = kind === "rate" ? rateOf(stable, name, successes) : undefined;
    return ofCandidate === undefined || ofStable === undefined ? [] : [{ metric: name, candidate: ofCandidate, baseline: ofStable }];
  });
  const latencies = judge.metrics.flatMap(({ kind, name }) =>
    kind === "rate" || candidate.latency === undefined || stable.latency === undefined
      ? []
      : [{ metric: name, candidate: candidate.latency, baseline: stable.latency }],
  );
  return { rates, latencies, pods: candidate.pods ?? [] };
}

/** The verdict now; the chance to go on wrongly is shared by the steps that ask for evidence. */
export function judgementNow(run: Run, analysis: Analysis): Judgement {
  const asking = run.steps.filter((step) => "advance" in step && step.advance === "evidence").length;
  return judgementIn(run.evidence, goOnAlpha(asking, analysis.wrongAdvance));
}

/** How long a connection lasts says nothing of how fast its server is, so latency isn't asked where there are only connections. */
export function judgementIn(evidence: Evidence, alphaOfStep: number): Judgement {
  return judgementOf(evidence.judge, alphaOfStep, { asksLatency: unitOf(evidence) === "requests" });
}

/** The limit that is proven to be crossed; several share the chance of a false alarm. */
export function crossedLimit({ limits, judge }: Evidence): Evidence["limits"][number] | undefined {
  const threshold = logThreshold(judge.alpha / Math.max(1, limits.length));
  return limits.find(({ state }) => limitLogEvidence(state) >= threshold);
}
