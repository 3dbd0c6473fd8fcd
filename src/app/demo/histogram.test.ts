import { expect, test } from "vitest";
import { LatencyHistogram } from "./histogram.ts";

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

test("percentiles are within 1 % of the exact nearest rank", () => {
  // A fixed, skewed sequence.
  const values = Array.from({ length: 5000 }, (_, index) => 0.5 + ((index * 7919) % 5000) ** 1.7 / 1000);
  const sorted = values.toSorted((a, b) => a - b);
  const histogram = histogramOf(values);
  for (const percent of [1, 50, 90, 99, 100]) {
    const exact = sorted[Math.ceil((percent / 100) * sorted.length) - 1] ?? Number.NaN;
    expect(Math.abs((histogram.percentile(percent) ?? 0) / exact - 1)).toBeLessThanOrEqual(0.0101);
  }
});

test("without values there is no percentile; extremes stay in the outermost buckets", () => {
  expect(new LatencyHistogram().percentile(50)).toBeUndefined();
  expect(histogramOf([0]).percentile(50)).toBeCloseTo(0.01, 2);
  expect(histogramOf([1e9]).percentile(50)).toBeGreaterThan(60_000);
});

test("add sums two histograms", () => {
  const all = histogramOf([1, 2, 3]);
  all.add(histogramOf([100]));
  expect(all.count).toBe(4);
  expect(all.percentile(100)).toBeCloseTo(100, -1);
  expect(all.percentile(50)).toBeCloseTo(2, 1);
});
