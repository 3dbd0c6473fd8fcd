// Samples to evidence: each second once, metrics of queries, what is comparable, latency that isn't measured.

import { expect, test } from "vitest";
import { stepsOf } from "../api/release/steps.ts";
import { exposureAt, noExposure } from "./exposure.ts";
import { areSharesWrong, crossedLimit, isComparable, judgementNow, observeSeconds, startEvidence } from "./judging.ts";
import type { ArmSecond, SampleSecond } from "./observation.ts";
import { limitSentence, metricWords, oddsWords, percentWords, timeWords } from "./sentences.ts";
import type { Run } from "./state.ts";
import { monday, specOf, World } from "./testing/world.ts";

const start = monday / 1000;

function runOf(spec: Record<string, unknown>): Run {
  const world = new World({ spec });
  world.pass(3);
  const { run } = world;
  if (run === undefined) throw new Error("no run");
  const { analysis } = world.spec;
  return { ...run, stage: "running", stageSince: monday - 1000, evidence: startEvidence(analysis, monday) };
}

const second = (index: number, candidate: ArmSecond, stable: ArmSecond): SampleSecond => ({
  second: start + index,
  arms: { v1: stable, v2: candidate },
});
const canary = { steps: [{ setWeight: 10 }] };

test("each second once, in order, only those of the run", () => {
  const run = runOf(canary);
  const samples = [3, 1, 2, 2, 3, 0, -5].map((index) => second(index, { requests: 10, errors: 1 }, { requests: 90, errors: 0 }));
  const evidence = observeSeconds(run, samples, monday + 3000);
  expect([evidence.stepCandidate, evidence.stepStable, evidence.failedRequests, evidence.lastSecond - start]).toEqual([30, 270, 3, 3]);
  expect(observeSeconds({ ...run, evidence }, samples, monday + 4000)).toBe(evidence);
});

test("two tests of one run share its chance of a false alarm", () => {
  const { analysis } = specOf({ analysis: { falseAlarm: 0.02 } });
  expect(startEvidence(analysis, monday).judge.alpha).toBe(0.02);
  const inPlace = startEvidence(analysis, monday, stepsOf(specOf({ strategy: "rolling" })));
  expect([inPlace.judge.alpha, inPlace.before === undefined]).toEqual([0.01, false]);
});

test("seconds that began before every proxy had the step say nothing of its shares", () => {
  const run = { ...runOf(canary), stageSince: monday + 1500 };
  const samples = [1, 2, 3, 4].map((index) => second(index, { requests: 10, errors: 1 }, { requests: 90, errors: 0 }));
  const evidence = observeSeconds(run, samples, monday + 5000);
  // The third second may hold requests of the one before: proxies report once a second.
  expect([evidence.stepCandidate, evidence.stepStable, evidence.failedRequests]).toEqual([20, 180, 4]);
});

test("a metric of a query counts what failed, whichever way it is counted", () => {
  const metric = { query: "q", provider: "prometheus", margin: { ratio: 1, plus: 0.1 } };
  const analysis = {
    metrics: [
      { name: "sold", counts: "successes", ...metric },
      { name: "refused", ...metric },
    ],
  };
  const run = runOf({ ...canary, analysis });
  const arm = (trials: number, sold: number): ArmSecond => ({
    requests: trials,
    errors: 0,
    metrics: { sold: { trials, events: sold }, refused: { trials, events: trials - sold } },
  });
  const samples = Array.from({ length: 60 }, (_, index) => second(index + 1, arm(20, 8), arm(80, 64)));
  const evidence = observeSeconds(run, samples, monday + 60_000);
  const judgement = judgementNow({ ...run, evidence }, specOf({ analysis }).analysis);
  expect([judgement.verdict, judgement.guilty.toSorted()]).toEqual(["harm", ["refused", "sold"]]);
  expect(metricWords(evidence)).toEqual(["sold 60 % of 1,200 against 20 % of 4,800", "refused 60 % of 1,200 against 20 % of 4,800"]);
});

test("an arm without latency, or without a metric, says nothing of it", () => {
  const run = runOf(canary);
  const evidence = observeSeconds(run, [second(1, { requests: 5, errors: 0 }, { requests: 50, errors: 0 })], monday + 1000);
  expect(evidence.judge.metrics.map(({ harm }) => harm.maxLogEvidence)).toEqual([0, 0]);
  const nobody = observeSeconds(run, [{ second: start + 1, arms: {} }], monday + 1000);
  expect([nobody.trafficAt, nobody.sampleAt]).toEqual([monday, monday + 1000]);
});

test("chosen people are judged by limits only", () => {
  const beta = { headers: { "x-beta": { exact: "yes" } } };
  const run = runOf({ steps: [{ match: beta }, { setWeight: 10 }, { pause: {} }, { ring: { name: "a", match: beta } }] });
  const at = (step: number) => isComparable({ ...run, step, exposure: exposureAt(run.steps, step) });
  expect([0, 1, 2, 3].map(at)).toEqual([false, true, true, false]);
  expect(isComparable({ ...run, step: -1, exposure: noExposure })).toBe(false);
  const people = { ...run, step: 0, exposure: exposureAt(run.steps, 0) };
  const samples = Array.from({ length: 40 }, (_, index) => second(index + 1, { requests: 5, errors: 1 }, { requests: 95, errors: 0 }));
  const evidence = observeSeconds(people, samples, monday + 40_000);
  expect(judgementNow({ ...people, evidence }, specOf({}).analysis).logEvidence).toBeCloseTo(0, 12);
  expect(crossedLimit(evidence)).toMatchObject({ name: "errors", peopleOnly: true });
  expect(limitSentence(evidence)).toBe("errors 20 % of 200, no proof that they are above the limit of 5 %");
});

test("shares are watched only while weights stand and draw each request anew", () => {
  const run = runOf(canary);
  const samples = Array.from({ length: 30 }, (_, index) => second(index + 1, { requests: 30, errors: 0 }, { requests: 70, errors: 0 }));
  expect(areSharesWrong(observeSeconds(run, samples, monday))).toBe(true);
  for (const other of [
    { ...run, stage: "moving" as const },
    { ...run, exposure: { ...run.exposure, usersPercent: 5 } },
  ]) {
    expect(areSharesWrong(observeSeconds(other, samples, monday))).toBe(false);
  }
});

test("numbers as people read them", () => {
  expect([0, 0.000001, 0.0004, 0.0123, 0.5, 1].map(percentWords)).toEqual(["0 %", "under 0.001 %", "0.04 %", "1.2 %", "50 %", "100 %"]);
  expect([50, 1500, 125_000, 180_000, 3_600_000, 90_000_000].map(timeWords)).toEqual([
    "50 ms",
    "1.5 s",
    "2 min 5 s",
    "3 min",
    "60 min",
    "25 h",
  ]);
  expect([-1, 0, Math.log(12.4), 50].map(oddsWords)).toEqual(["0.4:1", "1:1", "12:1", "over 1,000,000:1"]);
});
