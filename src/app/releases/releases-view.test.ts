import { expect, test } from "vitest";
import { firstState, type ReleaseState } from "../../release/state.ts";
import { World } from "../../release/testing/world.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { createReleasesView } from "./releases-view.ts";

const meta = (name: string) => ({ name, namespace: "shop" });

/** Two versions of catalog, v2 five seconds younger, and what the API says of the Release in this state. */
function viewOf(state: ReleaseState, spec: object = {}) {
  let now = Date.UTC(2026, 10, 2, 10);
  let uids = 0;
  const newUid = (): string => {
    uids += 1;
    return `uid-${uids}`;
  };
  const store = new MemoryStore({ clock: { now: () => now, monotonic: () => now }, parser: apiParser, newUid });
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  store.create({
    apiVersion: "v1",
    kind: "Service",
    metadata: meta("catalog"),
    spec: { selector: { app: "catalog" }, ports: [{ port: 80 }] },
  });
  for (const version of ["v1", "v2"]) {
    const labels = { app: "catalog", version };
    const template = { metadata: { labels }, spec: { containers: [{ name: "app", image: "catalog" }] } };
    const set = { selector: { matchLabels: labels }, template };
    store.create({ apiVersion: "apps/v1", kind: "ReplicaSet", metadata: meta(`catalog-${version}`), spec: set });
    now += 5000;
  }
  store.create({ apiVersion: "lateen.io/v1alpha1", kind: "Release", metadata: meta("catalog"), spec: { service: "catalog", ...spec } });
  return createReleasesView({
    store,
    engine: { ask: () => ({ seq: 1, type: "abort", actor: "ann", reason: "" }), stateOf: () => state },
    files: { read: () => [] },
    nowMs: () => now,
    trafficOf: () => ({ requestsPerSecond: 10, errorRate: 0 }),
    podsWithoutProxy: () => [],
  });
}

test("the plan is for a newer version, never for an older one", () => {
  expect(viewOf({ ...firstState, stable: "v1" }).plan("shop", "catalog")).toMatchObject({ stable: "v1", candidate: "v2" });
  const plan = viewOf({ ...firstState, stable: "v2" }).plan("shop", "catalog");
  expect([plan.stable, plan.candidate]).toEqual(["v2", undefined]);
});

test("what stands in a Release's way is told with it and with its plan", () => {
  const view = viewOf(firstState, { service: "cart" });
  const words = 'namespace shop has no Service "cart", so there is nothing to release';
  expect(view.release("shop", "catalog").status.findings).toEqual([words]);
  expect(view.plan("shop", "catalog").plan.warnings).toContain(words);
});

test("steps that were changed under a run are told, and the weight that a person set", () => {
  const world = new World({ spec: { steps: [{ mirror: { percent: 5, for: "1s" } }, { setWeight: 10 }] } });
  world.until(({ run }) => run?.step === 1 && run.stage === "running", 30);
  const same = { steps: [{ mirror: { percent: 5, for: "1s" } }, { setWeight: 10 }] };
  expect(viewOf(world.state, same).release("shop", "catalog").status.findings).toBeUndefined();
  expect(viewOf(world.state, { steps: [{ setWeight: 20 }] }).release("shop", "catalog").status.findings).toEqual([
    "the steps were changed since this run began; they count from the next run on",
  ]);
  world.ask("set-weight", { percent: 30 });
  world.pass(5);
  expect(viewOf(world.state, same).release("shop", "catalog").steps[1]?.exposure).toBe("10 % of requests, now 30 %");
});
