// A bad canary at 10 % of 100 requests/s, released again and again: how long users are exposed to it, and how many of their requests fail.

import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { percentile, rounded, summaryOf } from "./numbers.ts";
import { type ReleaseMesh, startReleaseMesh, timeOf } from "./release-mesh.ts";

const runs = { full: 20, quick: 2 };
const requestsPerSecond = 100;
/** The versions' errors differ by their status, so that the client can tell whose they are. */
const candidateError = 500;
const stableError = 502;

/** The step that the candidate never leaves; judged as by default. */
const spec = { steps: [{ setWeight: 10 }], drain: "100ms" };

export interface BadRun {
  /** From the instant the step was wished, before any proxy had it, until every proxy acknowledged the way back. */
  readonly seconds: number;
  /** Requests that failed at the candidate, as the client saw it. */
  readonly failed: number;
  readonly verdict: string;
}

/** Lets a candidate run into its end `count` times on one mesh. */
export async function badRuns(context: BenchContext, candidate: Readonly<Record<string, string>>): Promise<readonly BadRun[]> {
  const stable = { ERROR_PERCENT: "0.1", ERROR_STATUS: String(stableError), ...medianOf(candidate) };
  const bad = { ERROR_PERCENT: "0.1", ...candidate, ERROR_STATUS: String(candidateError) };
  const releases = await startReleaseMesh(context, { services: ["server"], versions: { v1: stable, v2: bad }, spec });
  const results: BadRun[] = [];
  for (let index = 0; index < (context.quick ? runs.quick : runs.full); index += 1) {
    const result = await badRun(releases);
    results.push(result);
    context.progress(`run ${index + 1}: ${rounded(result.seconds, 1)} s, ${result.failed} failed requests: ${result.verdict}`);
  }
  return results;
}

function medianOf({ MEDIAN_MS }: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return MEDIAN_MS === undefined ? {} : { MEDIAN_MS };
}

async function badRun({ load, begin, until, record }: ReleaseMesh): Promise<BadRun> {
  const stop = await load("server", requestsPerSecond);
  const run = await begin("server");
  const { verdict } = await until("server", ({ phase }) => phase === "RolledBack");
  const { byStatus } = await stop();
  const recorded = await record(run);
  const [step] = recorded.steps;
  const back = timeOf(recorded, "TrafficBack");
  if (step === undefined || back === undefined) throw new Error(`run ${run} has no way back: ${JSON.stringify(recorded.decisions)}`);
  return { seconds: (back - step.from) / 1000, failed: byStatus[candidateError] ?? 0, verdict };
}

async function run(context: BenchContext): Promise<Outcome> {
  const results = await badRuns(context, { ERROR_PERCENT: "5" });
  const seconds = results.map((result) => result.seconds);
  const failed = results.map((result) => result.failed);
  const measured = {
    seconds: summaryOf(seconds, 1),
    p95Seconds: rounded(percentile(seconds, 95), 1),
    failedRequests: summaryOf(failed, 0),
  };
  const reached = {
    medianSeconds: measured.seconds.median < target.medianSeconds,
    p95Seconds: measured.p95Seconds <= target.p95Seconds,
    failedRequests: measured.failedRequests.median <= target.failedRequests,
  };
  return { measured, reached };
}

const target = { medianSeconds: 20, p95Seconds: 35, failedRequests: 12 };

export const benchmark: Benchmark = {
  name: "release-bad",
  summary: "a canary with 5 % instead of 0.1 % errors: seconds until traffic is back, and failed requests",
  target,
  run,
};
