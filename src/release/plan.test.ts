import { expect, test } from "vitest";
import { planOf } from "./plan.ts";
import { specOf } from "./testing/world.ts";

const busy = { requestsPerSecond: 100, errorRate: 0.001 };

test("says for each step who is exposed, what a minute finds and how long evidence takes", () => {
  const plan = planOf(specOf({ analysis: { metrics: [{ name: "errors", margin: { plus: 0.02 } }] } }), busy);
  expect(plan.steps.map(({ percent, requestsPerMinute }) => [percent, requestsPerMinute])).toEqual([
    [1, 60],
    [5, 300],
    [25, 1500],
    [50, 3000],
    [100, 6000],
  ]);
  const [first, , third] = plan.steps;
  expect(third?.evidenceSeconds?.median).toBeGreaterThan(0);
  expect(third?.evidenceSeconds?.p95).toBeGreaterThan(third?.evidenceSeconds?.median ?? 0);
  // More of the traffic finds less harm.
  expect(third?.foundInAMinute).toBeLessThan(first?.foundInAMinute ?? 0);
  expect(plan.seconds).toBeGreaterThanOrEqual(150);
  expect(plan.warnings).toEqual([]);
});

test("a margin that nobody can prove at this traffic is told before the start", () => {
  const plan = planOf(specOf({ steps: [{ setWeight: 1 }] }), { requestsPerSecond: 2, errorRate: 0.01 });
  expect(plan.steps[0]?.isTooSlow).toBe(true);
  expect(plan.seconds).toBeUndefined();
  expect(plan.warnings.join()).toContain("widen the margin");
});

test("without any requests nothing is promised", () => {
  const plan = planOf(specOf(), { requestsPerSecond: 0, errorRate: 0 });
  expect(plan.warnings[0]).toContain("no requests are measured");
  expect(plan.steps.every(({ evidenceSeconds }) => evidenceSeconds === undefined)).toBe(true);
});

test("a share beside chosen people is warned of, neither alone", () => {
  const beta = { headers: { "x-beta": { exact: "yes" } } };
  const warnings = (...steps: readonly object[]) =>
    planOf(specOf({ steps }), busy).warnings.filter((line) => line.includes("chosen by an earlier step"));
  expect(warnings({ match: beta }, { setWeight: 10, advance: "clock" })).toHaveLength(1);
  expect(warnings({ ring: { name: "staff", match: beta } }, { setPercent: 10, advance: "clock" })).toHaveLength(1);
  expect([...warnings({ match: beta }, { setWeight: 100 }), ...warnings({ setWeight: 10, advance: "clock" })]).toEqual([]);
});

test("a person's gate has no end that could be told", () => {
  const plan = planOf(specOf({ strategy: "shadow" }), busy);
  expect(plan.steps.map(({ leastSeconds }) => leastSeconds)).toEqual([300, undefined]);
  expect(plan.seconds).toBeUndefined();
  expect(plan.warnings.join()).toContain("written twice");
});

test("how soon they are found when a Deployment has moved everybody", () => {
  const finds = (requestsPerSecond: number, spec = {}) =>
    planOf(specOf({ strategy: "rolling", ...spec }), { requestsPerSecond, errorRate: 0.001 }).findsFivePercent;
  expect(finds(100)?.seconds).toBeGreaterThan(4);
  expect(finds(100)?.seconds).toBeLessThan(20);
  expect(finds(1)).toBeUndefined();
  expect(finds(100, { analysis: { metrics: [{ name: "latency" }] } })).toBeUndefined();
});

test("how soon five percent errors are found at the first public step", () => {
  const plan = planOf(specOf({ steps: [{ setWeight: 10 }] }), busy);
  expect(plan.findsFivePercent?.seconds).toBeGreaterThan(3);
  expect(plan.findsFivePercent?.seconds).toBeLessThan(60);
});
