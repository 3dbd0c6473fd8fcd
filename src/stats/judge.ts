// One run's judge: all its metrics with a harm and a go-on process each, the burst rule, and the verdict. State, one second's samples -> state.
// It is what a release engine stores, resumes, and replays with other settings: a new start and the same samples.

import { z } from "zod";
import { type Block, emptyArm } from "./block.ts";
import { burstStateSchema, defaultBurstSettings, isSpread, observeBurst, startBurst } from "./burst.ts";
import { type CombinedEvidence, combinedEvidence } from "./combine.ts";
import { startGoOn } from "./go-on.ts";
import { alwaysValidP, logEvidence, observe, processStateSchema, startHarm, startProcess } from "./harm.ts";
import {
  type EdgeEvidence,
  everyEdgeLogEvidence,
  guiltyEdge,
  type LatencyBlock,
  latencyLogEvidence,
  latencyStateSchema,
  observeLatency,
  startLatency,
  startLatencyGoOn,
} from "./latency.ts";
import type { MixtureSettings } from "./mixture.ts";
import { decideVerdict, type Verdict } from "./verdict.ts";

const metricStateSchema = z.discriminatedUnion("kind", [
  z
    .object({ kind: z.literal("rate"), name: z.string(), weight: z.number(), harm: processStateSchema, goOn: processStateSchema })
    .readonly(),
  z
    .object({ kind: z.literal("latency"), name: z.string(), weight: z.number(), harm: latencyStateSchema, goOn: latencyStateSchema })
    .readonly(),
]);

type MetricState = z.infer<typeof metricStateSchema>;

export const judgeStateSchema = z
  .object({
    /** Chance of a false alarm in the whole run. */
    alpha: z.number().gt(0).lt(1),
    metrics: z.array(metricStateSchema).readonly(),
    burst: burstStateSchema,
    maxLogEvidence: z.number(),
  })
  .readonly();

/** Everything a judge knows, as plain JSON. */
export type JudgeState = z.infer<typeof judgeStateSchema>;

/**
 * A metric to judge; with `edgesMs` it is a latency histogram, without a rate of events that are bad (of a success rate, the failures). What isn't
 * given is at its default; a rate that isn't a few percent at most wants `...anyRate`.
 */
export interface MetricSettings extends Partial<Pick<MixtureSettings, "margin" | "factorCap" | "prior" | "learnTrials">> {
  readonly name: string;
  /** Relative to the other metrics'; 1 unless given. */
  readonly weight?: number;
  readonly edgesMs?: readonly number[];
}

/** One second. A metric that has no sample had no data: it says nothing, neither good nor bad. */
export interface JudgeSample {
  readonly rates: readonly ({ readonly metric: string } & Block)[];
  readonly latencies: readonly ({ readonly metric: string } & LatencyBlock)[];
  /** The candidate's pods with events that count against it in this second. */
  readonly pods: readonly string[];
}

/** What is known now, for a decision and its sentence. */
export interface Judgement extends CombinedEvidence {
  readonly verdict: Verdict;
  readonly alwaysValidP: number;
  /** ln E of going on per metric, in the metrics' order; infinite where it isn't asked. */
  readonly goOn: readonly number[];
  /** Of each latency metric the edge with the most evidence. */
  readonly edges: readonly ({ readonly metric: string } & EdgeEvidence)[];
}

export function startJudge(settings: {
  readonly alpha: number;
  readonly metrics: readonly MetricSettings[];
  readonly burstSeconds?: number;
}): JudgeState {
  const burst = startBurst({ seconds: settings.burstSeconds ?? defaultBurstSettings.seconds });
  return { alpha: settings.alpha, metrics: settings.metrics.map(startMetric), burst, maxLogEvidence: 0 };
}

/** The state after one more second. */
export function observeJudge(state: JudgeState, sample: JudgeSample): JudgeState {
  const metrics = state.metrics.map((metric) => observeMetric(metric, sample));
  const { logEvidence: combined } = combinedEvidence(metrics.map(harmOf), state.alpha);
  const hadEvents = metrics.some((metric, index) => countAgainst(metric) > countAgainst(state.metrics[index] ?? metric));
  return {
    alpha: state.alpha,
    metrics,
    burst: observeBurst(state.burst, { hadEvents, pods: sample.pods, logEvidence: combined }),
    maxLogEvidence: Math.max(state.maxLogEvidence, combined),
  };
}

/** The state at the start of a release's next step: harm goes on through the run, going on is shown anew. */
export function startNextStep(state: JudgeState): JudgeState {
  const metrics = state.metrics.map((metric): MetricState => {
    if (metric.kind === "rate") return { ...metric, goOn: startProcess(metric.goOn.settings) };
    return { ...metric, goOn: startLatency(metric.goOn.edgesMs, metric.goOn.settings) };
  });
  return { ...state, metrics };
}

/**
 * The verdict and its reasons; `goOnAlpha` is what this step may spend (go-on.ts). Without `asksLatency` a step may go on without any latency, if a rate says
 * that it may: not by nothing.
 */
export function judgementOf(
  state: JudgeState,
  goOnAlpha: number,
  { asksLatency = true }: { readonly asksLatency?: boolean } = {},
): Judgement {
  const isAsked = asksLatency || state.metrics.every(({ kind }) => kind === "latency");
  const combined = combinedEvidence(state.metrics.map(harmOf), state.alpha);
  const goOn = state.metrics.map((metric) => {
    if (metric.kind === "rate") return logEvidence(metric.goOn);
    return isAsked ? everyEdgeLogEvidence(metric.goOn) : Number.POSITIVE_INFINITY;
  });
  const edges = state.metrics.flatMap((metric) => {
    const edge = metric.kind === "latency" ? guiltyEdge(metric.harm) : undefined;
    return edge === undefined ? [] : [{ metric: metric.name, ...edge }];
  });
  const verdict = decideVerdict({ harm: combined.logEvidence, spread: isSpread(state.burst), goOn, alpha: state.alpha, goOnAlpha });
  return { ...combined, verdict, alwaysValidP: alwaysValidP(state), goOn, edges };
}

function startMetric({ name, weight = 1, edgesMs, ...settings }: MetricSettings): MetricState {
  if (edgesMs === undefined) return { kind: "rate", name, weight, harm: startHarm(settings), goOn: startGoOn(settings) };
  return { kind: "latency", name, weight, harm: startLatency(edgesMs, settings), goOn: startLatencyGoOn(edgesMs, settings) };
}

function observeMetric(metric: MetricState, { rates, latencies }: JudgeSample): MetricState {
  if (metric.kind === "rate") {
    const block = rates.find((sample) => sample.metric === metric.name) ?? { candidate: emptyArm, baseline: emptyArm };
    return { ...metric, harm: observe(metric.harm, block), goOn: observe(metric.goOn, block) };
  }
  const block = latencies.find((sample) => sample.metric === metric.name) ?? { candidate: [], baseline: [] };
  return { ...metric, harm: observeLatency(metric.harm, block), goOn: observeLatency(metric.goOn, block) };
}

function harmOf(metric: MetricState) {
  const { name, weight } = metric;
  return { name, weight, logEvidence: metric.kind === "rate" ? logEvidence(metric.harm) : latencyLogEvidence(metric.harm) };
}

/** The candidate's events so far; of latencies those beyond the edge that is most at fault. */
function countAgainst(metric: MetricState): number {
  if (metric.kind === "rate") return metric.harm.mixture.candidate.events;
  const edge = metric.harm.edgesMs.indexOf(guiltyEdge(metric.harm)?.edgeMs ?? 0);
  return metric.harm.mixtures[edge]?.candidate.events ?? 0;
}
