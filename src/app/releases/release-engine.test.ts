import { describe, expect, test } from "vitest";
import { silentLogger } from "../../lib/log.ts";
import type { PersonInput, SampleSecond } from "../../release/observation.ts";
import { wishOf } from "../../release/status.ts";
import { binomial, randomOf } from "../../stats/testing/random.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import type { RawResource, Store } from "../../store/store.ts";
import { ReleaseEngine } from "./release-engine.ts";
import { releaseRoutesOf } from "./release-routes.ts";
import { storedReleaseOf } from "./stored-release.ts";

const startMs = Date.UTC(2026, 10, 2, 10);

/** A store with a service of two versions, proxies that know everything at once, and seeded traffic that goes where the stored state says. */
class World {
  now = startMs;
  readonly store: Store;
  readonly told: string[] = [];
  readonly errors: Record<string, number> = { v1: 0.001, v2: 0.001 };
  acknowledges = true;
  /** Proxies without a stream. */
  absent: string[] = ["ended.shop"];
  hasSamples = true;
  kills = 0;
  /** Every exposure that was ever stored, in order. */
  readonly shares: number[] = [];
  #engine: ReleaseEngine;

  constructor(spec: Record<string, unknown>) {
    let uids = 0;
    this.store = new MemoryStore({
      clock: { now: () => this.now, monotonic: () => this.now },
      parser: apiParser,
      newUid: () => {
        uids += 1;
        return `uid-${uids}`;
      },
    });
    this.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    this.create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "catalog", namespace: "shop" },
      spec: { selector: { app: "catalog" }, ports: [{ port: 80 }] },
    });
    this.version("v1");
    this.now += 5000;
    this.version("v2");
    this.create({
      apiVersion: "lateen.io/v1alpha1",
      kind: "Release",
      metadata: { name: "catalog", namespace: "shop" },
      spec: { service: "catalog", ...spec },
    });
    this.#engine = this.#newEngine();
  }

  create(raw: RawResource): void {
    const result = this.store.create(raw);
    if (!result.accepted) throw new Error(JSON.stringify(result.diagnostics));
  }

  version(version: string): void {
    const labels = { app: "catalog", version };
    const containers = [{ name: "app", image: "catalog" }];
    const metadata = { name: `catalog-${version}`, namespace: "shop" };
    const spec = { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } };
    this.create({ apiVersion: "apps/v1", kind: "ReplicaSet", metadata, spec });
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: `catalog-${version}-0`, namespace: "shop", labels },
      spec: { containers },
    };
    this.create(pod);
    this.store.updateStatus({ ...pod, status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] } });
  }

  #newEngine(): ReleaseEngine {
    return new ReleaseEngine({
      store: this.store,
      ads: {
        onChange: () => () => {},
        revisionProgress: (revision) => ({
          revision,
          connected: 3,
          acknowledged: this.acknowledges ? 3 : 2,
          lagging: [],
          disconnected: this.absent,
        }),
      },
      runs: (proxyId) => proxyId !== "ended.shop",
      samples: {
        secondsOf: (_, after) => (this.hasSamples ? this.#secondsAfter(after) : []),
        record: () => {},
        refOf: () => "",
      },
      sendChecks: async (_, __, { checks }) => checks.map(({ name }) => ({ name, ok: true, detail: "200" })),
      tell: (_, { reason }) => void this.told.push(reason),
      nowMs: () => this.now,
      logger: silentLogger,
    });
  }

  #secondsAfter(after: number): readonly SampleSecond[] {
    const second = Math.floor(this.now / 1000);
    if (second <= after) return [];
    const random = randomOf(second);
    const toCandidate = binomial(random, 100, this.share / 100);
    const arm = (version: string, requests: number) => ({ requests, errors: binomial(random, requests, this.errors[version] ?? 0) });
    return [{ second, arms: { v1: arm("v1", 100 - toCandidate), v2: arm("v2", toCandidate) } }];
  }

  get release() {
    const stored = this.store.get("Release", "shop", "catalog");
    if (stored === undefined) throw new Error("no release");
    return stored;
  }

  get status(): Readonly<Record<string, unknown>> {
    return this.release.value.status ?? {};
  }

  /** What the routes would give the candidate, by the store alone. */
  get share(): number {
    return wishOf(storedReleaseOf(this.release.value).state)?.exposure.weightPercent ?? 0;
  }

  ask(type: PersonInput["type"], more: Partial<PersonInput> = {}, release = "catalog"): void {
    this.#engine.ask("shop", release, { type, actor: "ann", reason: "because", ...more });
  }

  /** As in a mesh: it hears of the store's changes. */
  start(): void {
    this.#engine.start();
  }

  /** As after kill -9: nothing but the store is left. */
  kill(): void {
    this.#engine.close();
    this.#engine = this.#newEngine();
    this.kills += 1;
  }

  /** Decides without looking at what became of it. */
  tick(): void {
    this.now += 1000;
    this.#engine.tick();
  }

  second(): void {
    this.now += 1000;
    // Decisions that follow at once within a second.
    for (let turn = 0; turn < 3; turn += 1) this.#engine.tick();
    if (this.shares.at(-1) !== this.share) this.shares.push(this.share);
  }

  until(phase: string, seconds = 600): number {
    for (let passed = 0; passed < seconds; passed += 1) {
      if (this.status["phase"] === phase) return passed;
      this.second();
    }
    throw new Error(`${phase} was never reached: ${JSON.stringify(this.status["verdict"])} ${JSON.stringify(this.status["phase"])}`);
  }
}

const canary = {
  steps: [
    { setWeight: 10, for: "5s" },
    { setWeight: 50, for: "5s" },
  ],
  analysis: { metrics: [{ name: "errors", margin: { plus: 0.02 } }] },
  warm: "10s",
};

describe("the engine", () => {
  test("promotes a good candidate step by step, and every transition is an Event on Release and Service", () => {
    const world = new World(canary);
    world.until("Succeeded");
    expect(world.shares).toEqual([10, 50, 100]);
    const events = world.store.list("Event").map(({ value }) => `${value.involvedObject.kind} ${value.reason}`);
    for (const reason of ["Started", "StepEntered", "Promoted", "Succeeded"]) {
      expect(events).toContain(`Release ${reason}`);
      expect(events).toContain(`Service ${reason}`);
    }
    expect(world.told.filter((reason) => reason === "Promoted")).toEqual(["Promoted"]);
    expect(world.store.get("ReleaseRun", "shop", "catalog-1")?.value.status).toMatchObject({ outcome: "succeeded" });
  });

  test("takes no traffic from the version that routes name, although an older one has pods", () => {
    const raw = (kind: string, spec: object) => ({
      apiVersion: "networking.istio.io/v1",
      kind,
      metadata: { name: "catalog", namespace: "shop" },
      spec,
    });
    const world = new World(canary);
    world.create(raw("DestinationRule", { host: "catalog", subsets: [{ name: "new", labels: { version: "v2" } }] }));
    world.create(raw("VirtualService", { hosts: ["catalog"], http: [{ route: [{ destination: { host: "catalog", subset: "new" } }] }] }));
    for (let passed = 0; passed < 5; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "Idle", stable: "v2" });
  });

  test("sends a bad one back by itself and doesn't start it again", () => {
    const world = new World({ ...canary, steps: [{ setWeight: 10 }, { setWeight: 50 }] });
    world.errors["v2"] = 0.3;
    world.until("RolledBack");
    expect(world.share).toBe(0);
    for (let passed = 0; passed < 30; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "RolledBack", stable: "v1" });
    expect(world.store.list("ReleaseRun").length).toBe(1);
  });

  test("a move waits for every proxy", () => {
    const world = new World(canary);
    world.acknowledges = false;
    for (let passed = 0; passed < 20; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "Progressing", step: 1, proxies: { acknowledged: 2, total: 3 } });
    world.acknowledges = true;
    world.until("Succeeded");
  });

  test("a proxy that runs without a stream hasn't the move: the control plane may just have come back", () => {
    const world = new World(canary);
    world.absent = ["client.shop"];
    for (let passed = 0; passed < 20; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "Progressing", step: 1, proxies: { acknowledged: 3, total: 4 } });
    world.absent = ["ended.shop"];
    world.until("Succeeded");
  });

  test("killed at any second it repeats no step and goes on", () => {
    const calm = new World(canary);
    calm.until("Succeeded");
    for (const seed of [1, 2, 3, 4, 5]) {
      const world = new World(canary);
      const random = randomOf(seed);
      for (let passed = 0; passed < 400 && world.status["phase"] !== "Succeeded"; passed += 1) {
        world.second();
        if (random() < 0.3) world.kill();
      }
      expect(world.kills).toBeGreaterThan(5);
      expect(world.status["phase"]).toBe("Succeeded");
      expect(world.shares).toEqual(calm.shares);
      const entered = world.store.list("Event").filter(({ value }) => value.reason === "StepEntered");
      expect(entered.length).toBe(4);
    }
  });

  test("a kill right after a person's approval loses it not", () => {
    const world = new World({
      ...canary,
      steps: [{ setWeight: 10, for: "1s", advance: "clock" }, { pause: {} }, { setWeight: 50, for: "1s" }],
    });
    world.until("Paused");
    world.ask("resume", { actor: "bob", reason: "looks fine" });
    world.kill();
    world.until("Succeeded");
    const decisions = JSON.stringify(world.store.get("ReleaseRun", "shop", "catalog-1")?.value.status?.["decisions"]);
    expect(decisions.split("ResumeAsked").length).toBe(2);
    expect(decisions).toContain('bob asked to resume (\\"looks fine\\")');
  });

  test("undo brings the old version back while it is warm", () => {
    const world = new World({ ...canary, warm: "10m" });
    world.until("Finalising");
    expect(world.share).toBe(100);
    world.ask("undo");
    world.second();
    expect(world.share).toBe(0);
    world.until("RolledBack");
  });

  test("a second Release of the service decides nothing, whatever its name, until the older one is gone", () => {
    const world = new World({ ...canary, steps: [{ setWeight: 10, for: "60s" }] });
    for (let passed = 0; passed < 5; passed += 1) world.second();
    const raw = { apiVersion: "lateen.io/v1alpha1", kind: "Release", metadata: { name: "a-newcomer", namespace: "shop" } };
    world.create({ ...raw, spec: { service: "catalog", steps: [{ setWeight: 90, for: "60s" }] } });
    for (let passed = 0; passed < 5; passed += 1) world.second();
    const newcomer = () => world.store.get("Release", "shop", "a-newcomer")?.value;
    expect([world.status["phase"], newcomer()?.status]).toEqual(["Progressing", undefined]);
    const shares = () => releaseRoutesOf(world.store.snapshot()).map((route) => [route.name, route.shares]);
    expect(shares()).toEqual([["shop/catalog", [9000, 1000]]]);
    expect(() => world.ask("promote", {}, "a-newcomer")).toThrow("service shop/catalog is release catalog's");

    world.store.delete({ kind: "Release", namespace: "shop", name: "catalog" });
    world.tick();
    expect(newcomer()?.status).toMatchObject({ phase: "Progressing", weightPercent: 90 });
    expect(shares()).toEqual([["shop/a-newcomer", [1000, 9000]]]);
  });

  test("deleted in the middle of a run it says on the Service what that means", async () => {
    const world = new World({ ...canary, steps: [{ setWeight: 10, for: "60s" }] });
    for (let passed = 0; passed < 5; passed += 1) world.second();
    world.start();
    world.store.delete({ kind: "Release", namespace: "shop", name: "catalog" });
    await new Promise((resolve) => setImmediate(resolve));
    world.kill();
    const events = world.store.list("Event").filter(({ value }) => value.reason === "ReleaseDeleted");
    const words =
      "release catalog was deleted while v2 had 10 %: routes alone decide now, and without subsets every ready pod of catalog gets requests (v1: 1, v2: 1)";
    expect(events.map(({ value }) => `${value.involvedObject.kind} ${value.type}: ${value.message}`)).toEqual(
      expect.arrayContaining([`Service Warning: ${words}`]),
    );
    expect(world.told).toContain("ReleaseDeleted");
  });

  test("what isn't there can't be asked", () => {
    const world = new World(canary);
    world.store.delete({ kind: "Release", namespace: "shop", name: "catalog" });
    expect(() => world.ask("promote")).toThrow("there is no release shop/catalog");
  });
});
