// What people ask for, freeze windows, and whose turn is next.

import { describe, expect, test } from "vitest";
import { noExposure } from "./exposure.ts";
import { canary, wide } from "./testing/specs.ts";
import { monday, twoVersions, World } from "./testing/world.ts";

describe("people", () => {
  test("a gate with approvers takes nobody else's word", () => {
    const world = new World({ spec: { steps: [{ pause: { approvers: ["eve"] } }] } });
    world.pass(2);
    world.ask("resume");
    world.ask("promote", { full: true });
    world.pass(2);
    expect([world.phase, world.whats().filter((what) => what === "Refused").length]).toEqual(["Paused", 2]);
    world.ask("resume", { actor: "eve", reason: "checked" });
    world.pass(3);
    expect(world.phase).toBe("Finalising");
    expect(world.run?.decisions.find(({ what }) => what === "ResumeAsked")).toMatchObject({ actor: "eve", reason: "checked" });
  });

  test("pause, set-weight, resume, abort", () => {
    const world = new World({ spec: canary });
    world.pass(3);
    world.ask("pause", { reason: "lunch" });
    world.pass(60);
    expect([world.phase, world.applied?.exposure.weightPercent]).toEqual(["Paused", 10]);
    world.ask("set-weight", { percent: 3 });
    world.pass(3);
    expect(world.applied?.exposure.weightPercent).toBe(3);
    world.ask("set-weight", { percent: 300 });
    world.ask("resume");
    world.pass(1);
    expect([world.phase, world.whats().at(-2)]).toEqual(["Progressing", "Refused"]);
    world.ask("abort", { reason: "wrong build" });
    expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
    expect([world.run?.outcome, world.state.rejected]).toEqual(["aborted", ["v2"]]);
    expect(world.run?.because).toContain('"wrong build"');
  });

  test("undo while the old side is warm, and after it", () => {
    const world = new World({ spec: canary });
    world.until(({ phase }) => phase === "Finalising");
    world.ask("undo", { reason: "sales fell" });
    world.pass(2);
    expect(world.applied?.exposure).toEqual(noExposure);
    expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
    expect([world.state.stable, world.run?.outcome]).toEqual(["v1", "undone"]);

    const later = new World({ spec: canary });
    later.until(({ phase }) => phase === "Succeeded");
    later.ask("undo");
    expect(later.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
    expect([later.state.stable, later.state.rejected, later.applied?.exposure]).toEqual(["v1", ["v2"], noExposure]);
  });

  test("undo is refused when the old side is gone, with the reason", () => {
    const world = new World({ spec: canary });
    world.versions = twoVersions.map((version) => ({ ...version, scaleManaged: true }));
    world.until(({ phase }) => phase === "Succeeded");
    world.ask("undo");
    world.pass(2);
    expect(world.phase).toBe("Succeeded");
    expect(world.run?.decisions.at(-1)?.sentence).toBe("ann asked to undo: refused: v1 has no ready pod left");
  });

  test("an input is handled once, however often it is seen", () => {
    const world = new World({ spec: canary });
    world.pass(2);
    world.ask("pause");
    world.pass(5);
    expect(world.whats().filter((what) => what === "PauseAsked")).toEqual(["PauseAsked"]);
  });
});

describe("freeze windows", () => {
  const windows = { deny: [{ cron: "5 11 * * MON", for: "1h" }], timezone: "Europe/Berlin" };

  test("no start, no growth, but always the way back", () => {
    const world = new World({ spec: { ...canary, windows }, errors: { v2: 0.001 } });
    world.now = monday + 6 * 60_000;
    world.pass(3);
    expect([world.phase, world.state.waiting]).toEqual([
      "Waiting",
      'v2 waits for the end of freeze window "5 11 * * MON", 2026-11-02T11:05:00.000Z',
    ]);

    const running = new World({ spec: { ...canary, windows } });
    running.now = monday + 4 * 60_000 + 50_000;
    running.pass(100);
    expect([running.phase, running.applied?.exposure.weightPercent]).toEqual(["Waiting", 10]);
    expect(running.run?.blockedBy).toContain("freeze window");
    running.ask("promote");
    running.pass(1);
    expect(running.whats().at(-1)).toBe("Refused");
    running.ask("promote", { force: true, reason: "security fix" });
    running.pass(2);
    expect(running.applied?.exposure.weightPercent).toBe(50);
    running.ask("abort");
    expect(running.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  });
});

test("nobody gets around a gate: not by skipping it, not by a weight", () => {
  const world = new World({ spec: { analysis: wide, steps: [{ setWeight: 5 }, { pause: { approvers: ["eve"] } }, { setWeight: 50 }] } });
  world.pass(3);
  world.ask("promote", { full: true });
  world.pass(1);
  expect(world.run?.decisions.at(-1)?.sentence).toBe("ann asked to promote: refused: only eve may");
  world.ask("promote");
  world.pass(2);
  expect(world.phase).toBe("Paused");
  world.ask("set-weight", { percent: 100 });
  world.pass(2);
  expect([world.whats().at(-1), world.applied?.exposure.weightPercent]).toEqual(["Refused", 5]);
  world.ask("set-weight", { percent: 1 });
  world.pass(2);
  expect(world.applied?.exposure.weightPercent).toBe(1);
  world.ask("promote", { actor: "eve", full: true });
  world.pass(2);
  expect(world.phase).toBe("Finalising");
});

test("who asks where there is no run gets an answer too", () => {
  const world = new World();
  world.versions = twoVersions.slice(0, 1);
  world.ask("promote");
  world.pass(3);
  expect([world.phase, [...world.effects.values()]]).toEqual([
    "Idle",
    [
      {
        type: "event",
        id: "input/1",
        reason: "Refused",
        message: "ann asked to promote: refused: there is no run; one begins when a newer version is deployed",
      },
    ],
  ]);
  expect(world.state.answers).toEqual([expect.objectContaining({ seq: 1, isRefused: true })]);
});

test("every input has its answer, which outlives the run that a retry begins anew", () => {
  const world = new World({ spec: { steps: [{ setWeight: 10, for: "600s" }] } });
  world.pass(5);
  world.ask("undo");
  world.ask("set-weight", { percent: 30 });
  world.pass(2);
  world.ask("abort", { reason: "enough" });
  world.pass(60);
  world.ask("abort");
  world.ask("retry");
  world.pass(3);
  expect(world.run?.id).toBe("reviews-2");
  expect(world.state.answers).toEqual([
    { seq: 1, isRefused: true, sentence: "ann asked to undo: refused: nothing was promoted yet; abort gives v1 its traffic back" },
    { seq: 2, isRefused: false, sentence: "ann asked to set-weight: v2 gets 30 % for this step" },
    { seq: 3, isRefused: false, sentence: 'ann asked to abort ("enough"): v1 gets its traffic back' },
    { seq: 4, isRefused: true, sentence: "ann asked to abort: refused: the run is over; retry begins v2 anew" },
    { seq: 5, isRefused: false, sentence: "ann asked to retry: v2 starts anew" },
  ]);
});

test("after a run the next candidate's wait shows", () => {
  const world = new World({ spec: { ...canary, windows: { deny: [{ cron: "5 10 * * *", for: "10m" }] } } });
  world.until(({ phase }) => phase === "Succeeded");
  world.now = monday + 6 * 60_000;
  world.versions = [...twoVersions, { name: "v3", since: world.now, readyPods: 5 }];
  world.pass(2);
  expect([world.phase, world.run?.candidate]).toEqual(["Waiting", "v2"]);
  world.versions = twoVersions;
  world.pass(1);
  expect(world.phase).toBe("Succeeded");
});

test("an engine that slept doesn't take its sleep for silence", () => {
  const world = new World({ spec: { ...canary, analysis: { ...wide, patience: "10s" }, steps: [{ setWeight: 10 }, { setWeight: 50 }] } });
  world.until(({ applied }) => applied?.exposure.weightPercent === 50);
  world.now += 600_000;
  world.hasProvider = false;
  world.pass(3);
  expect([world.applied?.exposure.weightPercent, world.whats().includes("ProviderDown")]).toEqual([50, false]);
  world.pass(12);
  expect([world.applied?.exposure.weightPercent, world.whats().includes("ProviderDown")]).toEqual([10, true]);
});

test("a newer version ends the warm time of the one before, and takes its turn", () => {
  const world = new World({ spec: { ...canary, warm: "1h" } });
  world.until(({ phase }) => phase === "Finalising");
  world.versions = [...twoVersions, { name: "v3", since: world.now, readyPods: 5 }];
  world.pass(2);
  expect([world.state.stable, world.run?.candidate, world.run?.stable]).toEqual(["v2", "v3", "v2"]);
  expect(world.until(({ phase }) => phase === "Finalising", 300)).toBe(true);
  world.ask("undo");
  expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  expect(world.state.stable).toBe("v2");
});

test("a variant that appears isn't a newer version", () => {
  const variants = [{ name: "a" }, { name: "b", version: "v2", percent: 20 }, { name: "c", version: "v3", percent: 20 }];
  const world = new World({ spec: { strategy: "abTest", sticky: { cookie: "c" }, variants, analysis: wide } });
  world.pass(5);
  world.versions = [...twoVersions, { name: "v3", since: world.now, readyPods: 5 }];
  world.pass(5);
  expect([world.run?.id, world.run?.candidate, world.run?.outcome]).toEqual(["reviews-1", "v2", undefined]);
});

test("retry in the middle goes back first and begins anew", () => {
  const world = new World({ spec: canary });
  world.until(({ applied }) => applied?.exposure.weightPercent === 50);
  world.ask("retry", { reason: "new database" });
  expect(world.until(({ run }) => run?.id === "reviews-2", 20)).toBe(true);
  expect(world.state.rejected).toEqual([]);
  expect(world.until(({ phase }) => phase === "Finalising", 300)).toBe(true);
});

test("retry begins a version that is older than stable by now: stable's pods were made anew", () => {
  const world = new World({ spec: canary });
  world.pass(5);
  world.ask("abort");
  expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  world.versions = world.versions.map((version) => (version.name === "v1" ? { ...version, since: world.now } : version));
  world.ask("retry");
  world.pass(3);
  expect([world.run?.id, world.run?.candidate, world.phase]).toEqual(["reviews-2", "v2", "Progressing"]);
  expect(world.run?.decisions[0]?.sentence).toBe("v2 is tried again: a run of 2 steps begins");
  expect(world.until(({ phase }) => phase === "Succeeded", 300)).toBe(true);
});

test("retry in a freeze window needs force, and a version that is gone can't be tried again", () => {
  const world = new World({ spec: { ...canary, windows: { deny: [{ cron: "1 10 * * *", for: "2h" }] } } });
  world.pass(5);
  world.ask("abort");
  world.now = monday + 60_000;
  expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  world.ask("retry");
  world.pass(3);
  expect([world.run?.id, world.state.answers?.at(-1)?.isRefused]).toEqual(["reviews-1", true]);
  world.ask("retry", { force: true });
  world.pass(3);
  expect([world.run?.id, world.applied?.exposure.weightPercent]).toEqual(["reviews-2", 10]);

  world.ask("abort");
  expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  world.versions = world.versions.filter(({ name }) => name !== "v2");
  world.ask("retry", { force: true });
  world.pass(2);
  expect(world.state.answers?.at(-1)?.sentence).toBe(
    "ann asked to retry: refused: v2 isn't there any more; deployed again it begins by itself",
  );
});

test("a held run goes on when a person says so, with fresh evidence", () => {
  const world = new World({ spec: { ...canary, onFailure: "freeze" }, errors: { v2: 0.3 } });
  world.until(({ phase }) => phase === "Held", 60);
  world.ask("pause");
  world.ask("promote", { full: true, reason: "the errors are wanted" });
  world.pass(3);
  expect([world.phase, world.applied?.exposure.weightPercent]).toEqual(["Finalising", 100]);
  expect(world.whats()).toContain("Refused");
});
