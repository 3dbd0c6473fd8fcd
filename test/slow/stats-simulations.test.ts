// The statistics in thousands of simulated releases: how often a healthy one is stopped, how soon a bad one is found, against classical tests
// on the same data. Prints each rate with its exact 95 % interval; docs/decisions/013 has the numbers of one run.

import { expect, test } from "vitest";
import { isSpread, observeBurst, startBurst } from "../../src/stats/burst.ts";
import { startGoOn } from "../../src/stats/go-on.ts";
import { logEvidence, logThreshold, observe, type ProcessState, startHarm } from "../../src/stats/harm.ts";
import { intervalOf, observeInterval, startInterval } from "../../src/stats/interval.ts";
import { latencyLogEvidence, observeLatency, startLatency } from "../../src/stats/latency.ts";
import { noMargin } from "../../src/stats/margin.ts";
import type { MixtureSettings } from "../../src/stats/mixture.ts";
import { timeToFind, timeToGoOn } from "../../src/stats/planning.ts";
import { clopperPearson, printedRate } from "../../src/stats/testing/proportion-interval.ts";
import { binomial, randomOf } from "../../src/stats/testing/random.ts";
import { type TraceOptions, traceOf } from "../../src/stats/testing/traffic.ts";

const say = (line: string) => void process.stdout.write(`${line}\n`);
/** The process as the design writes it down, before the additions of docs/decisions/013. */
const asDesigned: Partial<MixtureSettings> = { margin: noMargin, factorCap: "none", lateOnset: "none" };
const quantile = (values: readonly number[], part: number) =>
  values.toSorted((a, b) => a - b)[Math.ceil(part * values.length) - 1] ?? Number.NaN;

/** How many of `runs` traces ever reach 1/alpha. */
function crossings(
  runs: number,
  seconds: number,
  trace: TraceOptions,
  { start, alpha }: { readonly start: ProcessState; readonly alpha: number },
) {
  let count = 0;
  for (let seed = 1; seed <= runs; seed += 1) {
    const next = traceOf(trace, randomOf(seed));
    let state = start;
    for (let second = 0; second < seconds && state.maxLogEvidence < logThreshold(alpha); second += 1) state = observe(state, next().block);
    if (state.maxLogEvidence >= logThreshold(alpha)) count += 1;
  }
  return count;
}

/** The seconds until each of `runs` reaches 1/alpha; `most` where it doesn't. */
function seconds(
  runs: number,
  trace: TraceOptions,
  { start, alpha, most = 3000 }: { readonly start: ProcessState; readonly alpha: number; readonly most?: number },
) {
  return Array.from({ length: runs }, (_, seed) => {
    const next = traceOf(trace, randomOf(seed + 1));
    let state = start;
    for (let second = 1; second <= most; second += 1) {
      state = observe(state, next().block);
      if (logEvidence(state) >= logThreshold(alpha)) return second;
    }
    return most;
  });
}

/** Whether a two-proportion z-test of everything so far, at each second, ever says 5 %. */
function zTestCrosses(trace: TraceOptions, secondsOfRun: number, seed: number): boolean {
  const next = traceOf(trace, randomOf(seed));
  let [n, k, m, j] = [0, 0, 0, 0];
  for (let second = 0; second < secondsOfRun; second += 1) {
    const { candidate, baseline } = next().block;
    [n, k, m, j] = [n + candidate.trials, k + candidate.events, m + baseline.trials, j + baseline.events];
    const pooled = (k + j) / (n + m);
    const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
    if (deviation > 0 && n > 0 && m > 0 && Math.abs(k / n - j / m) > 1.959964 * deviation) return true;
  }
  return false;
}

const zCrossings = (runs: number, secondsOfRun: number, trace: TraceOptions) =>
  Array.from({ length: runs }, (_, seed) => zTestCrosses(trace, secondsOfRun, seed + 1)).filter(Boolean).length;

test("healthy at 1 % of 50 requests/s, a look each second for half an hour: 2,000 runs", () => {
  const trace: TraceOptions = { requestsPerSecond: 50, share: () => 0.5, rate: () => 0.01 };
  const ours = crossings(2000, 1800, trace, { start: startHarm(asDesigned), alpha: 0.05 });
  const classical = zCrossings(200, 1800, trace);
  say(`steady: this method, α 0.05, no margin: ${printedRate(ours, 2000)}; z-test at each second: ${printedRate(classical, 200)}`);
  expect(clopperPearson(ours, 2000).high).toBeLessThan(0.05);
  expect(classical / 200).toBeGreaterThan(0.3);
});

test("an incident that both share while weights ramp (Simpson's paradox): 2,000 runs", () => {
  const ramp = (second: number) => [0.01, 0.05, 0.25, 0.5][Math.floor(second / 75)] ?? 0.5;
  const trace: TraceOptions = { requestsPerSecond: 100, share: ramp, rate: (second) => (second < 150 ? 0.005 : 0.05) };
  const ours = crossings(2000, 300, trace, { start: startHarm(asDesigned), alpha: 0.05 });
  const classical = zCrossings(300, 300, trace);
  say(`shared incident, ramp: this method, α 0.05, no margin: ${printedRate(ours, 2000)}; pooled z-test: ${printedRate(classical, 300)}`);
  expect(clopperPearson(ours, 2000).high).toBeLessThan(0.05);
  expect(classical / 300).toBeGreaterThan(0.95);
});

const ramp = (second: number) => [0.01, 0.05, 0.25, 0.5][Math.floor(second / 100)] ?? 0.5;
const healthy: TraceOptions = { requestsPerSecond: 100, share: ramp, rate: () => 0.005 };
test.each<[string, TraceOptions]>([
  ["drift", { ...healthy, rate: (second) => 0.01 * (1 + 0.8 * Math.sin(second / 40)) }],
  ["waves of both", { ...healthy, waves: { begin: 0.02, end: 0.1 } }],
  ["uneven pods", { ...healthy, pods: [0.2, 0.5, 2.3] }],
  ["bursts of a pod", { ...healthy, pods: [1, 1], podBurst: 1 / 300 }],
  ["failures tried again twice", { ...healthy, retries: 2 }],
])("healthy with %s, as judged by default: 500 runs of 400 s", (name, trace) => {
  const alarms = crossings(500, 400, trace, { start: startHarm(), alpha: 0.01 });
  say(`${name}: defaults, α 0.01: ${printedRate(alarms, 500)}`);
  expect(clopperPearson(alarms, 500).low).toBeLessThanOrEqual(0.01);
});

// The design's table, in candidate requests; 20 of them and 180 of the baseline in each second.
test.each([
  [0.01, 0.03, 520, 880, 1280],
  [0.001, 0.05, 80, 120, 180],
  [0.01, 0.1, 60, 100, 120],
  [0.001, 0.01, 520, 860, 1340],
])("canary requests needed, %d → %d: %d, %d, %d", (rate, candidate, median, p80, p95) => {
  const trace: TraceOptions = { requestsPerSecond: 200, share: () => 0.1, rate: () => rate, candidateTimes: () => candidate / rate };
  const needed = seconds(600, trace, { start: startHarm(asDesigned), alpha: 0.01 }).map((second) => second * 20);
  say(
    `${rate} → ${candidate}, no margin, no cap: ${[0.5, 0.8, 0.95].map((part) => quantile(needed, part)).join("/")} (table ${median}/${p80}/${p95})`,
  );
  // One block is 20 requests, which is what a few blocks can differ by.
  expect(Math.abs(quantile(needed, 0.5) - median)).toBeLessThanOrEqual(0.15 * median + 20);
  expect(Math.abs(quantile(needed, 0.8) - p80)).toBeLessThanOrEqual(0.15 * p80 + 20);
  expect(Math.abs(quantile(needed, 0.95) - p95)).toBeLessThanOrEqual(0.15 * p95 + 20);
});

test("with the default margin, 1 → 3 %: 1200, 2100, 3220 in the table", () => {
  const trace: TraceOptions = { requestsPerSecond: 200, share: () => 0.1, rate: () => 0.01, candidateTimes: () => 3 };
  const start = startHarm({ factorCap: "none", lateOnset: "none" });
  const needed = seconds(600, trace, { start, alpha: 0.01 }).map((second) => second * 20);
  say(`0.01 → 0.03, margin, no cap: ${[0.5, 0.8, 0.95].map((part) => quantile(needed, part)).join("/")} (table 1200/2100/3220)`);
  expect(quantile(needed, 0.5)).toBeLessThan(1200 * 1.25);
  expect(quantile(needed, 0.8)).toBeLessThan(2100 * 1.2);
  expect(quantile(needed, 0.95)).toBeLessThan(3220 * 1.2);
});

test("a cap of 3: seconds to find 0.1 → 5 %, and bursts of one pod", () => {
  const bad: TraceOptions = { requestsPerSecond: 100, share: () => 0.1, rate: () => 0.001, candidateTimes: () => 50 };
  const uncapped = seconds(500, bad, { start: startHarm(asDesigned), alpha: 0.01 });
  const capped = seconds(500, bad, { start: startHarm({ margin: noMargin, lateOnset: "none" }), alpha: 0.01 });
  const byDefault = seconds(500, bad, { start: startHarm(), alpha: 0.01 });
  say(
    `0.1 → 5 %: uncapped ${quantile(uncapped, 0.5)} s, cap 3 ${quantile(capped, 0.5)} s, with margin and late onset ${quantile(byDefault, 0.5)} s (p95 ${quantile(byDefault, 0.95)} s)`,
  );
  expect(quantile(uncapped, 0.5)).toBeLessThan(10);
  expect(quantile(byDefault, 0.5)).toBeLessThan(20);
  expect(quantile(byDefault, 0.95)).toBeLessThan(35);
  const bursts: TraceOptions = { requestsPerSecond: 100, share: () => 0.1, rate: () => 0.001, pods: [1, 1], podBurst: 1 / 600 };
  const falseUncapped = crossings(500, 300, bursts, { start: startHarm(asDesigned), alpha: 0.01 });
  const falseCapped = crossings(1000, 300, bursts, { start: startHarm({ margin: noMargin, lateOnset: "none" }), alpha: 0.01 });
  say(`bursts of one pod: uncapped ${printedRate(falseUncapped, 500)}, cap 3 ${printedRate(falseCapped, 1000)}`);
  expect(falseUncapped / 500).toBeGreaterThan(5 * (falseCapped / 1000));
  expect(clopperPearson(falseCapped, 1000).low).toBeLessThanOrEqual(0.01);
});

test("the burst rule holds uncapped verdicts back until two pods or three seconds had errors", () => {
  const bursts: TraceOptions = { requestsPerSecond: 400, share: () => 0.1, rate: () => 0.0002, pods: [1, 1], podBurst: 1 / 300 };
  let [crossed, spread] = [0, 0];
  for (let seed = 1; seed <= 300; seed += 1) {
    const next = traceOf(bursts, randomOf(seed));
    let state = startHarm(asDesigned);
    let burst = startBurst();
    let isSpreadEver = false;
    for (let second = 0; second < 300; second += 1) {
      const { block, pods } = next();
      state = observe(state, block);
      burst = observeBurst(burst, { hadEvents: block.candidate.events > 0, pods, logEvidence: logEvidence(state) });
      isSpreadEver ||= logEvidence(state) >= logThreshold(0.01) && isSpread(burst);
    }
    if (state.maxLogEvidence >= logThreshold(0.01)) crossed += 1;
    if (isSpreadEver) spread += 1;
  }
  say(`bursts uncapped: evidence alone ${printedRate(crossed, 300)}, with the burst rule ${printedRate(spread, 300)}`);
  expect(spread).toBeLessThan(crossed);
});

test("harm that begins after a long healthy time is found as by a process that waited for it, nearly", () => {
  const lateBy = (healthySeconds: number, settings: Partial<MixtureSettings>) => {
    const trace: TraceOptions = {
      requestsPerSecond: 100,
      share: () => 0.1,
      rate: () => 0.001,
      candidateTimes: (second) => (second < healthySeconds ? 1 : 50),
    };
    return quantile(seconds(80, trace, { start: startHarm(settings), alpha: 0.01 }), 0.5) - healthySeconds;
  };
  const [atOnce, later, muchLater] = [lateBy(0, {}), lateBy(600, {}), lateBy(1800, {})];
  const asDesignedLater = lateBy(1800, { lateOnset: "none" });
  say(
    `0.1 → 5 % beginning after 0, 600, 1800 s: found after ${atOnce}, ${later}, ${muchLater} s; all bet at the start: ${asDesignedLater} s`,
  );
  expect(muchLater).toBeLessThan(60);
  expect(asDesignedLater).toBeGreaterThan(2 * muchLater);
});

test("going on: on the margin at most α are let through; with equal rates it takes what the forecast says", () => {
  const edge: TraceOptions = { requestsPerSecond: 100, share: () => 0.2, rate: () => 0.01, candidateTimes: () => 1.6 };
  const wrong = crossings(1000, 600, edge, { start: startGoOn(), alpha: 0.05 });
  say(`going on, candidate on the margin, α 0.05: ${printedRate(wrong, 1000)}`);
  expect(clopperPearson(wrong, 1000).low).toBeLessThanOrEqual(0.05);
  const equal: TraceOptions = { ...edge, share: () => 0.1, candidateTimes: () => 1 };
  const taken = seconds(300, equal, { start: startGoOn(), alpha: 0.05 });
  const input = {
    requestsPerSecond: 100,
    share: 0.1,
    settings: startGoOn().settings,
    alpha: 0.05,
    rates: { candidate: 0.01, baseline: 0.01 },
  };
  const forecast = timeToGoOn(input)?.seconds;
  say(
    `going on at equal rates: ${[0.5, 0.8, 0.95].map((part) => quantile(taken, part)).join("/")} s; forecast ${JSON.stringify(forecast)}`,
  );
  expect(Math.abs((forecast?.median ?? 0) / quantile(taken, 0.5) - 1)).toBeLessThan(0.35);
  expect(Math.abs((forecast?.p95 ?? 0) / quantile(taken, 0.95) - 1)).toBeLessThan(0.35);
});

test.each([
  [100, 0.1, 0.001, 0.05],
  [100, 0.1, 0.01, 0.03],
  [20, 0.5, 0.005, 0.05],
  [1000, 0.1, 0.001, 0.05],
  [10, 0.1, 0.001, 0.1],
])("forecast at %d requests/s, share %d, %d → %d", (requestsPerSecond, share, rate, candidate) => {
  const trace: TraceOptions = { requestsPerSecond, share: () => share, rate: () => rate, candidateTimes: () => candidate / rate };
  const taken = seconds(200, trace, { start: startHarm(), alpha: 0.01 });
  const forecast = timeToFind({
    requestsPerSecond,
    share,
    settings: startHarm().settings,
    alpha: 0.01,
    rates: { candidate, baseline: rate },
  })?.seconds;
  say(
    `${requestsPerSecond}/s, ${share}, ${rate} → ${candidate}: ${[0.5, 0.8, 0.95].map((part) => quantile(taken, part)).join("/")} s; forecast ${JSON.stringify(forecast)}`,
  );
  expect((forecast?.median ?? 0) / quantile(taken, 0.5)).toBeGreaterThan(0.7);
  expect((forecast?.median ?? 0) / quantile(taken, 0.5)).toBeLessThan(1.5);
  // Under a cap chance matters less than the factors assume: the forecast may be too long, not too short.
  expect((forecast?.p95 ?? 0) / quantile(taken, 0.95)).toBeGreaterThan(0.8);
});

test("latency: a healthy candidate with shared slow times, and one with 5 % of requests ten times slower", () => {
  const edgesMs = [5, 10, 25, 50, 100, 250, 500, 1000];
  // Shares beyond the edges of log-normal times: median 20 ms and 200 ms, sigma 0.5.
  const normal = [0.9972, 0.9171, 0.3277, 0.0334, 0.00064, 2e-7, 1e-9, 1e-12];
  const tenTimes = [1, 1, 1, 0.9972, 0.9171, 0.3277, 0.0334, 0.00064];
  const slow = normal.map((share, edge) => 0.95 * share + 0.05 * (tenTimes[edge] ?? 0));
  const counts = (random: () => number, requests: number, beyond: readonly number[]) => {
    let [left, before] = [requests, 1];
    const buckets = beyond.map((share) => {
      const slower = binomial(random, left, share / before);
      const here = left - slower;
      [left, before] = [slower, share];
      return here;
    });
    return [...buckets, left];
  };
  const run = (seed: number, candidate: readonly number[], most: number) => {
    const random = randomOf(seed);
    let state = startLatency(edgesMs);
    for (let second = 1; second <= most; second += 1) {
      const shared = Math.floor(second / 60) % 2;
      const shift = (beyond: readonly number[]) => beyond.map((_, edge) => beyond[Math.max(0, edge - shared)] ?? 1);
      state = observeLatency(state, { candidate: counts(random, 10, shift(candidate)), baseline: counts(random, 90, shift(normal)) });
      if (latencyLogEvidence(state) >= logThreshold(0.01)) return second;
    }
    return most + 1;
  };
  const alarms = Array.from({ length: 200 }, (_, seed) => run(seed + 1, normal, 240)).filter((second) => second <= 240).length;
  const found = Array.from({ length: 100 }, (_, seed) => run(seed + 1, slow, 300));
  say(
    `latency: healthy, α 0.01: ${printedRate(alarms, 200)}; 5 % ten times slower found after ${quantile(found, 0.5)} s (p95 ${quantile(found, 0.95)} s)`,
  );
  expect(clopperPearson(alarms, 200).low).toBeLessThanOrEqual(0.01);
  expect(quantile(found, 0.5)).toBeLessThan(40);
});

test("A/B intervals looked at after each of 200 blocks are ever wrong in at most α of 300 runs", () => {
  let wrong = 0;
  const widths: number[] = [];
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = randomOf(seed);
    const rates = seed % 2 === 0 ? [0.1, 0.1] : [0.12, 0.1];
    let state = startInterval({ of: "difference" });
    for (let block = 0; block < 200; block += 1) {
      const arm = (rate = 0) => ({ trials: 50, events: binomial(random, 50, rate) });
      state = observeInterval(state, { candidate: arm(rates[0]), baseline: arm(rates[1]) });
    }
    const { low = -1, high = 1 } = intervalOf(state);
    const truth = (rates[0] ?? 0) - (rates[1] ?? 0);
    if (low > truth + 1e-12 || high < truth - 1e-12) wrong += 1;
    widths.push((high - low) / (2 * 1.96 * Math.sqrt((0.1 * 0.9 * 2) / 10_000)));
  }
  say(
    `A/B interval: ever wrong at α 0.05: ${printedRate(wrong, 300)}; median width ${quantile(widths, 0.5).toFixed(2)} times that for a single look`,
  );
  expect(clopperPearson(wrong, 300).low).toBeLessThanOrEqual(0.05);
  expect(quantile(widths, 0.5)).toBeLessThan(3.2);
});
