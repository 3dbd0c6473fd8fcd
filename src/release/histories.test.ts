// Random histories with seeds: what must hold at every second of any of them, and that killing the engine at any place changes no end.

import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { randomOf } from "../stats/testing/random.ts";
import { decide } from "./decide.ts";
import { type Exposure, exposureAt, noExposure, publicPercent } from "./exposure.ts";
import { type Crash, monday, twoVersions, World } from "./testing/world.ts";

const beta = { headers: { "x-beta": { exact: "yes" } } };
const crashes: readonly (Crash | undefined)[] = ["beforeStore", "afterStore", "afterActions", undefined, undefined];

interface Script {
  readonly spec: Record<string, unknown>;
  readonly bad: boolean;
  readonly events: ReadonlyMap<number, (world: World) => void>;
}

/** A release and what happens to it, second by second. */
function scriptOf(seed: number): Script {
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => {
    const one = from[Math.floor(random() * from.length)];
    if (one === undefined) throw new Error("nothing to pick from");
    return one;
  };
  const kinds = [
    () => ({ setWeight: 5 * Math.ceil(random() * 18), for: "3s", advance: pick(["evidence", "clock"]) }),
    () => ({ setPercent: Math.ceil(random() * 80), for: "2s", advance: "clock" }),
    () => ({ match: { ...beta, for: "2s" } }),
    () => ({ mirror: { percent: 20, for: "3s" } }),
    () => ({ pause: { for: "4s" } }),
    () => ({ pause: {} }),
    () => ({ preview: { checks: [{ name: "home" }] } }),
    () => ({ ring: { name: "r", percent: Math.ceil(random() * 50), for: "2s" }, advance: "clock" }),
  ];
  const steps = Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(kinds)());
  const spec = {
    steps,
    sticky: { cookie: "c" },
    warm: "15s",
    drain: "2s",
    readyTimeout: "20s",
    onFailure: pick(["rollback", "rollback", "hold", "freeze"]),
    windows: { deny: random() < 0.2 ? [{ cron: "1 10 * * *", for: "1m" }] : [] },
    analysis: {
      metrics: [{ name: "errors", margin: { ratio: 1.5, plus: 0.05 } }],
      noData: pick(["hold", "pass", "fail"]),
      onSuspicion: pick(["hold", "lower"]),
      patience: "8s",
      timeout: "60s",
    },
  };
  const events = new Map<number, (world: World) => void>();
  const ask = (type: Parameters<World["ask"]>[0]) => (world: World) => world.ask(type, { percent: 7, reason: "why not" });
  const happenings = [
    ...(["pause", "resume", "promote", "set-weight"] as const).map(ask),
    (world: World) => world.ask("resume"),
    (world: World) => Object.assign(world, { hasProvider: false }),
    (world: World) => Object.assign(world, { hasProvider: true }),
    (world: World) => Object.assign(world, { acknowledges: !world.acknowledges }),
  ];
  for (let count = Math.floor(random() * 6); count > 0; count -= 1) events.set(2 + Math.floor(random() * 60), pick(happenings));
  const last = pick([
    () => {},
    ask("abort"),
    () => {},
    (world: World) => Object.assign(world, { versions: [...twoVersions, { name: "v3", since: monday, readyPods: 5 }] }),
  ]);
  events.set(70, (world) => {
    Object.assign(world, { hasProvider: true, acknowledges: true });
    last(world);
  });
  // Whatever waits for a person gets one in the end.
  for (let second = 100; second < 400; second += 20) events.set(second, (world) => world.ask(world.phase === "Held" ? "abort" : "resume"));
  return { spec, bad: random() < 0.3, events };
}

function play(seed: number, { kills, watch }: { readonly kills: boolean; readonly watch?: (world: World) => void }): World {
  const { spec, bad, events } = scriptOf(seed);
  const random = randomOf(seed + 1000);
  const world = new World({ stored: true, spec, seed, errors: { v1: 0.002, v2: bad ? 0.5 : 0.002, v3: 0.002 } });
  if (watch !== undefined) world.watch = watch;
  for (let second = 0; second < 420; second += 1) {
    if (second > 100 && world.run?.stage === "done") return world;
    events.get(second)?.(world);
    const crash = kills ? crashes[Math.floor(random() * crashes.length)] : undefined;
    world.tick(crash);
    // A killed engine is started again within the second, and sees the same world.
    if (crash !== undefined) {
      world.now -= 1000;
      world.tick();
    }
  }
  return world;
}

const seeds = Array.from({ length: 16 }, (_, index) => index + 1);

interface Before {
  readonly exposure: Exposure;
  readonly stage: string;
  readonly run: string;
}

/** What must hold at every second. */
function watcher(): (world: World) => void {
  let before: Before | undefined;
  return (world) => {
    const { run, state } = world;
    // What is stored is all there is, and the same call again decides nothing more.
    const again = decide({ name: "reviews", spec: world.spec, status: state, observed: world.observation(), now: world.now });
    if (!isDeepStrictEqual(again.status, state)) expect(again.status).toEqual(state);
    expect(state.outbox.length).toBeLessThan(150);
    if (run === undefined) return;
    const percent = publicPercent(run.exposure);
    expect([percent >= 0, percent <= 100]).toEqual([true, true]);
    const isStepping = ["blocked", "moving", "running", "held"].includes(run.stage);
    if (isStepping && run.override === undefined) {
      expect(publicPercent(run.exposure)).toBeLessThanOrEqual(publicPercent(exposureAt(run.steps, run.step)));
    }
    if (run.stage === "returning" && before?.stage === "returning" && before.run === run.id) {
      expect(publicPercent(run.exposure)).toBeLessThanOrEqual(publicPercent(before.exposure));
    }
    if (run.stage === "done" && run.outcome !== "succeeded") expect(run.exposure).toEqual(noExposure);
    before = { exposure: run.exposure, stage: run.stage, run: run.id };
  };
}

test.each(seeds)("history %i holds its promises, ends, and ends the same however often the engine is killed", (seed) => {
  const calm = play(seed, { kills: false, watch: watcher() });
  const killed = play(seed, { kills: true });
  expect(calm.run?.stage).toBe("done");
  const endOf = (world: World) => [world.state.stable, world.state.rejected, world.run?.outcome, world.run?.id, world.applied?.exposure];
  expect(endOf(killed)).toEqual(endOf(calm));
  // Every input once, every check once, no move under two numbers.
  expect(killed.state.lastInput).toBe(killed.inputs.length);
  expect(killed.repeats).toBe(0);
  const effects = (world: World) => [...world.effects.values()].filter(({ type }) => type !== "event");
  expect(effects(killed).map(({ type }) => type)).toEqual(effects(calm).map(({ type }) => type));
  const moves = effects(killed).flatMap((action) => (action.type === "expose" ? [action.move] : []));
  expect(new Set(moves).size).toBe(moves.length);
  const asked = killed.run?.decisions.filter(({ actor }) => actor === "ann").length;
  expect(asked).toBe(calm.run?.decisions.filter(({ actor }) => actor === "ann").length);
});
