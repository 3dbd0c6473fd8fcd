// The way back to the stable version: in steps where it is too small, never onto an empty side.

import { describe, expect, test } from "vitest";
import { noExposure } from "./exposure.ts";
import { canary } from "./testing/specs.ts";
import { twoVersions, World } from "./testing/world.ts";

describe("the way back", () => {
  test("goes in steps while the stable side is too small, with its pods asked for", () => {
    const world = new World({ spec: { ...canary, warm: "1h" } });
    world.until(({ phase }) => phase === "Finalising");
    world.versions = twoVersions.map((version) => (version.name === "v1" ? { ...version, readyPods: 2, scaleManaged: false } : version));
    world.ask("undo");
    world.pass(3);
    expect(world.applied?.exposure.weightPercent).toBe(50);
    expect(world.whats()).toContain("SteppedReturn");
    world.versions = twoVersions.map((version) => (version.name === "v1" ? { ...version, readyPods: 4 } : version));
    world.pass(2);
    expect(world.applied?.exposure).toEqual(noExposure);
  });

  test("waits no longer than it is worth", () => {
    const world = new World({ spec: { ...canary, warm: "1h" } });
    world.until(({ phase }) => phase === "Finalising");
    world.versions = twoVersions.map((version) => (version.name === "v1" ? { ...version, readyPods: 1 } : version));
    world.ask("undo");
    expect(world.until(({ phase }) => phase === "RolledBack", 140)).toBe(true);
  });

  test("never goes onto an empty side", () => {
    const world = new World({ spec: canary });
    world.until(({ applied }) => applied?.exposure.weightPercent === 50);
    world.versions = twoVersions.map((version) => (version.name === "v1" ? { ...version, readyPods: 0 } : version));
    world.ask("abort");
    world.pass(300);
    expect([world.run?.stage, world.applied?.exposure.weightPercent]).toEqual(["returning", 50]);
    expect(world.whats()).toContain("ReturnRefused");
    world.versions = twoVersions;
    expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  });

  test("scales up and down only what opted in", () => {
    const world = new World({ spec: canary, errors: { v2: 0.3 } });
    world.versions = twoVersions.map((version) => ({ ...version, scaleManaged: true }));
    world.until(({ phase }) => phase === "RolledBack", 60);
    expect([...world.effects.values()].filter(({ type }) => type === "scale")).toMatchObject([{ version: "v2", replicas: 0 }]);
  });
});
