// Forecasts: the formula against the design's table, monotone where they must be, and honest where there is no traffic.

import { expect, test } from "vitest";
import { startGoOn } from "./go-on.ts";
import { divergence, growthOf } from "./growth.ts";
import { startHarm } from "./harm.ts";
import { noMargin } from "./margin.ts";
import { candidateRequestsNeeded, smallestHarm, timeToFind, timeToGoOn } from "./planning.ts";

const harm = startHarm().settings;
const base = { requestsPerSecond: 100, share: 0.1, settings: harm, alpha: 0.01 };

// Rates in percent; the last number is how far the formula may be from the table: its f is that of 1 → 3 %, and at a few blocks each counts.
test.each([
  [1, 3, 520, 880, 1280, 0.06],
  [0.1, 5, 80, 120, 180, 0.2],
  [1, 10, 60, 100, 120, 0.2],
  [0.1, 1, 520, 860, 1340, 0.06],
])("%d → %d %: %d, %d, %d canary requests", (baseline, candidate, median, p80, p95, tolerance) => {
  const needed = candidateRequestsNeeded(
    { candidate: candidate / 100, baseline: baseline / 100 },
    { margin: noMargin, share: 0.1, alpha: 0.01 },
  );
  expect(Math.abs((needed?.median ?? 0) / median - 1)).toBeLessThan(tolerance);
  expect(Math.abs((needed?.p80 ?? 0) / p80 - 1)).toBeLessThan(tolerance);
  expect(Math.abs((needed?.p95 ?? 0) / p95 - 1)).toBeLessThan(tolerance);
});

test("with a margin of half as much again and a tenth of a point: what is measured (docs/decisions/013)", () => {
  const needed = candidateRequestsNeeded({ candidate: 0.03, baseline: 0.01 }, { margin: harm.margin, share: 0.1, alpha: 0.01 });
  expect(Math.abs((needed?.median ?? 0) / 1380 - 1)).toBeLessThan(0.1);
  expect(Math.abs((needed?.p80 ?? 0) / 2240 - 1)).toBeLessThan(0.1);
  expect(Math.abs((needed?.p95 ?? 0) / 3400 - 1)).toBeLessThan(0.1);
  expect(candidateRequestsNeeded({ candidate: 0.015, baseline: 0.01 }, { margin: harm.margin, share: 0.1, alpha: 0.01 })).toBeUndefined();
});

test("0.1 → 5 % at 100 requests/s is found in 8–20 s, at 10 requests/s in ten times that", () => {
  const rates = { candidate: 0.05, baseline: 0.001 };
  const seconds = timeToFind({ ...base, rates })?.seconds.median ?? 0;
  expect(seconds).toBeGreaterThan(8);
  expect(seconds).toBeLessThan(20);
  const slow = timeToFind({ ...base, rates, requestsPerSecond: 10 })?.seconds.median ?? 0;
  expect(slow / seconds).toBeGreaterThan(7);
  expect(slow / seconds).toBeLessThan(13);
});

test("without a cap, growth per block is the divergence", () => {
  const truth = { candidate: 0.03, baseline: 0.01 };
  const growth = growthOf({ candidateTrials: 20, baselineTrials: 180, truth, alternative: truth, margin: noMargin, factorCap: "none" });
  expect(growth).toBeCloseTo(20 * divergence(0.03, 0.012) + 180 * divergence(0.01, 0.012), 6);
});

test("the smallest harm found: less in more time, never within the margin, none without traffic", () => {
  const within = (seconds: number) => smallestHarm({ ...base, baselineRate: 0.001, seconds }) ?? 1;
  expect(within(60)).toBeLessThan(within(20));
  expect(within(3600)).toBeLessThan(within(60));
  expect(within(3600)).toBeGreaterThan(0.0025);
  const found = timeToFind({ ...base, rates: { candidate: within(60), baseline: 0.001 } });
  expect(found?.seconds.p80).toBeLessThanOrEqual(60);
  expect(smallestHarm({ ...base, baselineRate: 0.001, seconds: 3 })).toBeUndefined();
  expect(smallestHarm({ ...base, baselineRate: 0.001, seconds: 60, requestsPerSecond: 0 })).toBeUndefined();
});

test("going on: never outside the margin, sooner with a wider one, and less to go with evidence", () => {
  const settings = startGoOn().settings;
  const wide = startGoOn({ margin: { ratio: 1, plus: 0.02 } }).settings;
  const rates = { candidate: 0.01, baseline: 0.01 };
  const input = { ...base, alpha: 0.05, rates };
  const narrow = timeToGoOn({ ...input, settings })?.seconds.median ?? 0;
  expect(narrow).toBeGreaterThan(150);
  expect(timeToGoOn({ ...input, settings: wide })?.seconds.median).toBeLessThan(narrow / 4);
  expect(timeToGoOn({ ...input, settings, logEvidence: 2 })?.seconds.median).toBeLessThan(narrow / 2);
  expect(timeToGoOn({ ...input, settings, logEvidence: 4 })?.seconds.median).toBe(0);
  expect(timeToGoOn({ ...input, settings, rates: { candidate: 0.03, baseline: 0.01 } })).toBeUndefined();
  expect(timeToGoOn({ ...input, settings, rates: { candidate: 0, baseline: 0 } })?.seconds.median).toBeGreaterThan(100);
});
