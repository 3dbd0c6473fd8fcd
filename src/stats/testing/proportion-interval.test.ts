import { expect, test } from "vitest";
import { clopperPearson, printedRate } from "./proportion-interval.ts";

// 0 of n: 1 - (alpha/2)^(1/n); the others as R's binom.test prints them.
test.each([
  [0, 100, 0, 0.03622],
  [5, 100, 0.01643, 0.11284],
  [50, 100, 0.39832, 0.60168],
  [10, 10, 0.6915, 1],
])("%d of %d: %d to %d", (events, trials, low, high) => {
  expect(clopperPearson(events, trials).low).toBeCloseTo(low, 4);
  expect(clopperPearson(events, trials).high).toBeCloseTo(high, 4);
});

test("printed", () => {
  expect(printedRate(5, 100)).toBe("5.00 % of 100 (95 %: 1.64–11.28 %)");
});
