// Several metrics, bursts and verdicts, as a release engine would use them.

import { expect, test } from "vitest";
import { isSpread, observeBurst, startBurst } from "./burst.ts";
import { combinedEvidence } from "./combine.ts";
import { goOnAlpha } from "./go-on.ts";
import { type JudgeSample, judgementOf, judgeStateSchema, observeJudge, startJudge, startNextStep } from "./judge.ts";
import { limitLogEvidence, observeLimit, startLimit } from "./limit.ts";
import { binomial, randomOf } from "./testing/random.ts";
import { decideVerdict } from "./verdict.ts";

const edgesMs = [5, 25, 100, 500];
const start = () => startJudge({ alpha: 0.01, metrics: [{ name: "errors" }, { name: "latency", edgesMs }] });

interface Truth {
  readonly errors: number;
  readonly slow: number;
}

function second(random: () => number, truth: Truth, pods: readonly string[] = ["a", "b"]): JudgeSample {
  const errors = binomial(random, 20, truth.errors);
  const slow = binomial(random, 20, truth.slow);
  const slowOfBaseline = binomial(random, 80, 0.01);
  return {
    rates: [{ metric: "errors", candidate: { trials: 20, events: errors }, baseline: { trials: 80, events: binomial(random, 80, 0.002) } }],
    latencies: [{ metric: "latency", candidate: [0, 20 - slow, 0, 0, slow], baseline: [0, 80 - slowOfBaseline, 0, 0, slowOfBaseline] }],
    pods: errors > 0 ? pods : [],
  };
}

function played(seconds: number, truth: Truth, seed = 1) {
  const random = randomOf(seed);
  let state = start();
  for (let index = 0; index < seconds; index += 1) state = observeJudge(state, second(random, truth));
  return state;
}

test("errors are to blame, or slowness with its edge", () => {
  const failing = judgementOf(played(40, { errors: 0.1, slow: 0.01 }), 0.05);
  expect([failing.verdict, failing.foremost, failing.guilty]).toEqual(["harm", "errors", ["errors"]]);
  const slow = judgementOf(played(60, { errors: 0.002, slow: 0.15 }), 0.05);
  expect([slow.verdict, slow.foremost, slow.guilty]).toEqual(["harm", "latency", ["latency"]]);
  expect(slow.edges[0]?.candidateShare).toBeGreaterThan(0.08);
  expect(slow.edges[0]?.baselineShare).toBeLessThan(0.03);
  expect(slow.alwaysValidP).toBeLessThan(0.01);
});

test("a healthy candidate is shown to be fine, and each step asks again", () => {
  const wide = { ratio: 1, plus: 0.03 };
  const random = randomOf(5);
  let state = startJudge({
    alpha: 0.01,
    metrics: [
      { name: "errors", margin: wide },
      { name: "latency", edgesMs, margin: wide },
    ],
  });
  for (let index = 0; index < 120; index += 1) state = observeJudge(state, second(random, { errors: 0.002, slow: 0.01 }));
  expect(judgementOf(state, goOnAlpha(5)).verdict).toBe("withinMargin");
  const next = startNextStep(state);
  expect(judgementOf(next, goOnAlpha(5)).verdict).toBe("undecided");
  expect(judgementOf(next, 0.01).logEvidence).toBe(judgementOf(state, 0.01).logEvidence);
});

test("where latency isn't asked, a rate alone lets a step go on, and nothing lets it by itself", () => {
  const rates = [{ metric: "errors", candidate: { trials: 20, events: 0 }, baseline: { trials: 80, events: 0 } }];
  let [both, alone] = [start(), startJudge({ alpha: 0.01, metrics: [{ name: "latency", edgesMs }] })];
  for (let index = 0; index < 600; index += 1) {
    both = observeJudge(both, { rates, latencies: [], pods: [] });
    alone = observeJudge(alone, { rates: [], latencies: [], pods: [] });
  }
  const asksLatency = false;
  expect(judgementOf(both, 0.05).verdict).toBe("undecided");
  expect(judgementOf(both, 0.05, { asksLatency }).verdict).toBe("withinMargin");
  expect(judgementOf(alone, 0.05, { asksLatency }).verdict).toBe("undecided");
});

test("no data says nothing, one metric's silence doesn't stop the other", () => {
  let state = start();
  for (let index = 0; index < 100; index += 1) state = observeJudge(state, { rates: [], latencies: [], pods: [] });
  expect(judgementOf(state, 0.05)).toMatchObject({ verdict: "undecided", logEvidence: 0, alwaysValidP: 1 });
  const random = randomOf(3);
  for (let index = 0; index < 40; index += 1) {
    state = observeJudge(state, { ...second(random, { errors: 0.15, slow: 0 }), latencies: [] });
  }
  expect(judgementOf(state, 0.05).verdict).toBe("harm");
});

test("stored as JSON and resumed it goes on the same", () => {
  const state = played(15, { errors: 0.05, slow: 0.05 });
  const resumed = judgeStateSchema.parse(JSON.parse(JSON.stringify(state)));
  expect(resumed).toEqual(state);
  const sample = second(randomOf(9), { errors: 0.5, slow: 0.5 });
  expect(observeJudge(resumed, sample)).toEqual(observeJudge(state, sample));
});

test("the weighted mean of e-values; guilty is who has 1/(weight·α) alone", () => {
  const log = Math.log;
  const metrics = [
    { name: "a", logEvidence: log(350), weight: 1 },
    { name: "b", logEvidence: log(150), weight: 1 },
    { name: "c", logEvidence: log(0.5), weight: 2 },
  ];
  const combined = combinedEvidence(metrics, 0.01);
  expect(Math.exp(combined.logEvidence)).toBeCloseTo(350 / 4 + 150 / 4 + 0.5 / 2, 9);
  expect(combined).toMatchObject({ foremost: "a", guilty: [] });
  expect(combinedEvidence([{ name: "a", logEvidence: log(401), weight: 1 }, ...metrics.slice(1)], 0.01).guilty).toEqual(["a"]);
  expect(combinedEvidence([], 0.01)).toEqual({ logEvidence: 0, foremost: undefined, guilty: [] });
});

test("one pod for a second or two is not the version; two pods or a third second are", () => {
  const event = (pods: readonly string[], logEvidence = 1) => ({ hadEvents: true, pods, logEvidence });
  const one = observeBurst(startBurst(), event(["a"]));
  expect(isSpread(one)).toBe(false);
  expect(isSpread(observeBurst(one, event(["b"])))).toBe(true);
  const twice = observeBurst(one, event(["a"]));
  expect(isSpread(twice)).toBe(false);
  expect(isSpread(observeBurst(twice, event(["a"])))).toBe(true);
  // A second without events changes nothing; evidence gone, everything is forgotten.
  expect(observeBurst(twice, { hadEvents: false, pods: [], logEvidence: 1 })).toEqual(twice);
  expect(isSpread(observeBurst(observeBurst(twice, event(["a"], -0.1)), event(["a"])))).toBe(false);
});

test.each([
  [{ harm: Math.log(100), spread: true, goOn: [9] }, "harm"],
  [{ harm: Math.log(100), spread: false, goOn: [9] }, "suspicion"],
  [{ harm: Math.log(10), spread: true, goOn: [9] }, "suspicion"],
  [{ harm: Math.log(9), spread: true, goOn: [9, 2] }, "undecided"],
  [{ harm: Math.log(9), spread: true, goOn: [9, 3] }, "withinMargin"],
  [{ harm: 0, spread: false, goOn: [] }, "undecided"],
])("%j is %s", (input, verdict) => {
  expect(decideVerdict({ ...input, alpha: 0.01, goOnAlpha: 0.05 })).toBe(verdict);
});

test("an absolute limit needs no baseline, and is only crossed by rates above it", () => {
  let within = startLimit(0.02);
  let beyond = startLimit(0.02);
  const random = randomOf(4);
  for (let index = 0; index < 300; index += 1) {
    within = observeLimit(within, { trials: 10, events: binomial(random, 10, 0.02) });
    beyond = observeLimit(beyond, { trials: 10, events: binomial(random, 10, 0.06) });
  }
  expect(within.maxLogEvidence).toBeLessThan(Math.log(20));
  expect(limitLogEvidence(beyond)).toBeGreaterThan(Math.log(100));
});
