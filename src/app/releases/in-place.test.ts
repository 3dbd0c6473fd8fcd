// A Deployment whose template changes under a Release, with the real controllers: it runs, goes forward, is undone, and knows its templates.

import { expect, test } from "vitest";
import { deploymentRaw } from "../../platform/controllers/testing/world.ts";
import { templateArm } from "../../telemetry/samples/try-seconds.ts";
import { catalog, InPlace, settings } from "./testing/in-place.ts";

test("a rolling update with another version label goes through, counted in pods, and is final after its warm time", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  world.arms = { v1: { requests: 60, errors: 0 }, v2: { requests: 30, errors: 0 } };
  await world.update(catalog("two", "v2"));
  await world.second(false);
  expect(world.status).toMatchObject({ phase: "Progressing", candidate: "v2" });
  await world.second(false);
  expect(world.status).toMatchObject({
    verdict: expect.stringContaining("0 of 3 pods are new and ready"),
    rollout: { updatedReady: 0, total: 3 },
  });
  await world.until("Succeeded");
  expect(world.status).toMatchObject({ stable: "v2" });
  expect(world.told).toContainEqual(expect.stringContaining("StepDone: 3 of 3 pods are new and ready"));
  expect(world.told.join()).not.toContain("Indistinct");
  expect(world.made.store.get("Deployment", "default", "catalog")?.value.spec.replicas).toBe(3);
});

test("a template with the same label is a version by its hash, which is what callers' counts know it by", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  const [old = ""] = world.hashes("one");
  await world.update(catalog("two", "v1"));
  await world.second(false);
  const [hash = ""] = world.hashes("two");
  world.arms = {
    [templateArm("v1", old)]: { requests: 60, errors: 0 },
    [templateArm("v1", hash)]: { requests: 30, errors: 0 },
    // A pod that no Deployment made.
    v1: { requests: 1000, errors: 1000 },
  };
  await world.until("Finalising");
  expect(world.status).toMatchObject({ stable: "v1", candidate: `v1-${hash}`, failedRequests: 0 });
  expect(world.told.join()).not.toContain("Indistinct");
  world.ask("undo");
  await world.until("RolledBack");
  expect(world.image).toBe("one");
  expect(world.made.pods("one").length).toBe(3);
});

test("a ready template with the same label that fails requests is undone on evidence", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  const [old = ""] = world.hashes("one");
  await world.update(catalog("two", "v1"));
  await world.second(false);
  const [hash = ""] = world.hashes("two");
  world.arms = { [templateArm("v1", old)]: { requests: 60, errors: 0 }, [templateArm("v1", hash)]: { requests: 60, errors: 3 } };
  for (let passed = 0; passed < 12 && world.status["phase"] !== "RolledBack"; passed += 1) await world.second();
  await world.until("RolledBack");
  expect(world.status["verdict"]).toMatch(/^errors 5 % of \d+ against 0 % of \d+: worse than allowed by errors/);
  expect([world.image, world.status["stable"]]).toEqual(["one", "v1"]);
});

test("pods without a version label are versions by their templates too", async () => {
  const world = new InPlace({ strategy: "rolling" });
  const bare = (image: string) => {
    const template = { metadata: { labels: { app: "catalog" } }, spec: { containers: [{ name: "app", image }] } };
    return deploymentRaw("catalog", image, { replicas: 3, template });
  };
  world.create(bare("one"));
  await world.made.settle();
  await world.second();
  const [old = ""] = world.hashes("one");
  expect(world.status).toMatchObject({ phase: "Idle", stable: old });
  await world.update(bare("two"));
  await world.second(false);
  const [hash = ""] = world.hashes("two");
  world.arms = { [templateArm("unknown", old)]: { requests: 60, errors: 0 }, [templateArm("unknown", hash)]: { requests: 60, errors: 3 } };
  await world.until("RolledBack");
  expect(world.status).toMatchObject({ stable: old, candidate: hash, verdict: expect.stringContaining("worse than allowed by errors") });
  expect([world.image, world.made.pods("one").length]).toEqual(["one", 3]);
});

test.each([
  { strategy: "rolling", errors: 3, ends: "RolledBack", image: "one" },
  { strategy: "rolling", errors: 0, ends: "Succeeded", image: "two" },
  { strategy: "recreate", errors: 3, ends: "RolledBack", image: "one" },
])(
  "$strategy over in a second: $errors of 60 failed, compared with the minute before: $ends",
  async ({ strategy, errors, ends, image }) => {
    const world = new InPlace({ strategy, warm: "45s" });
    await world.started();
    const armOf = (template: string) => templateArm("v1", world.hashes(template)[0] ?? "");
    world.arms = { [armOf("one")]: { requests: 60, errors: 0 } };
    for (let passed = 0; passed < 60; passed += 1) await world.second();
    await world.update(catalog("two", "v1", strategy === "recreate" ? { strategy: { type: "Recreate" } } : {}));
    await world.second();
    world.arms = { [armOf("two")]: { requests: 60, errors } };
    await world.until(ends);
    expect([world.image, world.status["stable"] === "v1"]).toEqual([image, image === "one"]);
    if (errors > 0)
      expect(world.status["verdict"]).toMatch(/^errors 5 % of \d+, 0 % of \d+ before the update: worse than allowed by errors/);
  },
);

test("what only knows the label that both templates have is told, and judged by limits", async () => {
  const query = { name: "declined", provider: "webhook", query: "http://127.0.0.1:1/" };
  const world = new InPlace({ strategy: "rolling", analysis: { metrics: [query], limits: [{ name: "declined", max: 0.1 }] } });
  await world.started();
  await world.update(catalog("two", "v1"));
  world.arms = { v1: { requests: 0, errors: 0, metrics: { declined: { trials: 100, events: 40 } } } };
  await world.until("RolledBack");
  expect(world.told).toContainEqual(
    expect.stringContaining("Indistinct: pods of the old and the new template have the same label version, by which declined"),
  );
  expect(world.told).toContainEqual(expect.stringContaining("LimitCrossed: declined 40 %"));
});

test("containers that crash are undone, not started again by the engine, but by whoever asks or deploys it anew", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  await world.update(catalog("two", "v2"));
  await world.second(false);
  for (const pod of world.made.pods("two")) world.crash(pod);
  await world.until("RolledBack");
  expect(world.image).toBe("one");
  expect(world.status).toMatchObject({ verdict: expect.stringContaining("container app of pod catalog-") });
  for (let passed = 0; passed < 5; passed += 1) await world.second();
  expect(world.status).toMatchObject({ phase: "RolledBack", run: "catalog-1" });
  world.ask("retry");
  await world.until("Succeeded");
  expect(world.image).toBe("two");
  expect(world.status).toMatchObject({ run: "catalog-2", stable: "v2" });
});

test("a rejected template that somebody deploys again is judged again", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  await world.update(catalog("two", "v2"));
  await world.second(false);
  world.ask("abort");
  await world.until("RolledBack");
  await world.update(catalog("two", "v2"));
  await world.until("Succeeded");
  expect(world.status).toMatchObject({ run: "catalog-2", stable: "v2" });
});

test("a third template in the middle takes the second one's place and isn't undone", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  await world.update(catalog("two", "v2"));
  await world.second(false);
  await world.update(catalog("three", "v3"));
  await world.until("Succeeded");
  expect(world.told).toContainEqual(expect.stringContaining("Superseded: v3 is newer than v2"));
  expect([world.image, world.status["stable"], world.status["run"]]).toEqual(["three", "v3", "catalog-2"]);
});

test("whoever takes the template back by hand ends the run", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  await world.update(catalog("two", "v2"));
  await world.second(false);
  await world.second(false);
  await world.update(catalog("one", "v1"));
  await world.until("RolledBack");
  expect(world.status).toMatchObject({ stable: "v1", verdict: expect.stringContaining("its template is that of v1 again") });
});

test("recreate measures how long no pod was ready", async () => {
  const world = new InPlace({ strategy: "recreate" });
  const strategy = { type: "Recreate" };
  world.create(catalog("one", "v1", { strategy }));
  await world.made.settle();
  await world.second();
  await world.update(catalog("two", "v2", { strategy }));
  for (let passed = 0; passed < 4; passed += 1) await world.second(false);
  expect(world.status).toMatchObject({ phase: "Progressing", verdict: "0 of 3 pods are new and ready" });
  await world.until("Finalising");
  expect(world.told).toContainEqual(expect.stringMatching(/StepDone: 3 of 3 pods are new and ready; nobody answered for \d(\.\d)? s/));
  expect(world.status).toMatchObject({ gapMs: 4000 });
});

test("a ConfigMap that changes under a run is told once", async () => {
  const world = new InPlace({ strategy: "rolling" });
  await world.started();
  await world.update(settings("blue"));
  await world.update(catalog("two", "v2"));
  await world.second(false);
  await world.update(settings("green"));
  await world.second(false);
  await world.second(false);
  const told = world.told.filter((line) => line.startsWith("ConfigurationChanged"));
  expect(told).toEqual([expect.stringContaining("ConfigMap settings changed while v2 is in flight")]);
});
