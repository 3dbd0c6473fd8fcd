// Intervals that hold at every look: coverage, width against the interval for one look, ends without gaps, JSON.

import { expect, test } from "vitest";
import { intervalOf, intervalStateSchema, observeInterval, startInterval } from "./interval.ts";
import { clopperPearson, printedRate } from "./testing/proportion-interval.ts";
import { binomial, randomOf } from "./testing/random.ts";

interface Trial {
  readonly of: "difference" | "ratio";
  readonly rates: readonly [number, number];
  readonly blocks: number;
  readonly seed: number;
}

function played({ of, rates, blocks, seed }: Trial, start = startInterval({ of })) {
  const random = randomOf(seed);
  let state = start;
  for (let block = 0; block < blocks; block += 1) {
    state = observeInterval(state, {
      candidate: { trials: 50, events: binomial(random, 50, rates[0]) },
      baseline: { trials: 50, events: binomial(random, 50, rates[1]) },
    });
  }
  return state;
}

test("80 runs of equal and of different variants: at most α are ever wrong, since ends only move inwards", () => {
  const alpha = 0.05;
  let wrong = 0;
  for (let seed = 1; seed <= 80; seed += 1) {
    const rates: readonly [number, number] = seed % 2 === 0 ? [0.1, 0.1] : [0.13, 0.1];
    const margins = [-0.2, -0.1, -0.05, -0.02, -0.01, 0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.2];
    const { low = -1, high = 1 } = intervalOf(
      played({ of: "difference", rates, blocks: 150, seed }, startInterval({ of: "difference", margins, alpha })),
    );
    if (low >= rates[0] - rates[1] || high <= rates[0] - rates[1]) wrong += 1;
  }
  process.stdout.write(`A/B interval, ever wrong at α ${alpha}: ${printedRate(wrong, 80)}\n`);
  expect(clopperPearson(wrong, 80).low).toBeLessThanOrEqual(alpha);
});

test("33 % against 30 % after 20,000 requests each: above 0, and not three times as wide as an interval for one look", () => {
  const { low = -1, high = 1 } = intervalOf(played({ of: "difference", rates: [0.33, 0.3], blocks: 400, seed: 5 }));
  const once = 2 * 1.96 * Math.sqrt((0.33 * 0.67 + 0.3 * 0.7) / 20_000);
  expect(low).toBeGreaterThan(0);
  expect(low).toBeLessThan(0.03);
  expect(high).toBeGreaterThan(0.03);
  expect(high - low).toBeLessThan(3 * once);
});

test("a ratio", () => {
  const { low = 0, high = 99 } = intervalOf(played({ of: "ratio", rates: [0.06, 0.02], blocks: 200, seed: 6 }));
  expect(low).toBeGreaterThan(1.5);
  expect(low).toBeLessThan(3);
  expect(high).toBeGreaterThan(3);
  expect(high).toBeLessThan(6);
});

test("without data it is everything; stored and resumed it goes on the same", () => {
  const empty = startInterval({ of: "difference" });
  expect(intervalOf(empty)).toEqual({ low: undefined, high: undefined });
  expect(
    intervalOf(observeInterval(empty, { candidate: { trials: 5, events: 1 }, baseline: { trials: 0, events: 0 } })).low,
  ).toBeUndefined();
  const state = played({ of: "difference", rates: [0.5, 0.1], blocks: 10, seed: 7 });
  expect(intervalStateSchema.parse(JSON.parse(JSON.stringify(state)))).toEqual(state);
});

test("a rejected margin behind one that isn't moves no end", () => {
  const state = startInterval({ of: "difference", margins: [-0.1, 0, 0.1] });
  expect(intervalOf({ ...state, notAbove: [0, 9, 9], notBelow: [9, 9, 0] })).toEqual({ low: undefined, high: undefined });
  expect(intervalOf({ ...state, notAbove: [9, 0, 0], notBelow: [0, 0, 9] })).toEqual({ low: -0.1, high: 0.1 });
  expect(intervalOf({ ...state, notAbove: [9, 9, 9], notBelow: [0, 0, 0] })).toEqual({ low: 0.1, high: undefined });
});
