// Measured shares against weights: golden values, exact expectation, weights that change, tolerance.

import { expect, test } from "vitest";
import { logThreshold } from "./harm.ts";
import { logGamma } from "./log-gamma.ts";
import { logShareEvidence, observeShares, shareLogEvidence, startShareCheck } from "./share-check.ts";
import { clopperPearson, printedRate } from "./testing/proportion-interval.ts";
import { binomial, randomOf } from "./testing/random.ts";

test.each([
  [5, 1, 0.1, 10, 33.30003],
  [5, 1, 0.1, 100, 2.073308],
  [0, 10, 0.1, 10, 1.358513],
  [10, 10, 0.1, 100, 9.099299],
])("golden: %d and %d at weight %d, concentration %d, are %d", (candidate, baseline, weight, concentration, evidence) => {
  const log = logShareEvidence([candidate, baseline], [weight, 1 - weight], { concentration, tolerance: 0 });
  expect(Math.exp(log) / evidence).toBeCloseTo(1, 6);
});

test("ln Γ of integers is that of factorials, small and large", () => {
  let factorial = 0;
  for (let n = 1; n <= 200; n += 1) {
    expect(logGamma(n)).toBeCloseTo(factorial, 10);
    factorial += Math.log(n);
  }
  expect(logGamma(0.1)).toBeCloseTo(2.252712651734206, 12);
  expect(logGamma(1e9 + 1) - logGamma(1e9)).toBeCloseTo(Math.log(1e9), 4);
});

test("three arms, all outcomes of six requests enumerated: the mean is 1, and at most 1 with a tolerance", () => {
  const weights = [0.2, 0.3, 0.5];
  const meanOf = (tolerance: number) => {
    let sum = 0;
    for (let outcome = 0; outcome < 3 ** 6; outcome += 1) {
      const arms = Array.from({ length: 6 }, (_, request) => Math.floor(outcome / 3 ** request) % 3);
      const counts = [0, 1, 2].map((arm) => arms.filter((other) => other === arm).length);
      const probability = arms.reduce((product, arm) => product * (weights[arm] ?? 0), 1);
      sum += probability * Math.exp(logShareEvidence(counts, weights, { concentration: 8, tolerance }));
    }
    return sum;
  };
  expect(meanOf(0)).toBeCloseTo(1, 12);
  expect(meanOf(0.05)).toBeLessThan(1);
});

test("weights that change begin a new stretch, and evidence stays", () => {
  let state = startShareCheck();
  for (let block = 0; block < 20; block += 1) state = observeShares(state, { counts: [30, 70], weights: [0.1, 0.9] });
  const before = shareLogEvidence(state);
  expect(before).toBeGreaterThan(logThreshold(0.001));
  state = observeShares(state, { counts: [50, 50], weights: [0.5, 0.5] });
  expect(state.counts).toEqual([50, 50]);
  expect(shareLogEvidence(state)).toBeLessThan(before);
  expect(shareLogEvidence(state)).toBeGreaterThan(before - 2);
});

test("a share within the tolerance is never found, one outside is", () => {
  const settings = { concentration: 30, tolerance: 0.01 };
  expect(logShareEvidence([105_000, 895_000], [0.1, 0.9], settings)).toBeLessThan(0);
  expect(logShareEvidence([105_000, 895_000], [0.1, 0.9], { ...settings, tolerance: 0 })).toBeGreaterThan(100);
  expect(logShareEvidence([115_000, 885_000], [0.1, 0.9], settings)).toBeGreaterThan(100);
  expect(logShareEvidence([0, 500], [0.1, 0.9], settings)).toBeGreaterThan(logThreshold(0.01));
});

test("counts that can't be are nothing, and the state is plain JSON", () => {
  const state = observeShares(startShareCheck(), { counts: [Number.NaN, -4], weights: [0.1, 0.9] });
  expect(shareLogEvidence(state)).toBeCloseTo(0, 12);
  expect(JSON.parse(JSON.stringify(state))).toEqual(state);
});

test("600 runs of right shares with ramping weights: at most α are ever alarmed", () => {
  const alpha = 0.05;
  const ramp = [0.01, 0.05, 0.25, 0.5];
  let alarms = 0;
  for (let seed = 1; seed <= 600; seed += 1) {
    const random = randomOf(seed);
    let state = startShareCheck();
    for (let block = 0; block < 80; block += 1) {
      const weight = ramp[Math.floor(block / 20)] ?? 0.5;
      const candidate = binomial(random, 50, weight);
      state = observeShares(state, { counts: [candidate, 50 - candidate], weights: [weight, 1 - weight] });
    }
    if (state.maxLogEvidence >= logThreshold(alpha)) alarms += 1;
  }
  process.stdout.write(`share check, false alarms at α ${alpha}: ${printedRate(alarms, 600)}\n`);
  expect(clopperPearson(alarms, 600).low).toBeLessThanOrEqual(alpha);
});
