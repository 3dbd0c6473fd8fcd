import { expect, test } from "vitest";
import { binomialBounds } from "./binomial.ts";

test("a fair coin thrown ten times", () => {
  // P(0) = 1/1024, P(1) = 10/1024: with 0.2 % in each tail only 0 and 10 are out.
  expect(binomialBounds(10, 0.5, 0.004)).toEqual({ min: 1, max: 9 });
  expect(binomialBounds(10, 0.5, 0.001)).toEqual({ min: 0, max: 10 });
});

test("ten thousand requests lie within 4.9 standard deviations, the normal quantile of 5e-7", () => {
  for (const share of [0.9, 0.7, 0.5, 0.01]) {
    const { min, max } = binomialBounds(10_000, share);
    const deviation = Math.sqrt(10_000 * share * (1 - share));
    expect((10_000 * share - min) / deviation).toBeGreaterThan(4.2);
    expect((10_000 * share - min) / deviation).toBeLessThan(5.1);
    expect((max - 10_000 * share) / deviation).toBeGreaterThan(4.7);
    expect((max - 10_000 * share) / deviation).toBeLessThan(5.8);
  }
});

test("no and every", () => {
  expect(binomialBounds(100, 0)).toEqual({ min: 0, max: 0 });
  expect(binomialBounds(100, 1)).toEqual({ min: 100, max: 100 });
});
