// How many of its requests a proxy tells of.

import { expect, test } from "vitest";
import { decideTapPercent } from "./rate.ts";

test("the share follows the rate, and never falls to nothing", () => {
  let percent = 100;
  const after = (rate: number): number => {
    percent = decideTapPercent(percent, (rate * percent) / 100, 1000);
    return percent;
  };
  expect([after(500), after(4000), after(4000), after(4000)]).toEqual([100, 20, 20, 20]);
  expect(decideTapPercent(1, 1_000_000, 1000)).toBe(1);
  for (let second = 0; second < 20; second++) after(300);
  expect(percent).toBe(100);
});
