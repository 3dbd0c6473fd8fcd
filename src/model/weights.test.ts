// Weights: normalising for any input, and settling over any history.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CurrentSplit, SettledWeights } from "./weights.ts";
import {
  effectiveWeights,
  maxKeysInMotion,
  normalizedWeights,
  runtimeKeys,
  settle,
  splitKeyPrefix,
  weightOf,
  weightTotal,
} from "./weights.ts";

const sum = (weights: readonly number[]) => weights.reduce((total, weight) => total + weight, 0);
const anyWeights = fc.array(fc.oneof(fc.nat(), fc.integer(), fc.double()), { minLength: 1, maxLength: 12 });

test("a percentage's weight is whole and exact to 0.01 percent, from nothing to all", () => {
  const weights = Array.from({ length: weightTotal + 1 }, (_, weight) => weight);
  expect(weights.map((weight) => weightOf(weight / 100))).toEqual(weights);
  expect([-1, 0.004, 100.1].map(weightOf)).toEqual([0, 0, weightTotal]);
});

describe("normalizedWeights", () => {
  test.each([
    [
      [90, 10],
      [9000, 1000],
    ],
    [
      [1, 1, 1],
      [3334, 3333, 3333],
    ],
    [
      [0, 0],
      [5000, 5000],
    ],
    [
      [0, 7],
      [0, 10_000],
    ],
    [
      [99.9, 0.1],
      [9990, 10],
    ],
    [
      [-5, 1],
      [0, 10_000],
    ],
    [
      [Number.NaN, 3, Number.POSITIVE_INFINITY],
      [0, 10_000, 0],
    ],
    [
      [Number.MAX_VALUE, Number.MAX_VALUE],
      [5000, 5000],
    ],
    [[100], [10_000]],
  ])("%j is %j", (weights, expected) => {
    expect(normalizedWeights(weights)).toEqual(expected);
  });

  test("gives integers ≥ 0 with sum 10,000, each within one of its exact share, 0 for 0", () => {
    fc.assert(
      fc.property(anyWeights, (weights) => {
        const result = normalizedWeights(weights);
        expect(sum(result)).toBe(weightTotal);
        expect(result.every((weight) => Number.isInteger(weight) && weight >= 0)).toBe(true);
        const positive = weights.map((weight) => (Number.isFinite(weight) && weight > 0 ? weight : 0));
        const total = sum(positive);
        if (!(total > 0) || !Number.isFinite(total)) return;
        for (const [index, weight] of positive.entries()) {
          expect(Math.abs((result[index] ?? 0) - (weight / total) * weightTotal)).toBeLessThan(1 + 1e-6);
          if (weight === 0) expect(result[index]).toBe(0);
        }
      }),
    );
  });
});

describe("effectiveWeights", () => {
  test("gives the share of members without endpoints to the others, in their proportions", () => {
    const members = [
      { weight: 50, usable: false },
      { weight: 30, usable: true },
      { weight: 20, usable: true },
    ];
    expect(effectiveWeights(members)).toEqual([0, 6000, 4000]);
  });

  test("stays as written when nobody with a weight has endpoints", () => {
    expect(
      effectiveWeights([
        { weight: 90, usable: false },
        { weight: 10, usable: false },
      ]),
    ).toEqual([9000, 1000]);
    expect(
      effectiveWeights([
        { weight: 100, usable: false },
        { weight: 0, usable: true },
      ]),
    ).toEqual([10_000, 0]);
  });
});

test("a prefix depends on object, route and the order of members, and on nothing else", () => {
  const split = { uid: "u", route: "index 0", members: ["a", "b"] };
  expect(splitKeyPrefix(split)).toBe(splitKeyPrefix({ ...split }));
  const others = [
    { ...split, uid: "v" },
    { ...split, route: "index 1" },
    { ...split, members: ["b", "a"] },
    { ...split, members: ["a", "b", "c"] },
  ];
  expect(new Set([split, ...others].map(splitKeyPrefix)).size).toBe(5);
  expect(splitKeyPrefix(split).split(".")).toHaveLength(2);
});

describe("settle", () => {
  const split = (weights: readonly number[], structure = "s"): CurrentSplit => ({
    weights,
    members: weights.map((_, index) => `c${index}`),
    structure,
  });
  const steady = { structural: false };

  test("first-seen weights are settled; changed ones move by RTDS until the structure changes", () => {
    const first = settle(new Map(), new Map([["p", split([9000, 1000])]]), steady);
    expect(runtimeKeys(first, new Map([["p", split([9000, 1000])]]))).toEqual(new Map());
    const moved = new Map([["p", split([5000, 5000])]]);
    const inMotion = settle(first, moved, steady);
    expect(inMotion.get("p")?.weights).toEqual([9000, 1000]);
    expect(runtimeKeys(inMotion, moved)).toEqual(
      new Map([
        ["p.c0", 5000],
        ["p.c1", 5000],
      ]),
    );
    const restructured = new Map([["p", split([5000, 5000], "t")]]);
    const next = settle(first, restructured, steady);
    expect(next.get("p")?.weights).toEqual([5000, 5000]);
    expect(runtimeKeys(next, restructured)).toEqual(new Map());
    expect(settle(first, moved, { structural: true }).get("p")?.weights).toEqual([5000, 5000]);
  });

  test("splits that are gone are forgotten", () => {
    const first = settle(new Map(), new Map([["p", split([9000, 1000])]]), steady);
    expect(settle(first, new Map(), steady).size).toBe(0);
  });

  const history = fc.array(
    fc.dictionary(
      fc.constantFrom(...Array.from({ length: 150 }, (_, index) => `p${index}`)),
      fc.record({
        weights: fc.array(fc.nat(5), { minLength: 2, maxLength: 2 }).map(normalizedWeights),
        structure: fc.constantFrom("s", "t"),
      }),
    ),
    { maxLength: 8 },
  );

  test("whatever happens: route and layer together give the current weights, all members with sum 10,000, at most 200 keys", () => {
    fc.assert(
      fc.property(history, (states) => {
        let settled: SettledWeights = new Map();
        for (const state of states) {
          const current = new Map(Object.entries(state).map(([prefix, { weights, structure }]) => [prefix, split(weights, structure)]));
          settled = settle(settled, current, steady);
          expect(settle(settled, current, steady)).toBe(settled);
          const keys = runtimeKeys(settled, current);
          expect(keys.size).toBeLessThanOrEqual(maxKeysInMotion);
          for (const [prefix, { weights, members }] of current) {
            const layer = members.map((member) => keys.get(`${prefix}.${member}`));
            const inLayer = layer.filter((weight) => weight !== undefined);
            expect([0, members.length]).toContain(inLayer.length);
            expect(layer.map((weight, index) => weight ?? settled.get(prefix)?.weights[index])).toEqual(weights);
            expect(sum(settled.get(prefix)?.weights ?? [])).toBe(weightTotal);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
