// Scenarios: each strategy when all goes well, and what else can happen in steps that aren't shares.

import { describe, expect, test } from "vitest";
import { explain } from "./explain.ts";
import { everyone } from "./exposure.ts";
import { publicStatusOf } from "./status.ts";
import { quick, wide } from "./testing/specs.ts";
import { World } from "./testing/world.ts";

const beta = { headers: { "x-beta": { exact: "yes" } } };

describe("strategies when all goes well", () => {
  const strategies: readonly (readonly [name: string, spec: Record<string, unknown>, persons: number])[] = [
    ["canary", { strategy: "canary" }, 0],
    ["blueGreen", { strategy: "blueGreen", preview: { checks: [{ name: "home" }] } }, 0],
    ["abTest", { strategy: "abTest", variants: [{ name: "control" }, { name: "new", version: "v2", percent: 50 }] }, 1],
    ["shadow", { strategy: "shadow" }, 1],
    ["darkLaunch", { strategy: "darkLaunch", match: beta }, 1],
    [
      "graduated",
      {
        strategy: "graduated",
        sticky: { cookie: "c" },
        rings: [
          { name: "staff", match: beta },
          { name: "some", percent: 10 },
          { name: "many", percent: 50 },
        ],
      },
      0,
    ],
    ["rolling", { strategy: "rolling" }, 0],
    ["recreate", { strategy: "recreate" }, 0],
    ["featureToggle", { strategy: "featureToggle", flag: { name: "new-cart", variant: "fresh" } }, 1],
  ];

  test.each(strategies)("%s", async (name, spec, persons) => {
    // A comparison ends by itself when it is decided; the others need nothing to differ.
    const errors = name === "abTest" ? { v1: 0.2, v2: 0.02 } : {};
    const world = new World({ spec: { analysis: wide, warm: "20s", ...spec }, errors });
    const pods = (updatedReady: number) => ({
      direction: "forward" as const,
      updatedReady,
      total: 5,
      ...(name === "recreate" ? { gapMs: 1800 } : {}),
    });
    world.watch = () => {
      if ([...world.effects.values()].some(({ type }) => type === "rollout"))
        world.rollout = pods(Math.min(5, (world.rollout?.updatedReady ?? 0) + 1));
    };
    for (let person = 0; person < persons; person += 1) {
      expect(world.until(({ phase }) => phase === "Paused")).toBe(true);
      world.pass(3);
      expect(world.phase).toBe("Paused");
      world.ask("resume", { reason: "looks good" });
    }
    expect(world.until(({ phase }) => phase === "Finalising")).toBe(true);
    const told = world.run === undefined ? [] : explain(world.run);
    await expect(`${told.join("\n")}\n`).toMatchFileSnapshot(`testdata/${name}.txt`);
    expect(world.until(({ phase }) => phase === "Succeeded", 30)).toBe(true);
    expect(world.state.stable).toBe("v2");
    expect(world.repeats).toBe(0);
  });
});

describe("steps that aren't shares", () => {
  test("failed copies are told as copies, and a comparison with its intervals while it goes on", () => {
    const copied = new World({ spec: { steps: [{ mirror: { percent: 100, for: "60s" } }, { pause: {} }] }, errors: { v2: 0.3 } });
    expect(copied.until(({ phase }) => phase === "RolledBack", 60)).toBe(true);
    const lines = copied.run === undefined ? [] : explain(copied.run);
    expect(lines.at(-1)).toMatch(/; (\d+) requests to v2 failed \(\1 of them copies\)$/);

    const variants = [{ name: "control" }, { name: "new", version: "v2", percent: 50 }];
    const compared = new World({ spec: { strategy: "abTest", sticky: { cookie: "c" }, variants, analysis: wide } });
    compared.pass(10);
    const { verdict } = publicStatusOf(compared.state, { spec: compared.spec, now: compared.now, generation: 1 });
    expect(verdict).toMatch(/^new: errors [\d.]+ % against [\d.]+ % \(difference .+ to .+\); errors /);
    compared.ask("promote");
    compared.pass(1);
    expect(compared.state.answers?.at(-1)?.sentence).toMatch(/^ann asked to promote: on to the next step; new: errors .* \(difference /);
  });

  test("a preview whose check fails goes back before anybody saw it", () => {
    const spec = { strategy: "blueGreen", preview: { checks: [{ name: "home" }] } };
    const world = new World({ spec, check: (name) => ({ name, ok: false, detail: "503" }) });
    expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
    expect(world.run?.because).toBe("check home of preview-reviews failed: 503");
    expect([...world.effects.values()].filter((action) => action.type === "expose" && action.exposure.weightPercent > 0)).toEqual([]);
    expect(world.run?.decisions.find(({ what }) => what === "TrafficBack")?.sentence).toMatch(
      /^v1 still has all traffic, 14 of 14 proxies/,
    );
  });

  test("a dark launch that fails its people is found by the limit", () => {
    const world = new World({ spec: { strategy: "darkLaunch", match: beta }, errors: { v2: 0.3 } });
    expect(world.until(({ phase }) => phase === "RolledBack", 120)).toBe(true);
    expect(world.run?.because).toContain("above the limit of 5 %");
    expect(world.run?.decisions.find(({ what }) => what === "TrafficBack")?.sentence).toMatch(/^v1 has all traffic again, /);
  });

  test("a rollout that can't go on is taken back", () => {
    const world = new World({ spec: { strategy: "rolling" } });
    world.pass(3);
    world.rollout = { direction: "forward", updatedReady: 1, total: 5, failed: "progress deadline exceeded" };
    world.pass(2);
    expect([...world.effects.values()].filter(({ type }) => type === "rollout")).toMatchObject([
      { direction: "forward" },
      { direction: "undo" },
    ]);
    world.rollout = { direction: "undo", updatedReady: 5, total: 5 };
    expect(world.until(({ phase }) => phase === "RolledBack", 20)).toBe(true);
  });

  test("matches and cohorts only grow from step to step, copies end with theirs", () => {
    const spec = {
      sticky: { cookie: "c" },
      analysis: { ...wide, advance: "clock" },
      steps: [
        { mirror: { percent: 10, for: "3s" } },
        { match: { ...beta, for: "3s" } },
        { setPercent: 10, ...quick },
        { setPercent: 5, ...quick },
      ],
    };
    const world = new World({ spec });
    world.until(({ phase }) => phase === "Finalising", 100);
    const seen = [...world.effects.values()].flatMap((action) => (action.type === "expose" ? [action.exposure] : []));
    expect(seen.map(({ mirrorPercent, matches, usersPercent }) => [mirrorPercent, matches.length, usersPercent])).toEqual([
      [10, 0, 0],
      [0, 1, 0],
      [0, 1, 10],
      [0, 0, 0],
    ]);
    expect(seen.at(-1)).toEqual(everyone);
  });
});
