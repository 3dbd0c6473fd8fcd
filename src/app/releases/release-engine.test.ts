// The engine over a real store: what it does to a release's traffic, what it tells, and that a kill loses nothing.

import { describe, expect, test } from "vitest";
import { randomOf } from "../../stats/testing/random.ts";
import { releaseRoutesOf } from "./release-routes.ts";
import { EngineWorld } from "./testing/engine-world.ts";

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
    const world = new EngineWorld(canary);
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
    const world = new EngineWorld(canary);
    world.create(raw("DestinationRule", { host: "catalog", subsets: [{ name: "new", labels: { version: "v2" } }] }));
    world.create(raw("VirtualService", { hosts: ["catalog"], http: [{ route: [{ destination: { host: "catalog", subset: "new" } }] }] }));
    for (let passed = 0; passed < 5; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "Idle", stable: "v2" });
  });

  test("sends a bad one back by itself and doesn't start it again", () => {
    const world = new EngineWorld({ ...canary, steps: [{ setWeight: 10 }, { setWeight: 50 }] });
    world.errors["v2"] = 0.3;
    world.until("RolledBack");
    expect(world.share).toBe(0);
    for (let passed = 0; passed < 30; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "RolledBack", stable: "v1" });
    expect(world.store.list("ReleaseRun").length).toBe(1);
  });

  test("a move waits for every proxy", () => {
    const world = new EngineWorld(canary);
    world.acknowledges = false;
    for (let passed = 0; passed < 20; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "Progressing", step: 1, proxies: { acknowledged: 2, total: 3 } });
    world.acknowledges = true;
    world.until("Succeeded");
  });

  test("a proxy that runs without a stream hasn't the move: the control plane may just have come back", () => {
    const world = new EngineWorld(canary);
    world.absent = ["client.shop"];
    for (let passed = 0; passed < 20; passed += 1) world.second();
    expect(world.status).toMatchObject({ phase: "Progressing", step: 1, proxies: { acknowledged: 3, total: 4 } });
    world.absent = ["ended.shop"];
    world.until("Succeeded");
  });

  test("killed at any second it repeats no step and goes on", () => {
    const calm = new EngineWorld(canary);
    calm.until("Succeeded");
    for (const seed of [1, 2, 3, 4, 5]) {
      const world = new EngineWorld(canary);
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
    const world = new EngineWorld({
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
    const world = new EngineWorld({ ...canary, warm: "10m" });
    world.until("Finalising");
    expect(world.share).toBe(100);
    world.ask("undo");
    world.second();
    expect(world.share).toBe(0);
    world.until("RolledBack");
  });

  test("a second Release of the service decides nothing, whatever its name, until the older one is gone", () => {
    const world = new EngineWorld({ ...canary, steps: [{ setWeight: 10, for: "60s" }] });
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
    const world = new EngineWorld({ ...canary, steps: [{ setWeight: 10, for: "60s" }] });
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
    const world = new EngineWorld(canary);
    world.store.delete({ kind: "Release", namespace: "shop", name: "catalog" });
    expect(() => world.ask("promote")).toThrow("there is no release shop/catalog");
  });
});
