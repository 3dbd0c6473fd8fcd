import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomOf } from "../../stats/testing/random.ts";
import { decideRollout, fenceOf, type RolloutInput, type RolloutSet, scaledValue } from "./rollout.ts";

const rolling = (maxSurge: number | string, maxUnavailable: number | string) =>
  ({ type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } }) as const;

describe("limits", () => {
  test.each([
    ["25%", "25%", 4, { surge: 1, unavailable: 1 }],
    ["25%", "25%", 3, { surge: 1, unavailable: 0 }],
    ["25%", "25%", 10, { surge: 3, unavailable: 2 }],
    ["0%", "10%", 5, { surge: 0, unavailable: 1 }],
    [0, 0, 5, { surge: 0, unavailable: 1 }],
    [2, 7, 5, { surge: 2, unavailable: 5 }],
    ["100%", "0", 3, { surge: 3, unavailable: 0 }],
  ])("surge %s, unavailable %s of %i", (surge, unavailable, replicas, expected) => {
    expect(fenceOf(rolling(surge, unavailable), replicas)).toEqual(expected);
  });

  test("text that is no percentage counts as 0", () => {
    expect(scaledValue("many", 10, Math.ceil)).toBe(0);
  });
});

describe("steps", () => {
  const set = (name: string, desired: number, available = desired, existing = desired): RolloutSet => ({
    name,
    desired,
    available,
    active: desired,
    existing,
  });
  const input = (change: Partial<RolloutInput>): RolloutInput => ({
    replicas: 4,
    strategy: rolling(1, 1),
    paused: false,
    current: undefined,
    old: [],
    ...change,
  });

  test.each<[string, Partial<RolloutInput>, ReturnType<typeof decideRollout>]>([
    ["grows into the surge", { current: set("new", 0), old: [set("old", 4)] }, [{ name: "new", replicas: 1 }]],
    ["then shrinks the old", { current: set("new", 1, 0), old: [set("old", 4)] }, [{ name: "old", replicas: 3 }]],
    ["waits for the new one", { current: set("new", 2, 0), old: [set("old", 3)] }, []],
    ["takes out unhealthy old pods first", { current: set("new", 2, 0), old: [set("a", 2, 0), set("b", 3)] }, [{ name: "a", replicas: 0 }]],
    ["clips what is too large", { current: set("new", 6) }, [{ name: "new", replicas: 4 }]],
    [
      "recreate: old ones first",
      { strategy: { type: "Recreate" }, current: set("new", 0), old: [set("old", 4)] },
      [{ name: "old", replicas: 0 }],
    ],
    ["recreate: waits for ending pods", { strategy: { type: "Recreate" }, current: set("new", 0), old: [set("old", 0, 0, 2)] }, []],
    [
      "recreate: then all new ones",
      { strategy: { type: "Recreate" }, current: set("new", 0), old: [set("old", 0)] },
      [{ name: "new", replicas: 4 }],
    ],
    ["paused: nothing rolls", { paused: true, current: set("new", 1), old: [set("old", 3)] }, []],
    [
      "paused: the number follows",
      { paused: true, replicas: 6, current: set("new", 1), old: [set("old", 3)] },
      [{ name: "old", replicas: 5 }],
    ],
  ])("%s", (_name, change, expected) => {
    expect(decideRollout(input(change))).toEqual(expected);
  });
});

describe("any rollout", () => {
  const limit = fc.oneof(
    fc.integer({ min: 0, max: 6 }),
    fc.integer({ min: 0, max: 100 }).map((percent) => `${percent}%`),
  );

  test("keeps within its limits at every state and ends, whatever the order of reports and readiness", () => {
    const cases = fc.record({
      replicas: fc.integer({ min: 0, max: 12 }),
      surge: limit,
      unavailable: limit,
      changes: fc.integer({ min: 1, max: 3 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(cases, ({ replicas, surge, unavailable, changes, seed }) => {
        const strategy = rolling(surge, unavailable);
        const fence = fenceOf(strategy, replicas);
        const world = new SetWorld(replicas, randomOf(seed));
        for (let change = 0; change < changes; change += 1) {
          world.newTemplate();
          const patience = change === changes - 1 ? 5000 : 7;
          for (let step = 0; step < patience && !world.isDone(); step += 1) {
            world.step(strategy);
            expect(world.total()).toBeLessThanOrEqual(replicas + fence.surge);
            expect(world.available()).toBeGreaterThanOrEqual(replicas - fence.unavailable);
          }
        }
        expect(world.isDone()).toBe(true);
      }),
      { seed: 20_301, numRuns: 500 },
    );
  });
});

interface SimulatedSet {
  readonly name: string;
  desired: number;
  /** Ready or not, one per pod. */
  pods: boolean[];
  /** What it reported last. */
  reported: number;
}

/** ReplicaSets and pods of which any may move next: reports are late, pods get ready in any order. */
class SetWorld {
  readonly #replicas: number;
  readonly #random: () => number;
  readonly #sets: SimulatedSet[];

  constructor(replicas: number, random: () => number) {
    this.#replicas = replicas;
    this.#random = random;
    this.#sets = [{ name: "0", desired: replicas, pods: Array.from({ length: replicas }, () => true), reported: replicas }];
  }

  newTemplate(): void {
    this.#sets.push({ name: String(this.#sets.length), desired: 0, pods: [], reported: 0 });
  }

  total(): number {
    return this.#sets.reduce((sum, { pods }) => sum + pods.length, 0);
  }

  available(): number {
    return this.#sets.reduce((sum, { pods }) => sum + pods.filter(Boolean).length, 0);
  }

  isDone(): boolean {
    const current = this.#sets.at(-1);
    return current?.pods.length === this.#replicas && current.pods.every(Boolean) && this.total() === this.#replicas;
  }

  step(strategy: RolloutInput["strategy"]): void {
    const set = this.#sets[Math.floor(this.#random() * this.#sets.length)];
    const choice = this.#random();
    if (set === undefined || choice < 0.3) this.#decide(strategy);
    else if (choice < 0.6) syncPods(set);
    else if (choice < 0.8) set.reported = set.pods.filter(Boolean).length;
    else {
      const waiting = set.pods.flatMap((ready, index) => (ready ? [] : [index]));
      const chosen = waiting[Math.floor(this.#random() * waiting.length)];
      if (chosen !== undefined) set.pods[chosen] = true;
    }
  }

  #decide(strategy: RolloutInput["strategy"]): void {
    const seen = this.#sets.map(({ name, desired, reported, pods }) => ({
      name,
      desired,
      available: reported,
      active: pods.length,
      existing: pods.length,
    }));
    const scalings = decideRollout({ replicas: this.#replicas, strategy, paused: false, current: seen.at(-1), old: seen.slice(0, -1) });
    for (const { name, replicas } of scalings) {
      const set = this.#sets.find((candidate) => candidate.name === name);
      if (set !== undefined) set.desired = replicas;
    }
  }
}

/** A ReplicaSet at work: makes what is missing, deletes what is too much, pods that are not ready first. */
function syncPods(set: SimulatedSet): void {
  while (set.pods.length < set.desired) set.pods.push(false);
  while (set.pods.length > set.desired) {
    const unready = set.pods.indexOf(false);
    set.pods.splice(Math.max(unready, 0), 1);
  }
}
