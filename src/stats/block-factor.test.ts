// One block's e-value: the golden values, and by exact enumeration of all outcomes that nothing no worse is expected to gain evidence.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { Block, Rates } from "./block.ts";
import { logFactor } from "./block-factor.ts";
import { boundaryBaseline, type Margin, noMargin, toleratedRate } from "./margin.ts";

type Counts = readonly [number, number, number, number];
const blockOf = ([n, k, m, j]: Counts): Block => ({ candidate: { trials: n, events: k }, baseline: { trials: m, events: j } });

test.each<[Counts, number, number, number]>([
  [[100, 5, 900, 1], 0.05, 0.001, 8267.249],
  [[100, 0, 900, 1], 0.05, 0.001, Math.exp(-1.892175299)],
  [[10, 1, 90, 0], 0.05, 0.01, 3.678809937],
  [[100, 3, 900, 9], 0.03, 0.01, 3.084211621],
])("golden: %j at %d and %d is %d", (counts, candidate, baseline, evidence) => {
  expect(Math.exp(logFactor(blockOf(counts), { candidate, baseline }, noMargin)) / evidence).toBeCloseTo(1, 7);
});

test("golden: ln E, and with a margin", () => {
  const block = blockOf([100, 5, 900, 1]);
  const alternative = { candidate: 0.05, baseline: 0.001 };
  const margin = { ratio: 1.5, plus: 0.001 };
  expect(logFactor(block, alternative, noMargin)).toBeCloseTo(9.020057076, 9);
  expect(boundaryBaseline(block, alternative, margin)).toBeCloseTo(0.00507896063, 11);
  expect(toleratedRate(margin, boundaryBaseline(block, alternative, margin))).toBeCloseTo(0.00861844094, 11);
  expect(Math.exp(logFactor(block, alternative, margin))).toBeCloseTo(891.669303, 6);
});

test("a margin as good as none gives what none gives, by the root instead of the mean", () => {
  const nearly = { ratio: 1, plus: 1e-18 };
  expect(Math.exp(logFactor(blockOf([100, 5, 900, 1]), { candidate: 0.05, baseline: 0.001 }, nearly))).toBeCloseTo(8267.249, 3);
});

test("an empty arm says nothing; a margin that doesn't ask for the baseline needs none", () => {
  const alternative = { candidate: 0.5, baseline: 0.1 };
  expect(logFactor(blockOf([0, 0, 900, 9]), alternative, noMargin)).toBe(0);
  expect(logFactor(blockOf([100, 100, 0, 0]), alternative, { ratio: 2, plus: 0.01 })).toBe(0);
  const limit = { ratio: 0, plus: 0.02 };
  expect(logFactor(blockOf([10, 5, 0, 0]), alternative, limit)).toBeCloseTo(5 * Math.log(25) + 5 * Math.log(0.5 / 0.98), 10);
});

const rate = fc.double({ min: 1e-6, max: 0.999, noNaN: true });
const margins = fc.oneof(
  fc.constant(noMargin),
  fc.record({ ratio: fc.double({ min: 0.2, max: 4, noNaN: true }), plus: fc.double({ min: -0.15, max: 0.3, noNaN: true }) }),
);
const blocks = fc.record({ candidate: fc.integer({ min: 1, max: 8 }), baseline: fc.integer({ min: 1, max: 12 }) });

/** The probability of `events` of `trials`. */
function probability(trials: number, events: number, p: number): number {
  let value = 1;
  for (let index = 0; index < events; index += 1) value *= ((trials - index) / (index + 1)) * p;
  return value * (1 - p) ** (trials - events);
}

function expectedFactor(
  sizes: { readonly candidate: number; readonly baseline: number },
  truth: Rates,
  alternative: Rates,
  margin: Margin,
) {
  let sum = 0;
  for (let k = 0; k <= sizes.candidate; k += 1) {
    for (let j = 0; j <= sizes.baseline; j += 1) {
      const weight = probability(sizes.candidate, k, truth.candidate) * probability(sizes.baseline, j, truth.baseline);
      sum += weight * Math.exp(logFactor(blockOf([sizes.candidate, k, sizes.baseline, j]), alternative, margin));
    }
  }
  return sum;
}

const sidesDiffer = (truth: Rates, alternative: Rates, margin: Margin) =>
  truth.candidate <= toleratedRate(margin, truth.baseline) !== alternative.candidate <= toleratedRate(margin, alternative.baseline);

test("all outcomes enumerated: the mean is at most 1 for every truth on the other side of the line", () => {
  const rates = fc.record({ candidate: rate, baseline: rate });
  let judged = 0;
  fc.assert(
    fc.property(blocks, rates, rates, margins, (sizes, truth, alternative, margin) => {
      if (!sidesDiffer(truth, alternative, margin)) return;
      judged += 1;
      expect(expectedFactor(sizes, truth, alternative, margin)).toBeLessThanOrEqual(1 + 1e-9);
    }),
    { numRuns: 2500, seed: 6 },
  );
  expect(judged).toBeGreaterThan(500);
});

test("all outcomes enumerated on the line itself, where the mean is largest", () => {
  fc.assert(
    fc.property(blocks, rate, fc.record({ candidate: rate, baseline: rate }), margins, (sizes, baseline, alternative, margin) => {
      const candidate = toleratedRate(margin, baseline);
      if (candidate < 0 || candidate > 1) return;
      expect(expectedFactor(sizes, { candidate, baseline }, alternative, margin)).toBeLessThanOrEqual(1 + 1e-9);
    }),
    { numRuns: 1200, seed: 7 },
  );
});

test("the root's equation holds for any sizes and rates, and no factor is anything but a number", () => {
  const sizes = fc.record({ candidate: fc.integer({ min: 1, max: 1e7 }), baseline: fc.integer({ min: 1, max: 1e7 }) });
  const small = fc.double({ min: 1e-9, max: 0.999, noNaN: true });
  fc.assert(
    fc.property(sizes, small, small, margins, (trials, candidate, baseline, margin) => {
      const block = blockOf([trials.candidate, 1, trials.baseline, 1]);
      expect(Number.isFinite(logFactor(block, { candidate, baseline }, margin))).toBe(true);
      if (margin.plus < 0) return;
      const q = boundaryBaseline(block, { candidate, baseline }, margin);
      const qCandidate = toleratedRate(margin, q);
      const ofCandidate = (trials.candidate * margin.ratio * (candidate - qCandidate)) / (qCandidate * (1 - qCandidate));
      const ofBaseline = (trials.baseline * (baseline - q)) / (q * (1 - q));
      // The derivative may be steep: what counts is how far q is from the root, one part in 10^7.
      const slope = (trials.baseline * (baseline * (1 - q) ** 2 + (1 - baseline) * q * q)) / (q * q * (1 - q) ** 2);
      expect(Math.abs(ofCandidate + ofBaseline)).toBeLessThanOrEqual((slope * q + Math.abs(ofBaseline)) * 1e-7);
    }),
    { numRuns: 1500, seed: 8 },
  );
});
