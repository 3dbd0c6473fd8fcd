// A canary of which one request in twenty takes ten times as long, at 10 % of 100 requests/s: how long until users are back.

import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { percentile, rounded, summaryOf } from "./numbers.ts";
import { badRuns } from "./release-bad.ts";

async function run(context: BenchContext): Promise<Outcome> {
  const results = await badRuns(context, { SLOW_PERCENT: "5", MEDIAN_MS: "50" });
  const seconds = results.map((result) => result.seconds);
  const measured = { seconds: summaryOf(seconds, 1), p95Seconds: rounded(percentile(seconds, 95), 1) };
  return { measured, reached: { medianSeconds: measured.seconds.median < target.medianSeconds } };
}

const target = { medianSeconds: 40 };

export const benchmark: Benchmark = {
  name: "release-slow",
  summary: "a canary with 5 % of requests ten times slower: seconds until traffic is back",
  target,
  run,
};
