// Why, replay, the public status and the ReleaseRun object.

import { expect, test } from "vitest";
import { releaseRunSchema } from "../api/release/release-run.ts";
import { explain, replay } from "./explain.ts";
import { countedSeconds } from "./judging.ts";
import { phaseOf, publicStatusOf, releaseRunOf, secondsToGo, wishOf } from "./status.ts";
import { monday, specOf, World } from "./testing/world.ts";

const canary = { steps: [{ setWeight: 10 }], analysis: { metrics: [{ name: "errors" }] } };

function badRun(): World {
  const world = new World({ spec: canary, errors: { v2: 0.05 }, seed: 5 });
  world.until(({ phase }) => phase === "RolledBack", 120);
  return world;
}

test("a finished run in sentences", () => {
  const { run } = badRun();
  const told = run === undefined ? [] : explain(run);
  expect(told[0]).toBe("v2 against v1, 1 step, began 2026-11-02T10:00:01.000Z");
  expect(told.find((line) => line.includes("worse than allowed"))).toMatch(
    /^\+[\d.]+ s errors [\d.]+ % of \d+ against [\d.]+ % of [\d,]+: worse than allowed by errors/,
  );
  expect(told.at(-1)).toMatch(/^rolled back after [\d.]+ s; \d+ requests to v2 failed$/);
});

test("replayed with its own settings it ends the same; with a wide margin it doesn't", () => {
  const { run, samples, spec } = badRun();
  if (run === undefined) throw new Error("no run");
  const samplesOfRun = samples.filter(({ second }) => second * 1000 > run.startedAt);
  const same = replay(run, samplesOfRun, spec.analysis);
  expect([same.verdict, same.sentence]).toEqual(["harm", run.because]);
  const wide = specOf({ analysis: { metrics: [{ name: "errors", margin: { ratio: 2, plus: 0.1 } }] } });
  const other = replay(run, samplesOfRun, wide.analysis);
  expect(other.verdict).not.toBe("harm");
  expect(other.seconds).toBeUndefined();
  const limited = specOf({ analysis: { ...canary.analysis, limits: [{ name: "errors", max: 0.001 }], falseAlarm: 0.2 } });
  expect(["limit", "harm"]).toContain(replay(run, samplesOfRun, limited.analysis).verdict);
});

test("the status that users see, and the record", () => {
  const world = new World({ spec: canary });
  expect([phaseOf(world.state), wishOf(world.state)]).toEqual(["Idle", undefined]);
  world.pass(20);
  const place = { spec: world.spec, now: world.now, generation: 3 };
  expect(publicStatusOf(world.state, place)).toMatchObject({
    phase: "Progressing",
    stable: "v1",
    candidate: "v2",
    step: 1,
    steps: 1,
    weightPercent: 10,
    sharePercent: expect.closeTo(10, -1),
    proxies: { acknowledged: 14, total: 14 },
    verdict: expect.stringMatching(/no harm found \(evidence [\d.]+:1, rolls back at 100:1\)$/),
    conditions: [
      { type: "Ready", status: "False", observedGeneration: 3 },
      { type: "Reconciling", status: "True" },
      { type: "Stalled", status: "False" },
      { type: "Steered", status: "True", observedGeneration: 3 },
    ],
  });
  expect(wishOf(world.state)).toMatchObject({ stable: "v1", candidate: "v2", exposure: { weightPercent: 10 } });
  const { run } = world;
  if (run === undefined) throw new Error("no run");
  const eta = secondsToGo(run, world.spec, { requestsPerSecond: 100, now: world.now });
  expect(eta).toBeGreaterThan(10);
  expect(eta).toBeLessThan(3000);
  const record = releaseRunOf(run, { release: "reviews", namespace: "default", samplesRef: "telemetry:reviews-1" });
  expect(releaseRunSchema.safeParse(JSON.parse(JSON.stringify(record))).success).toBe(true);
  expect(record.spec.settings).toMatchObject({ service: "reviews", onFailure: "rollback" });
});

test("the time to go is that of the step and of the evidence, and is none where somebody holds the run", () => {
  const wide = { metrics: [{ name: "errors", margin: { plus: 0.3 } }] };
  const steps = [{ setWeight: 50, for: "200s" }, { pause: { for: "40s" } }, { setWeight: 60, for: "90s", advance: "clock" }, { pause: {} }];
  const world = new World({ spec: { steps, analysis: wide } });
  const toGo = (): number | undefined =>
    world.run === undefined ? undefined : secondsToGo(world.run, world.spec, { requestsPerSecond: 100, now: world.now });
  const enters = (step: number) => world.until(({ run }) => run?.step === step && run.stage === "running", 400);
  enters(0);
  world.pass(60);
  // Evidence is there; the step's time isn't over.
  expect(toGo()).toBe(140);
  world.ask("pause");
  world.pass(1);
  expect(toGo()).toBeUndefined();
  world.ask("resume");
  enters(1);
  expect(toGo()).toBe(40);
  enters(2);
  expect(toGo()).toBe(90);
  enters(3);
  expect(toGo()).toBeUndefined();
});

test("what was measured in a step is of its exposure, and of whole seconds", () => {
  const world = new World({ spec: { steps: [{ setWeight: 10, for: "900s" }] } });
  const counted = (): number => (world.run === undefined ? 0 : countedSeconds(world.run));
  const requests = (): number => (world.run?.evidence.stepCandidate ?? 0) + (world.run?.evidence.stepStable ?? 0);
  world.pass(60);
  expect(counted()).toBeGreaterThan(50);
  expect(requests()).toBe(100 * counted());
  world.ask("set-weight", { percent: 60 });
  world.pass(20);
  expect([counted() < 20, requests()]).toEqual([true, 100 * counted()]);
  // Ten percent was long before, and isn't mixed into it.
  expect((world.run?.evidence.stepCandidate ?? 0) / requests()).toBeGreaterThan(0.5);
});

test("after a run everything goes to who is stable", () => {
  const back = badRun();
  expect(wishOf(back.state)).toMatchObject({ stable: "v1", exposure: { weightPercent: 0 } });
  const place = { spec: back.spec, now: back.now, generation: 1 };
  expect(publicStatusOf(back.state, place).conditions[0]).toMatchObject({ type: "Ready", status: "True", reason: "RolledBack" });
  expect(publicStatusOf({ ...back.state, run: undefined, waiting: "why" }, place)).toMatchObject({ phase: "Waiting", verdict: "why" });
  expect(back.now).toBeGreaterThan(monday);
});
