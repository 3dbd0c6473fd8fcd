// The candidate of an update in place, alone, against what was before: what is kept, what is compared, how soon a bad one is found, how rarely a good one.

import { expect, test } from "vitest";
import { binomial, randomOf } from "../stats/testing/random.ts";
import { beforeWords, isWorseThanBefore, observeBefore, secondsBefore, startBefore } from "./before.ts";
import { replay } from "./explain.ts";
import { observeSeconds, startEvidence, writtenMetrics } from "./judging.ts";
import type { ArmSecond } from "./observation.ts";
import type { Evidence } from "./state.ts";
import { monday, specOf, World } from "./testing/world.ts";

const { analysis } = specOf({ strategy: "rolling" });
const none: ArmSecond = { requests: 0, errors: 0 };
const arm = (requests: number, errors = 0): ArmSecond => ({ requests, errors });

function started() {
  const before = startBefore(writtenMetrics(analysis));
  if (before === undefined) throw new Error("errors aren't judged");
  return before;
}

test("stable alone is kept for a minute, the candidate alone takes the newest second that is left, both together are the judge's", () => {
  let before = started();
  for (let second = 1; second <= 70; second += 1) before = observeBefore(before, { candidate: none, stable: arm(second), isEarlier: true });
  expect([before.seconds.length, before.seconds[0]?.trials, before.seconds.at(-1)?.trials]).toEqual([secondsBefore, 11, 70]);
  expect(observeBefore(before, { candidate: arm(9), stable: arm(9), isEarlier: false })).toBe(before);
  expect(observeBefore(before, { candidate: arm(9), stable: none, isEarlier: true })).toBe(before);
  const compared = observeBefore(before, { candidate: arm(9, 1), stable: none, isEarlier: false });
  expect([compared.seconds.length, compared.seconds.at(-1)?.trials]).toEqual([59, 69]);
  expect(compared.harm.mixture).toMatchObject({ candidate: { trials: 9, events: 1 }, baseline: { trials: 70 } });
});

/** Seconds until a candidate with these errors is found, after a minute with 0.1 %; undefined: never. */
function foundAfter(rate: number, { requests, seed }: { readonly requests: number; readonly seed: number }): number | undefined {
  const random = randomOf(seed);
  const drawn = (share: number) => arm(requests, binomial(random, requests, share));
  let before = started();
  for (let second = 0; second < secondsBefore; second += 1)
    before = observeBefore(before, { candidate: none, stable: drawn(0.001), isEarlier: true });
  const { judge } = startEvidence(analysis, monday);
  for (let second = 1; second <= 120; second += 1) {
    before = observeBefore(before, { candidate: drawn(rate), stable: none, isEarlier: false });
    if (isWorseThanBefore({ before, judge })) return second;
  }
  return undefined;
}

const seeds = Array.from({ length: 100 }, (_, index) => index + 1);
const founds = (rate: number, requests: number) => seeds.map((seed) => foundAfter(rate, { requests, seed }) ?? Number.POSITIVE_INFINITY);

test("5 % errors are found in seconds, equal and slightly worse ones never", () => {
  const sorted = founds(0.05, 100).toSorted((a, b) => a - b);
  expect(sorted[50]).toBeLessThanOrEqual(15);
  expect(sorted[95]).toBeLessThanOrEqual(30);
  for (const rate of [0.001, 0.006]) expect(founds(rate, 100).filter(Number.isFinite)).toEqual([]);
});

test("a run remembers the minute before it, says nothing else of it, and is undone while the candidate is alone", () => {
  const world = new World({ spec: { strategy: "rolling" } });
  world.pass(3);
  const { run } = world;
  if (run === undefined) throw new Error("no run");
  const first = Math.floor(run.startedAt / 1000);
  const evidence: Evidence = startEvidence(analysis, run.startedAt, run.steps);
  const earlier = Array.from({ length: 60 }, (_, index) => ({ second: first - 59 + index, arms: { v1: arm(100), v2: arm(0) } }));
  // A try of the same version, undone a minute ago.
  const retried = [{ second: first - 59, arms: { v1: arm(100), v2: arm(100, 100) } }, ...earlier.slice(1)];
  const seen = observeSeconds({ ...run, evidence }, retried, world.now);
  expect([seen.before?.seconds.length, seen.failedRequests, seen.stepStable, seen.lastSecond]).toEqual([59, 0, 0, first]);
  expect(beforeWords(seen)).toBeUndefined();
  const alone = Array.from({ length: 20 }, (_, index) => ({ second: first + 1 + index, arms: { v2: arm(100, 5) } }));
  const after = observeSeconds({ ...run, evidence: seen }, alone, world.now);
  expect(beforeWords(after)).toMatch(/^errors 5 % of 2,000, 0 % of 2,000 before the update: worse than allowed by errors/);
  const again = replay({ ...run, history: [{ index: 0, from: run.startedAt }] }, [...earlier, ...alone], analysis);
  expect(again).toMatchObject({ verdict: "harm", sentence: expect.stringContaining("before the update: worse than allowed") });
  expect(startEvidence(analysis, monday, [{ kind: "switch", forMs: 0 }]).before).toBeUndefined();
  expect(startEvidence(specOf({ analysis: { metrics: [{ name: "latency" }] } }).analysis, monday, run.steps).before).toBeUndefined();
});
