// The record of a run (ReleaseRun) -> what the demo tells of it: how it ended, after how many seconds, with how many failed requests, and why. Pure.

import { z } from "zod";
import type { ReleaseSpec } from "../../api/release/release.ts";
import { MeshError } from "../../lib/errors.ts";
import { type PlanTraffic, planOf } from "../../release/plan.ts";
import type { Phase } from "../../release/status.ts";

export interface ReleaseReport {
  readonly service: string;
  readonly stable: string;
  readonly candidate: string;
  /** The Release's phase for this candidate. */
  readonly phase: Phase;
  /** From the first step's beginning until everybody had the candidate, or nobody had it any more; until now while it is neither. */
  readonly seconds: number;
  /** Tries of the candidate that failed, as its callers' proxies counted them. */
  readonly failedRequests: number;
  /** Why, with numbers. */
  readonly verdict: string;
  /** Visitors' requests that failed because the candidate did. */
  readonly visitorFailures: number;
  /** Name of the ReleaseRun that keeps all of it. */
  readonly run: string;
}

const decision = z.object({ time: z.number(), what: z.string(), sentence: z.string() });

const recordSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ candidate: z.string(), stable: z.string() }),
  status: z.object({
    phase: z.string(),
    startedAt: z.string(),
    steps: z.array(z.object({ from: z.number() })),
    decisions: z.array(decision),
    outcome: z.string().optional(),
    failedRequests: z.number(),
  }),
});

export type RunRecord = z.output<typeof recordSchema>;

/** Reads a ReleaseRun. @throws MeshError when it is none. */
export function runRecordOf(object: unknown): RunRecord {
  const { data, error } = recordSchema.safeParse(object);
  if (data === undefined) throw new MeshError("internal", `a ReleaseRun can't be read: ${error.message}`);
  return data;
}

export interface RunPlace {
  readonly service: string;
  /** Of the Release now, when this run is its present or last one. */
  readonly phase?: Phase | undefined;
  /** "catalog v3" → visitors' requests that it failed. */
  readonly injected: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

/** The report of one run. */
export function releaseReportOf({ metadata, spec, status }: RunRecord, place: RunPlace): ReleaseReport {
  const { service, injected, nowMs } = place;
  const { stable, candidate } = spec;
  const start = status.steps[0]?.from ?? Date.parse(status.startedAt);
  const end = endOf(status.decisions)?.time ?? nowMs;
  return {
    service,
    stable,
    candidate,
    phase: place.phase ?? phaseOfOutcome(status.outcome),
    seconds: Math.round((end - start) / 100) / 10,
    failedRequests: status.failedRequests,
    verdict: verdictOf(status.decisions),
    visitorFailures: injected.get(`${service} ${candidate}`) ?? 0,
    run: metadata.name,
  };
}

type Decision = z.output<typeof decision>;

/** Where the traffic came to rest: back, or all with the candidate. */
function endOf(decisions: readonly Decision[]): Decision | undefined {
  return decisions.findLast(({ what }) => what === "TrafficBack") ?? decisions.find(({ what }) => what === "Promoted");
}

/** What sent it back or let it go on last. */
const reasons: ReadonlySet<string> = new Set([
  "HarmFound",
  "LimitCrossed",
  "StepFailed",
  "NoData",
  "AskingAPerson",
  "StepDone",
  "UndoAsked",
]);

function verdictOf(decisions: readonly Decision[]): string {
  return decisions.findLast(({ what }) => reasons.has(what))?.sentence ?? decisions.at(-1)?.sentence ?? "";
}

function phaseOfOutcome(outcome: string | undefined): Phase {
  if (outcome === "succeeded") return "Succeeded";
  if (outcome === undefined) return "Progressing";
  return outcome === "failed" ? "Failed" : "RolledBack";
}

/** Seconds that the same release would need with the default margin at this traffic; undefined when evidence never comes. */
export function secondsWithDefaultMargin(spec: ReleaseSpec, traffic: PlanTraffic): number | undefined {
  const analysis = { ...spec.analysis, metrics: [] };
  const { steps } = planOf({ ...spec, analysis }, traffic);
  const lasts = steps.map(({ leastSeconds = 0, evidenceSeconds }) => Math.max(leastSeconds, evidenceSeconds?.median ?? Number.NaN));
  const sum = lasts.reduce((total, seconds) => total + seconds, 0);
  return Number.isFinite(sum) ? sum : undefined;
}

/** What fixed thresholds would have cost. */
export interface ThresholdCost {
  readonly seconds: number;
  readonly failedRequests: number;
}

/** Checks of a fixed threshold, as tools that read a metrics server make them: one a minute, back at the fifth that failed. An assumption, told as one. */
export const thresholdChecks = { intervalSeconds: 60, failedChecks: 5 } as const;

/** The same candidate under fixed thresholds: every check fails, and its share stays until the last. */
export function thresholdCost(candidate: { readonly requestsPerSecond: number; readonly errorRate: number }): ThresholdCost {
  const seconds = thresholdChecks.intervalSeconds * thresholdChecks.failedChecks;
  return { seconds, failedRequests: Math.round(seconds * candidate.requestsPerSecond * candidate.errorRate) };
}
