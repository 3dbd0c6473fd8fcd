// A service that is TCP alone: its connections are judged, exposed and told as requests are.

import { expect, test } from "vitest";
import { explain } from "./explain.ts";
import { areSharesWrong, judgementNow, observeSeconds, startEvidence } from "./judging.ts";
import type { ArmSecond, SampleSecond } from "./observation.ts";
import { planOf } from "./plan.ts";
import { goOnWords, limitSentence, verdictSentence } from "./sentences.ts";
import type { Run } from "./state.ts";
import { monday, specOf, World } from "./testing/world.ts";
import { stepWords } from "./turn.ts";
import { unitOf } from "./unit.ts";

const start = monday / 1000;
const spec = { steps: [{ setWeight: 10 }], analysis: { metrics: [{ name: "latency" }, { name: "errors", margin: { plus: 0.05 } }] } };

function runOf(fields: Record<string, unknown> = spec): Run {
  const world = new World({ spec: fields });
  world.pass(3);
  const { run } = world;
  if (run === undefined) throw new Error("no run");
  const evidence = { ...startEvidence(world.spec.analysis, monday), unit: "connections" as const };
  return { ...run, stage: "running", stageSince: monday - 3000, evidence };
}

function arm(tried: number, failed: number, opened = tried): ArmSecond {
  return { requests: 0, errors: 0, clientErrors: 0, connections: { opened, tried, failed } };
}

function seconds(count: number, arms: SampleSecond["arms"]): readonly SampleSecond[] {
  return Array.from({ length: count }, (_, index) => ({ second: start + 1 + index, arms }));
}

function judged(samples: readonly SampleSecond[], fields: Record<string, unknown> = spec) {
  const run = runOf(fields);
  const evidence = observeSeconds(run, samples, monday + 60_000);
  const judgement = judgementNow({ ...run, evidence }, specOf(fields).analysis);
  return { run, evidence, judgement, sentence: verdictSentence(evidence, judgement) };
}

test("connections that fail are proven to be worse, and the sentence says connections", () => {
  const { judgement, sentence, evidence, run } = judged(seconds(13, { v1: arm(36, 0), v2: arm(4, 2) }));
  expect(judgement.verdict).toBe("harm");
  expect(sentence).toMatch(/^connection failures 50 % of 52 against 0 % of 468: worse than allowed by connection failures \(evidence/);
  expect(explain({ ...run, evidence }).at(-1)).toBe("26 connections to v2 failed so far");
});

test("a healthy version may go on without a latency, which connections don't have", () => {
  const { judgement, evidence } = judged(seconds(60, { v1: arm(90, 0), v2: arm(10, 0) }));
  expect(judgement.verdict).toBe("withinMargin");
  expect(goOnWords(evidence, judgement, 3)).toMatch(/^connection failures within the margin/);
});

test("where latency alone is judged, nothing goes on by nothing; with a request it is asked again", () => {
  const samples = seconds(60, { v1: arm(90, 0), v2: arm(10, 0) });
  expect(judged(samples, { ...spec, analysis: { metrics: [{ name: "latency" }] } }).judgement.verdict).toBe("undecided");
  const mixed = { v1: { ...arm(90, 0), requests: 1 }, v2: arm(10, 0) };
  const { judgement, evidence } = judged([...samples, { second: start + 99, arms: mixed }]);
  expect([judgement.verdict, unitOf(evidence)]).toEqual(["undecided", "requests"]);
});

test("shares are of connections that began, and those of a step are told three seconds late", () => {
  const run = { ...runOf({ steps: [{ setWeight: 50 }] }), stageSince: monday };
  // Old ones end at stable alone, and what began before the step is told within its first seconds.
  const early = seconds(2, { v1: arm(50, 0) });
  const later = seconds(4, { v1: arm(60, 0, 25), v2: arm(5, 0, 25) }).map((sample) => ({ ...sample, second: sample.second + 2 }));
  const evidence = observeSeconds(run, [...early, ...later], monday + 60_000);
  expect(areSharesWrong(evidence)).toBe(false);
  const steered = observeSeconds(run, seconds(20, { v1: arm(40, 0), v2: arm(10, 0) }), monday + 60_000);
  expect(areSharesWrong(steered)).toBe(true);
});

test("before there was any, the service's ports say what is waited for", () => {
  const { run, sentence, evidence } = judged([]);
  expect(sentence).toMatch(/^no connections to judge by yet/);
  expect(limitSentence(evidence)).toBe("no connections to judge by yet");
  const world = new World({ spec });
  const turn = {
    spec: world.spec,
    observed: { versions: [], samples: [], inputs: [], done: [], checks: {} },
    now: monday,
    state: world.state,
  };
  expect(stepWords({ ...turn, run: { ...run, evidence } }, 0, { ...run.exposure, weightPercent: 10 })).toBe(
    "step 1 of 1 (10 % of connections)",
  );
});

test("a plan says connections", () => {
  const plan = planOf(specOf({ steps: [{ setWeight: 10 }] }), { unit: "connections", requestsPerSecond: 0, errorRate: 0 });
  expect(plan.steps[0]?.exposure).toBe("10 % of connections");
  expect(plan.warnings.join()).toContain("no connections are measured now");
});
