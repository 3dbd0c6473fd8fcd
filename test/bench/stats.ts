// The release statistics: CPU of one second of one release (errors, and latency over all edges of Envoy's histograms), and what 200 concurrent
// releases that decide each second need of a core.

import { observeInterval, startInterval } from "../../src/stats/interval.ts";
import { judgementOf, observeJudge, startJudge } from "../../src/stats/judge.ts";
import { timeToFind, timeToGoOn } from "../../src/stats/planning.ts";
import { binomial, randomOf } from "../../src/stats/testing/random.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { summaryOf } from "./numbers.ts";

/** The engine as a whole has 20 % of a core for 200 releases; a quarter of that for statistics leaves it the rest. */
const target = { corePercentOf200Releases: 5 };
const sizes = { full: { rounds: 7, releases: 200, seconds: 60 }, quick: { rounds: 1, releases: 10, seconds: 10 } };

/** Envoy's default histogram edges in ms (Stats::HistogramSettingsImpl). */
const edgesMs = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];
const shares = [0, 0.02, 0.2, 0.38, 0.3, 0.07, 0.02, 0.007, 0.002, 0.001, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

function sampleOf(random: () => number) {
  const histogram = (requests: number) => shares.map((share) => binomial(random, requests, share));
  return {
    rates: [
      {
        metric: "errors",
        candidate: { trials: 10, events: binomial(random, 10, 0.01) },
        baseline: { trials: 90, events: binomial(random, 90, 0.01) },
      },
    ],
    latencies: [{ metric: "latency", candidate: histogram(10), baseline: histogram(90) }],
    pods: ["a"],
  };
}

async function run(context: BenchContext): Promise<Outcome> {
  const { rounds, releases, seconds } = context.quick ? sizes.quick : sizes.full;
  const random = randomOf(1);
  const samples = Array.from({ length: 500 }, () => sampleOf(random));
  const stepMicroseconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    let states = Array.from({ length: releases }, () =>
      startJudge({ alpha: 0.01, metrics: [{ name: "errors" }, { name: "latency", edgesMs }] }),
    );
    const before = process.cpuUsage();
    for (let second = 0; second < seconds; second += 1) {
      states = states.map((state, release) => {
        const next = observeJudge(state, samples[(release * 7 + second) % samples.length] ?? { rates: [], latencies: [], pods: [] });
        judgementOf(next, 0.01);
        return next;
      });
    }
    const { user, system } = process.cpuUsage(before);
    stepMicroseconds.push((user + system) / (releases * seconds));
    context.progress(`round ${round + 1} of ${rounds}: ${stepMicroseconds.at(-1)?.toFixed(1)} µs of CPU per release and second`);
    // Signals are heard between the rounds.
    await new Promise((resolve) => setImmediate(resolve));
    context.signal.throwIfAborted();
  }
  const measured = {
    stepMicroseconds: summaryOf(stepMicroseconds, 1),
    corePercentOf200Releases: summaryOf(
      stepMicroseconds.map((step) => (200 * step) / 10_000),
      2,
    ),
    forecastMicroseconds: forecastMicroseconds(context.quick ? 20 : 500),
    intervalMicroseconds: intervalMicroseconds(context.quick ? 20 : 1000),
    stateBytes: JSON.stringify(startJudge({ alpha: 0.01, metrics: [{ name: "errors" }, { name: "latency", edgesMs }] })).length,
  };
  return { measured, reached: { corePercentOf200Releases: measured.corePercentOf200Releases.median < target.corePercentOf200Releases } };
}

/** CPU of the two forecasts of a release's `eta`. */
function forecastMicroseconds(times: number): number {
  const [state] = startJudge({ alpha: 0.01, metrics: [{ name: "errors" }] }).metrics;
  if (state?.kind !== "rate") return Number.NaN;
  const input = { requestsPerSecond: 1000, share: 0.1, alpha: 0.01 };
  const before = process.cpuUsage();
  for (let index = 0; index < times; index += 1) {
    timeToFind({ ...input, settings: state.harm.settings, rates: { candidate: 0.05, baseline: 0.001 + index * 1e-6 } });
    timeToGoOn({ ...input, settings: state.goOn.settings, rates: { candidate: 0.001, baseline: 0.001 + index * 1e-6 } });
  }
  const { user, system } = process.cpuUsage(before);
  return Math.round((user + system) / times);
}

/** CPU of one block of an A/B interval. */
function intervalMicroseconds(blocks: number): number {
  const random = randomOf(2);
  let state = startInterval({ of: "difference" });
  const before = process.cpuUsage();
  for (let index = 0; index < blocks; index += 1) {
    const arm = (rate: number) => ({ trials: 50, events: binomial(random, 50, rate) });
    state = observeInterval(state, { candidate: arm(0.12), baseline: arm(0.1) });
  }
  const { user, system } = process.cpuUsage(before);
  return Math.round((user + system) / blocks);
}

export const benchmark: Benchmark = {
  name: "stats",
  summary: "CPU for the statistics of 200 concurrent releases, one decision per second each",
  target,
  run,
};
