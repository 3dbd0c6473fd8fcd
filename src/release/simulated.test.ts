// Simulated runs with the default analysis: how soon a bad canary is found, what it costs, and that healthy ones stay. Seeds are fixed.

import { expect, test } from "vitest";
import { World } from "./testing/world.ts";

const at10 = { steps: [{ setWeight: 10 }], warm: "5s" };

function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(part * values.length) - 1] ?? Number.NaN;
}

test("0.1 to 5 % errors at 10 % of 100 requests a second: gone within seconds, few requests failed", () => {
  const runs = Array.from({ length: 60 }, (_, seed) => {
    const world = new World({ spec: at10, errors: { v1: 0.001, v2: 0.05 }, seed: seed + 1 });
    world.until(({ applied }) => applied?.exposure.weightPercent === 10);
    const began = world.now;
    expect(world.until(({ run }) => run?.stage === "returning" || run?.stage === "draining", 120)).toBe(true);
    return { seconds: (world.now - began) / 1000, failed: world.run?.evidence.failedRequests ?? 0 };
  });
  const seconds = runs.map((run) => run.seconds);
  const failed = runs.map((run) => run.failed);
  expect(quantile(seconds, 0.5)).toBeLessThan(20);
  expect(quantile(seconds, 0.95)).toBeLessThanOrEqual(35);
  expect(quantile(failed, 0.5)).toBeLessThanOrEqual(12);
});

test("healthy candidates aren't rolled back", () => {
  const runs = Array.from({ length: 12 }, (_, seed) => {
    const world = new World({ spec: at10, errors: { v1: 0.01, v2: 0.01 }, slow: { v1: 0.02, v2: 0.02 }, seed: seed + 100 });
    world.pass(100);
    return world.run?.outcome;
  });
  expect(runs.filter((outcome) => outcome !== undefined)).toEqual([]);
});
