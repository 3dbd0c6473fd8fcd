// The error process as a state machine: empty arms, caps, JSON, and short simulations that it neither cries wolf nor sleeps.

import { expect, test } from "vitest";
import { startGoOn } from "./go-on.ts";
import { alwaysValidP, logEvidence, logThreshold, observe, type ProcessState, processStateSchema, startHarm } from "./harm.ts";
import { logMeanExp } from "./log-space.ts";
import { noMargin } from "./margin.ts";
import { alternativeOf } from "./mixture.ts";
import { clopperPearson, printedRate } from "./testing/proportion-interval.ts";
import { binomial, randomOf } from "./testing/random.ts";

interface Second {
  readonly sizes: readonly [number, number];
  readonly rates: readonly [number, number];
}

function played(start: ProcessState, seed: number, seconds: readonly Second[]): ProcessState {
  const random = randomOf(seed);
  return seconds.reduce(
    (state, { sizes, rates }) =>
      observe(state, {
        candidate: { trials: sizes[0], events: binomial(random, sizes[0], rates[0]) },
        baseline: { trials: sizes[1], events: binomial(random, sizes[1], rates[1]) },
      }),
    start,
  );
}

const steady = (count: number, second: Second) => Array.from({ length: count }, () => second);

test("an empty arm leaves the evidence where it is, and the baseline's past still grows", () => {
  const before = observe(startHarm(), { candidate: { trials: 100, events: 5 }, baseline: { trials: 900, events: 1 } });
  const without = observe(before, { candidate: { trials: 0, events: 0 }, baseline: { trials: 900, events: 1 } });
  const alone = observe(before, { candidate: { trials: 100, events: 100 }, baseline: { trials: 0, events: 0 } });
  expect(without.mixture.logProducts).toEqual(before.mixture.logProducts);
  expect(alone.mixture.logProducts).toEqual(before.mixture.logProducts);
  expect(without.mixture.baseline).toEqual({ trials: 1800, events: 2 });
  expect(without.blocks).toBe(2);
});

test("no block multiplies a product by more than the cap", () => {
  const worst = { candidate: { trials: 1000, events: 1000 }, baseline: { trials: 9000, events: 0 } };
  const capped = observe(startHarm(), worst);
  expect(logEvidence(capped)).toBeLessThanOrEqual(Math.log(3));
  expect(logEvidence(observe(startHarm({ factorCap: "none" }), worst))).toBeGreaterThan(1000);
});

test("with one alternative and no margin it is the product of the golden factors", () => {
  // The prior alone is the baseline's past: θ_b = 0.01 at the first block, and nearly so at the second.
  const start = startHarm({ margin: noMargin, factorCap: "none", lateOnset: "none", grid: [3], prior: { trials: 1e12, events: 1e10 } });
  const block = { candidate: { trials: 100, events: 3 }, baseline: { trials: 900, events: 9 } };
  expect(logEvidence(observe(observe(start, block), block))).toBeCloseTo(2 * Math.log(3.084211621), 6);
});

// Alternatives learn, are capped, and are bet on in parts: only the whole process shows that none of it costs its validity.
test.each([
  ["harm, on the line", startHarm({ factorCap: 1.5, lateOnset: { atStart: 0.5, blocks: 2 } }), 0.5 * 1.5 + 0.001, 0.5],
  ["harm, uncapped and no margin", startHarm({ margin: noMargin, factorCap: "none" }), 0.3, 0.3],
  ["harm, better than the baseline", startHarm(), 0.1, 0.2],
  ["going on, on the line", startGoOn(), 0.2 * 1.5 + 0.001, 0.2],
  ["going on, far worse", startGoOn({ factorCap: "none" }), 0.9, 0.2],
])("%s: all outcomes of three blocks enumerated, the mean of E is at most 1", (_, start, candidate, baseline) => {
  const chance = (trials: number, events: number, p: number) => {
    const ways = Array.from({ length: events }, (_, index) => (trials - index) / (index + 1)).reduce(
      (product, factor) => product * factor,
      1,
    );
    return ways * p ** events * (1 - p) ** (trials - events);
  };
  const meanFrom = (state: ProcessState, blocksLeft: number): number => {
    if (blocksLeft === 0) return Math.exp(logEvidence(state));
    let mean = 0;
    for (let k = 0; k <= 2; k += 1) {
      for (let j = 0; j <= 3; j += 1) {
        const next = observe(state, { candidate: { trials: 2, events: k }, baseline: { trials: 3, events: j } });
        mean += chance(2, k, candidate) * chance(3, j, baseline) * meanFrom(next, blocksLeft - 1);
      }
    }
    return mean;
  };
  expect(meanFrom(start, 3)).toBeLessThanOrEqual(1 + 1e-9);
});

test("the p value never rises, and is that of the largest evidence", () => {
  let state = startHarm();
  let last = alwaysValidP(state);
  expect(last).toBe(1);
  for (const events of [3, 4, 0, 0, 5, 0]) {
    state = observe(state, { candidate: { trials: 50, events }, baseline: { trials: 450, events: 0 } });
    expect(alwaysValidP(state)).toBeLessThanOrEqual(last);
    last = alwaysValidP(state);
  }
  expect(last).toBe(Math.exp(-state.maxLogEvidence));
});

test("stored and resumed in the middle it ends the same; replayed with another margin it ends elsewhere", () => {
  const first = played(startHarm(), 1, steady(20, { sizes: [10, 90], rates: [0.05, 0.01] }));
  const resumed = processStateSchema.parse(JSON.parse(JSON.stringify(first)));
  const rest = steady(20, { sizes: [10, 90], rates: [0.05, 0.01] });
  expect(resumed).toEqual(first);
  expect(played(resumed, 2, rest)).toEqual(played(first, 2, rest));
  const wider = startHarm({ margin: { ratio: 2, plus: 0.01 } });
  expect(logEvidence(played(wider, 1, steady(20, { sizes: [10, 90], rates: [0.05, 0.01] })))).toBeLessThan(logEvidence(first));
});

test("counts that can't be never end in anything but a number", () => {
  const odd = [Number.NaN, -5, Number.POSITIVE_INFINITY, 0, 7];
  let state = startHarm();
  for (const trials of odd)
    for (const events of odd) state = observe(state, { candidate: { trials, events }, baseline: { trials: 90, events } });
  expect(Number.isFinite(logEvidence(state))).toBe(true);
  expect(state.mixture.candidate.trials).toBe(5 * 7);
});

test("after a million clean requests of the baseline a broken candidate is still found at once", () => {
  let state = startHarm();
  for (let block = 0; block < 1000; block += 1) {
    state = observe(state, { candidate: { trials: 10, events: 0 }, baseline: { trials: 1000, events: 0 } });
  }
  const before = logEvidence(state);
  for (let block = 0; block < 8; block += 1) {
    state = observe(state, { candidate: { trials: 10, events: 5 }, baseline: { trials: 1000, events: 0 } });
  }
  expect(logEvidence(state) - before).toBeGreaterThan(logThreshold(0.01));
  // Alternatives that were multiples of the baseline's rate would all lie within the margin by now.
  expect(alternativeOf(startHarm().settings, 5e-7, 150)?.candidate).toBeCloseTo(0.15, 3);
  expect(150 * 5e-7).toBeLessThan(0.001);
});

test("harm that begins after ten healthy minutes is found in about a minute, not in more", () => {
  const history = [...steady(600, { sizes: [10, 90], rates: [0.001, 0.001] }), ...steady(70, { sizes: [10, 90], rates: [0.05, 0.001] })];
  const found = (start: ProcessState) =>
    Array.from({ length: 6 }, (_, seed) => played(start, seed + 1, history)).filter((state) => logEvidence(state) >= logThreshold(0.01))
      .length;
  expect(found(startHarm())).toBe(6);
  expect(found(startHarm({ lateOnset: "none" }))).toBeLessThan(6);
});

test("an incident that both share, while weights ramp, is nobody's harm; pooled over time it would be", () => {
  const ramp: readonly Second[] = [
    ...steady(60, { sizes: [1, 99], rates: [0.01, 0.01] }),
    ...steady(60, { sizes: [50, 50], rates: [0.3, 0.3] }),
    ...steady(60, { sizes: [50, 50], rates: [0.01, 0.01] }),
  ];
  const ends = Array.from({ length: 60 }, (_, seed) => played(startHarm({ margin: noMargin }), seed + 1, ramp));
  const alarms = ends.filter(({ maxLogEvidence }) => maxLogEvidence >= logThreshold(0.01));
  expect(alarms.length).toBeLessThanOrEqual(3);
  const pooledRates = ends.map(({ mixture: { candidate, baseline } }) => [
    candidate.events / candidate.trials,
    baseline.events / baseline.trials,
  ]);
  for (const [candidate = 0, baseline = 1] of pooledRates) expect(candidate / baseline).toBeGreaterThan(1.3);
});

test("120 healthy runs of five minutes, looked at each second, rates drifting: at most α ever cross", () => {
  const alpha = 0.05;
  const seconds = Array.from({ length: 300 }, (_, second): Second => {
    const rate = 0.01 * (1.5 + Math.sin(second / 50));
    const candidate = [1, 3, 13, 25][Math.floor(second / 75)] ?? 25;
    return { sizes: [candidate, 50 - candidate], rates: [rate, rate] };
  });
  const runs = 120;
  let alarms = 0;
  for (let seed = 1; seed <= runs; seed += 1) {
    if (played(startHarm({ margin: noMargin }), seed, seconds).maxLogEvidence >= logThreshold(alpha)) alarms += 1;
  }
  process.stdout.write(`errors without a margin, false alarms at α ${alpha}: ${printedRate(alarms, runs)}\n`);
  expect(clopperPearson(alarms, runs).low).toBeLessThanOrEqual(alpha);
});

test("0.1 → 5 % at 100 requests/s and a tenth of them is found within half a minute", () => {
  const bad = steady(40, { sizes: [10, 90], rates: [0.05, 0.001] });
  const ends = Array.from({ length: 40 }, (_, seed) => played(startHarm(), seed + 1, bad));
  expect(ends.filter(({ maxLogEvidence }) => maxLogEvidence >= logThreshold(0.01)).length).toBeGreaterThanOrEqual(38);
});

test("equal rates are shown to be within a margin, and rates beyond it are not", () => {
  const margin = { ratio: 1, plus: 0.02 };
  const fine = Array.from({ length: 30 }, (_, seed) =>
    played(startGoOn({ margin }), seed, steady(100, { sizes: [10, 90], rates: [0.01, 0.01] })),
  );
  const bad = Array.from({ length: 100 }, (_, seed) =>
    played(startGoOn({ margin }), seed, steady(100, { sizes: [10, 90], rates: [0.031, 0.01] })),
  );
  expect(fine.filter(({ maxLogEvidence }) => maxLogEvidence >= logThreshold(0.05)).length).toBeGreaterThan(24);
  const wrong = bad.filter(({ maxLogEvidence }) => maxLogEvidence >= logThreshold(0.05)).length;
  expect(clopperPearson(wrong, 100).low).toBeLessThanOrEqual(0.05);
});

test("products far outside a number's range still have a mean", () => {
  expect(logMeanExp([-5000, -5000])).toBe(-5000);
  expect(logMeanExp([2000, -2000])).toBeCloseTo(2000 - Math.LN2, 9);
});
