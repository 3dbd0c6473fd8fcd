// People let a run go on while the new version has no ready pod: they are told what it waits for, and that nobody had moved when it ends.

import { describe, expect, test } from "vitest";
import { canary, quick } from "./testing/specs.ts";
import { twoVersions, World } from "./testing/world.ts";

describe("going on without a pod of the new version", () => {
  const none = twoVersions.map((version) => (version.name === "v2" ? { ...version, readyPods: 0 } : version));
  const answer = (world: World): string | undefined => world.state.answers?.at(-1)?.sentence;
  const waits = "as soon as v2 has a ready pod; it has none now, and after 10 min without one the run fails";

  test("says what it waits for, and goes on once it is there", () => {
    const world = new World({ spec: canary });
    world.versions = none;
    world.pass(2);
    expect(world.phase).toBe("Waiting");
    world.ask("promote");
    world.pass(1);
    expect(answer(world)).toBe(`ann asked to promote: on to the next step ${waits}`);
    world.ask("promote", { full: true });
    world.pass(1);
    expect(answer(world)).toBe(`ann asked to promote: all steps that are left are skipped ${waits}`);
    expect(world.applied).toBeUndefined();
    world.versions = twoVersions;
    world.pass(2);
    expect(world.applied?.exposure.weightPercent).toBe(100);
    world.ask("undo");
    world.pass(1);
    expect(answer(world)).toBe("ann asked to undo: v1 gets its traffic back");
  });

  test("after a pause, too; the way back says that nobody had moved", () => {
    const world = new World({ spec: { steps: [{ pause: {} }, { setWeight: 10, ...quick }] } });
    world.until(({ run }) => run?.stage === "running");
    world.versions = none;
    world.ask("resume");
    world.pass(1);
    expect(answer(world)).toBe(`ann asked to resume: going on ${waits}`);
    world.ask("undo");
    world.ask("abort");
    world.pass(1);
    expect(world.state.answers?.slice(-2).map(({ sentence }) => sentence)).toEqual([
      "ann asked to undo: refused: nothing was promoted yet; abort ends the run",
      "ann asked to abort: v1 keeps all traffic",
    ]);
  });

  test("a step that gives it nothing more needs none", () => {
    const world = new World({ spec: { steps: [{ setWeight: 10, for: "600s" }, { pause: {} }, { setWeight: 50, ...quick }] } });
    world.until(({ run }) => run?.stage === "running");
    world.versions = none;
    world.ask("promote");
    world.pass(1);
    expect(answer(world)).toBe("ann asked to promote: on to the next step");
  });
});
