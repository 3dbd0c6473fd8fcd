// Scenarios: what can happen to a run of shares, and what is no run.

import { describe, expect, test } from "vitest";
import { decide } from "./decide.ts";
import { noExposure } from "./exposure.ts";
import { firstState } from "./state.ts";
import { publicStatusOf } from "./status.ts";
import { canary, quick, wide } from "./testing/specs.ts";
import { monday, twoVersions, World } from "./testing/world.ts";

describe("a canary", () => {
  test("that is bad is rolled back, and isn't started again until somebody asks", () => {
    const world = new World({ spec: canary, errors: { v2: 0.3 } });
    expect(world.until(({ phase }) => phase === "RolledBack", 60)).toBe(true);
    expect(world.run?.because).toMatch(
      /^errors [\d.]+ % of \d+ against [\d.]+ % of [\d,]+: worse than allowed by errors \(evidence [\d,]+:1, rolls back at 100:1\)$/,
    );
    expect(world.applied?.exposure).toEqual(noExposure);
    expect([world.state.stable, world.state.rejected]).toEqual(["v1", ["v2"]]);
    world.pass(20);
    expect(world.run?.id).toBe("reviews-1");
    world.ask("retry", { reason: "fixed the database" });
    world.pass(2);
    expect([world.run?.id, world.phase]).toEqual(["reviews-2", "Progressing"]);
  });

  test("that is slow is rolled back, and the edge is named", () => {
    const world = new World({ spec: { steps: [{ setWeight: 10 }] }, slow: { v1: 0.001, v2: 0.1 } });
    expect(world.until(({ phase }) => phase === "RolledBack", 120)).toBe(true);
    expect(world.run?.because).toMatch(/latency above (?:25|50|100|250) ms [\d.]+ % against/);
  });

  test("beyond an absolute limit is rolled back although stable is as bad", () => {
    const world = new World({
      spec: { ...canary, analysis: { ...wide, limits: [{ name: "errors", max: 0.02 }] } },
      errors: { v1: 0.2, v2: 0.2 },
    });
    expect(world.until(({ phase }) => phase === "RolledBack", 60)).toBe(true);
    expect(world.run?.because).toMatch(/^errors [\d.]+ % of \d+, above the limit of 2 %$/);
  });

  test.each([
    ["hold", 0],
    ["freeze", 10],
  ] as const)("onFailure %s: waits for a person at %d percent", (onFailure, percent) => {
    const world = new World({ spec: { ...canary, onFailure }, errors: { v2: 0.3 } });
    expect(world.until(({ phase }) => phase === "Held", 60)).toBe(true);
    world.pass(30);
    expect([world.phase, world.applied?.exposure.weightPercent]).toEqual(["Held", percent]);
    world.ask("abort");
    expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  });

  test("on suspicion is lowered where wished, and comes back when it is over", () => {
    const steps = [
      { setWeight: 5, advance: "clock", ...quick },
      { setWeight: 20, for: "60s" },
    ];
    const world = new World({
      spec: { steps, analysis: { metrics: [{ name: "errors" }], onSuspicion: "lower" } },
      errors: { v2: 0.02 },
      seed: 3,
    });
    expect(world.until(({ run }) => run?.lowered === "suspicion", 300)).toBe(true);
    world.pass(2);
    expect(world.applied?.exposure.weightPercent).toBe(5);
    expect(world.whats()).toContain("Suspicion");
    const healed = new World({ spec: { steps, analysis: { metrics: [{ name: "errors" }], onSuspicion: "lower" } } });
    healed.state = world.state;
    healed.now = world.now;
    healed.applied = world.applied;
    expect(healed.until(({ run }) => run?.lowered === undefined && run?.exposure.weightPercent === 20, 600)).toBe(true);
    expect(healed.whats()).toContain("SuspicionOver");
  });

  test.each([
    ["hold", "Progressing"],
    ["fail", "RolledBack"],
    ["pass", "Finalising"],
  ] as const)("without requests, noData %s: %s", (noData, phase) => {
    const world = new World({ spec: { ...canary, warm: "10m", analysis: { ...wide, noData, patience: "10s" } } });
    world.hasTraffic = false;
    world.pass(120);
    expect(world.phase).toBe(phase);
    if (noData !== "pass") expect(world.whats()).toContain("NoData");
    if (noData === "hold") {
      world.hasTraffic = true;
      expect(world.until((later) => later.phase === "Finalising", 300)).toBe(true);
    }
  });

  test.each(["hold", "fail", "pass"] as const)(
    "whose provider is down goes back a step and on afterwards, whatever noData says (%s)",
    (noData) => {
      const world = new World({ spec: { ...canary, analysis: { ...wide, noData, patience: "10s" } } });
      expect(world.until(({ applied }) => applied?.exposure.weightPercent === 50)).toBe(true);
      world.hasProvider = false;
      world.pass(60);
      expect([world.phase, world.applied?.exposure.weightPercent]).toEqual(["Progressing", 10]);
      expect(world.whats()).toContain("ProviderDown");
      world.hasProvider = true;
      expect(world.until(({ phase }) => phase === "Finalising", 300)).toBe(true);
    },
  );

  test("undecided for too long asks a person", () => {
    const world = new World({ spec: { steps: [{ setWeight: 1 }], analysis: { timeout: "60s" } } });
    expect(world.until(({ phase }) => phase === "Paused", 80)).toBe(true);
    expect(world.run?.paused?.reason).toMatch(
      /^undecided after 60 s: latency|^undecided after 60 s: errors within the margin [\d.]+:1, goes on at 20:1$/,
    );
    world.ask("promote", { reason: "night shift" });
    expect(world.until(({ phase }) => phase === "Finalising", 5)).toBe(true);
  });

  test("counts a step only when every proxy has it", () => {
    const world = new World({ spec: canary });
    world.acknowledges = false;
    world.pass(90);
    expect([world.run?.stage, world.run?.acknowledged]).toEqual(["moving", { acknowledged: 12, total: 14 }]);
    expect(world.whats()).toContain("Stalled");
    world.acknowledges = true;
    world.pass(1);
    expect(world.run?.stage).toBe("running");
  });

  test("is refused while its version has no ready pod, and fails after a time", () => {
    const world = new World({ spec: { ...canary, readyTimeout: "30s" } });
    world.versions = twoVersions.map((version) => (version.name === "v2" ? { ...version, readyPods: 0 } : version));
    world.pass(10);
    expect([world.phase, world.run?.blockedBy, world.run?.exposure]).toEqual(["Waiting", "v2 has no ready pod", noExposure]);
    world.pass(40);
    expect([world.phase, world.state.rejected]).toEqual(["Failed", ["v2"]]);
  });

  test("gives way to a newer version: weights first, evidence anew", () => {
    const world = new World({ spec: canary });
    world.until(({ applied }) => applied?.exposure.weightPercent === 50);
    world.versions = [...twoVersions, { name: "v3", since: world.now, readyPods: 5 }];
    world.pass(1);
    expect([world.run?.stage, world.run?.outcome]).toEqual(["returning", "superseded"]);
    expect(world.until(({ run }) => run?.candidate === "v3", 20)).toBe(true);
    const moves = [...world.effects.values()].flatMap((action) =>
      action.type === "expose" ? [[action.candidate, action.exposure.weightPercent]] : [],
    );
    expect(moves).toEqual([
      ["v2", 10],
      ["v2", 50],
      ["v2", 0],
      ["v3", 10],
    ]);
    expect(world.until(({ run }) => run?.stage === "running", 20)).toBe(true);
    expect(world.run?.evidence.judge.metrics[0]?.harm.maxLogEvidence).toBeLessThan(0.5);
    world.until(({ phase }) => phase === "Succeeded");
    expect(world.state.stable).toBe("v3");
    world.pass(50);
    expect(world.run?.id).toBe("reviews-2");
  });
});

test("shares that aren't as configured are told, and nothing else", () => {
  const spec = { steps: [{ setWeight: 20, for: "120s", advance: "clock" }], analysis: wide };
  const world = new World({ spec, unsteered: 50 });
  world.pass(60);
  expect([world.phase, world.whats().at(-1)]).toEqual(["Progressing", "SharesDiffer"]);
  expect(world.run?.decisions.at(-1)?.sentence).toMatch(/^v2 gets 1\d(?:\.\d)? % of [\d,]+ requests, not 20 %/);
  const fine = new World({ spec });
  fine.pass(100);
  expect(fine.whats()).not.toContain("SharesDiffer");
});

test("a side without a ready pod is told with what it means, and no cause is made up for the shares", () => {
  const spec = { steps: [{ setWeight: 20, for: "400s", advance: "clock" }], analysis: wide };
  const world = new World({ spec, unsteered: 50 });
  const shown = () => publicStatusOf(world.state, { spec: world.spec, now: world.now, generation: 1 }).findings;
  const ready = (v1: number, v2: number): void => {
    world.versions = twoVersions.map((version) => ({ ...version, readyPods: version.name === "v1" ? v1 : v2 }));
  };
  world.pass(3);
  expect(shown()).toBeUndefined();
  ready(0, 5);
  world.pass(60);
  expect(shown()).toEqual(["v1 has no ready pod, so v2 answers everybody, and nothing could go back"]);
  ready(5, 0);
  world.pass(2);
  expect(shown()).toEqual(["v2 has no ready pod, so v1 answers its share"]);
  expect(world.run?.decisions.at(-1)?.sentence).toBe("v2 has no ready pod, so v1 answers its share; after 10 min of that the run fails");
  ready(5, 5);
  world.pass(60);
  expect([shown(), world.phase]).toEqual([undefined, "Progressing"]);
  expect(world.whats().filter((what) => ["SharesDiffer", "StableUnready", "CandidateUnready"].includes(what))).toEqual([
    "StableUnready",
    "CandidateUnready",
  ]);
});

test("the first version is adopted without a run, and so is the only one left", () => {
  const world = new World();
  world.versions = twoVersions.slice(0, 1);
  world.pass(2);
  expect([world.phase, world.state.stable, world.effects.size]).toEqual(["Idle", "v1", 0]);
  world.versions = [{ name: "v9", since: 0, readyPods: 1 }];
  world.pass(2);
  expect([world.phase, world.state.stable]).toEqual(["Idle", "v9"]);
});

test("with nothing seen it decides nothing", () => {
  const world = new World();
  const observed = { versions: [], samples: [], inputs: [], done: [], checks: {} };
  const { status, actions } = decide({ name: "a", spec: world.spec, status: firstState, observed, now: monday });
  expect([status, actions]).toEqual([{ ...firstState, decidedAt: monday }, []]);
});
