import { describe, expect, test } from "vitest";
import { apiParser } from "./api-parser.ts";
import { MemoryStore, type MemoryStoreOptions } from "./memory-store.ts";
import { acceptedOf, type RawResource, type StoreEvent } from "./store.ts";

function newStore(options: Partial<MemoryStoreOptions> = {}) {
  let uid = 0;
  const clock = { time: Date.UTC(2030, 0, 1), now: () => clock.time, monotonic: () => clock.time };
  const newUid = () => `00000000-0000-4000-8000-${String(++uid).padStart(12, "0")}`;
  return { clock, store: new MemoryStore({ clock, parser: apiParser, newUid, ...options }) };
}

function configMap(name: string, data: Record<string, string> = {}, namespace = "default"): RawResource {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

function pod(name: string, spec: Record<string, unknown> = {}): RawResource {
  return { apiVersion: "v1", kind: "Pod", metadata: { name }, spec: { containers: [{ name: "app", image: "app" }], ...spec } };
}

function deployment(name: string, replicas: number): RawResource {
  const template = { metadata: { labels: { app: name } }, spec: { containers: [{ name: "app", image: "app" }] } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { replicas, selector: { matchLabels: { app: name } }, template },
  };
}

describe("create and update", () => {
  test("stamps what an API server stamps", () => {
    const { store } = newStore();
    const { raw, value } = acceptedOf(store.create(deployment("web", 2)));
    expect(raw.metadata).toEqual({
      name: "web",
      namespace: "default",
      uid: "00000000-0000-4000-8000-000000000001",
      generation: 1,
      creationTimestamp: "2030-01-01T00:00:00Z",
      resourceVersion: "1",
    });
    expect(value.metadata.resourceVersion).toBe("1");
    expect(Object.isFrozen(raw["spec"])).toBe(true);
    expect(Object.isFrozen(value.metadata.labels)).toBe(true);
  });

  test("generation grows with the body only, status has its own door, equal writes change nothing", () => {
    const { store } = newStore();
    store.create({ ...deployment("web", 2), status: { replicas: 9 } });
    expect(store.get("Deployment", "default", "web")?.raw["status"]).toBeUndefined();
    const scaled = acceptedOf(store.update({ ...deployment("web", 3), status: { replicas: 9 } }));
    expect([scaled.raw.metadata.generation, scaled.raw["status"]]).toEqual([2, undefined]);
    const seen = acceptedOf(store.updateStatus({ ...deployment("web", 99), status: { replicas: 3 } }));
    expect([seen.raw.metadata.generation, seen.raw["status"], seen.value]).toMatchObject([2, { replicas: 3 }, { spec: { replicas: 3 } }]);
    const labelled = { ...deployment("web", 3), metadata: { name: "web", labels: { a: "b" } } };
    expect(acceptedOf(store.update(labelled)).raw.metadata).toMatchObject({ generation: 2, labels: { a: "b" } });
    const before = store.revision;
    expect(store.update(labelled)).toMatchObject({ accepted: true, changed: false });
    expect(store.revision).toBe(before);
  });

  test("conflicts: existing name, old resourceVersion, other uid, missing object", () => {
    const { store } = newStore();
    store.create(configMap("a"));
    expect(() => store.create(configMap("a"))).toThrow(expect.objectContaining({ code: "already_exists" }));
    store.update(configMap("a", { k: "1" }));
    const old = { ...configMap("a", { k: "2" }), metadata: { name: "a", resourceVersion: "1" } };
    expect(() => store.update(old)).toThrow(expect.objectContaining({ code: "conflict" }));
    expect(() => store.update({ ...old, metadata: { name: "a", uid: "other" } })).toThrow(expect.objectContaining({ code: "conflict" }));
    expect(() => store.update(configMap("b"))).toThrow(expect.objectContaining({ code: "not_found" }));
  });

  test("invalid objects and unknown kinds are refused with diagnostics, nothing changes", () => {
    const { store } = newStore();
    expect(store.create({ ...deployment("web", 1), spec: { replicas: -1 } })).toMatchObject({ accepted: false });
    expect(store.create({ apiVersion: "v9", kind: "Nothing", metadata: { name: "x" } })).toMatchObject({
      accepted: false,
      diagnostics: [expect.objectContaining({ code: "LTN0007" })],
    });
    expect(store.revision).toBe(0);
  });

  test("a service keeps its address when a whole-object update omits it", () => {
    const { store } = newStore();
    const service = (spec: object): RawResource => ({ apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec: { ...spec } });
    store.create(service({ ports: [{ port: 80 }], clusterIP: "198.19.0.9" }));
    expect(acceptedOf(store.update(service({ ports: [{ port: 81 }] }))).raw["spec"]).toMatchObject({ clusterIP: "198.19.0.9" });
  });

  test("older API versions are stored in the first one", () => {
    const { store } = newStore();
    const raw = { apiVersion: "networking.istio.io/v1beta1", kind: "DestinationRule", metadata: { name: "a" }, spec: { host: "a" } };
    expect(acceptedOf(store.create(raw)).raw.apiVersion).toBe("networking.istio.io/v1");
  });
});

describe("delete", () => {
  test("a pod stays for its grace, a second delete can only shorten it, grace 0 removes", () => {
    const { store, clock } = newStore();
    const key = { kind: "Pod", namespace: "default", name: "a" } as const;
    store.create(pod("a", { terminationGracePeriodSeconds: 7 }));
    const ending = store.delete(key);
    expect(ending).toMatchObject({ removed: false });
    expect(ending.stored.raw.metadata).toMatchObject({
      deletionTimestamp: "2030-01-01T00:00:07Z",
      deletionGracePeriodSeconds: 7,
      generation: 2,
    });
    clock.time += 3000;
    expect(store.delete(key).stored.revision).toBe(ending.stored.revision);
    expect(store.delete(key, { gracePeriodSeconds: 60 }).stored.revision).toBe(ending.stored.revision);
    expect(store.delete(key, { gracePeriodSeconds: 0 })).toMatchObject({ removed: true });
    expect(store.get("Pod", "default", "a")).toBeUndefined();
  });

  test("a pod that has ended goes at once", () => {
    const { store } = newStore();
    store.create(pod("a"));
    store.updateStatus({ ...pod("a"), status: { phase: "Failed" } });
    expect(store.delete({ kind: "Pod", namespace: "default", name: "a" })).toMatchObject({ removed: true });
  });

  test("finalizers hold an object until the last one is taken off", () => {
    const { store } = newStore();
    const held = (finalizers: string[]): RawResource => ({ ...configMap("a"), metadata: { name: "a", finalizers } });
    store.create(held(["x/y"]));
    expect(store.delete({ kind: "ConfigMap", namespace: "default", name: "a" })).toMatchObject({ removed: false });
    expect(store.get("ConfigMap", "default", "a")?.raw.metadata.deletionTimestamp).toBeDefined();
    store.update(held([]));
    expect(store.get("ConfigMap", "default", "a")).toBeUndefined();
  });

  test("a namespace waits for its contents and takes no new ones", () => {
    const { store } = newStore();
    store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    const key = { kind: "Namespace", name: "shop" } as const;
    expect(store.delete(key).stored.raw["status"]).toEqual({ phase: "Terminating" });
    expect(() => store.create(configMap("a", {}, "shop"))).toThrow(expect.objectContaining({ code: "conflict" }));
    expect(store.delete(key, { contentsGone: true })).toMatchObject({ removed: true });
  });

  test("preconditions", () => {
    const { store } = newStore();
    store.create(configMap("a"));
    const key = { kind: "ConfigMap", namespace: "default", name: "a" } as const;
    expect(() => store.delete(key, { uid: "other" })).toThrow(expect.objectContaining({ code: "conflict" }));
    expect(() => store.delete(key, { resourceVersion: "7" })).toThrow(expect.objectContaining({ code: "conflict" }));
    expect(() => store.delete({ ...key, name: "b" })).toThrow(expect.objectContaining({ code: "not_found" }));
  });
});

describe("events", () => {
  test("are synchronous, in order and never nested, also when a listener writes or throws", () => {
    const thrown: unknown[] = [];
    const { store } = newStore({ onListenerError: (error) => thrown.push(error) });
    const seen: string[] = [];
    store.subscribe(() => {
      throw new Error("a bad listener");
    });
    store.subscribe((event) => {
      if (event.stored.name === "a") store.create(configMap("from-listener"));
    });
    store.subscribe((event) => seen.push(`${event.type} ${event.stored.name} ${event.revision}`));
    store.create(configMap("a"));
    store.delete({ kind: "ConfigMap", namespace: "default", name: "a" });
    expect(seen).toEqual(["ADDED a 1", "ADDED from-listener 2", "DELETED a 3"]);
    expect(thrown.length).toBe(4); // three events, and the second "from-listener", which exists
  });

  test("eventsSince replays a bounded history", () => {
    const { store } = newStore({ historySize: 3 });
    for (let index = 0; index < 10; index += 1) store.create(configMap(`a${index}`));
    const names = (events: readonly StoreEvent[] | "gone") => (events === "gone" ? events : events.map((event) => event.stored.name));
    expect(names(store.eventsSince(8))).toEqual(["a8", "a9"]);
    expect(store.eventsSince(10)).toEqual([]);
    expect(store.eventsSince(1)).toBe("gone");
    expect(store.eventsSince(11)).toBe("gone");
  });
});

test("a write that can't be made durable changes nothing, and the next one works again", () => {
  let full = false;
  const write = (): void => {
    if (full) throw new Error("disk full");
  };
  const { store } = newStore({ journal: { write, close: () => {} } });
  store.create(configMap("a"));
  const [snapshot, events] = [store.snapshot(), [] as StoreEvent[]];
  store.subscribe((event) => events.push(event));
  full = true;
  expect(() => store.update(configMap("a", { k: "1" }))).toThrow("disk full");
  expect(() => store.delete({ kind: "ConfigMap", namespace: "default", name: "a" })).toThrow("disk full");
  expect([store.snapshot(), store.revision, events]).toEqual([snapshot, 1, []]);
  full = false;
  expect(store.update(configMap("a", { k: "1" }))).toMatchObject({ accepted: true, stored: { revision: 2 } });
});

describe("look-ups", () => {
  test("lists are sorted by namespace and name and filtered by labels", () => {
    const { store } = newStore();
    for (const [name, namespace] of [
      ["b", "x"],
      ["a", "x-y"],
      ["a", "x"],
    ] as const)
      store.create(configMap(name, {}, namespace));
    expect(store.list("ConfigMap").map((stored) => `${stored.namespace}/${stored.name}`)).toEqual(["x/a", "x/b", "x-y/a"]);
    expect(store.list("ConfigMap", { namespace: "x" }).map((stored) => stored.name)).toEqual(["a", "b"]);
    expect(store.list("ConfigMap", { matches: (labels) => labels["app"] === "z" })).toEqual([]);
  });

  test("dependents are found by their owner's uid", () => {
    const { store } = newStore();
    const owner = acceptedOf(store.create(configMap("owner")));
    const reference = { apiVersion: "v1", kind: "ConfigMap", name: "owner", uid: owner.uid };
    const child: RawResource = { ...configMap("child"), metadata: { name: "child", ownerReferences: [reference] } };
    store.create(child);
    expect(store.dependentsOf(owner.uid).map((stored) => stored.name)).toEqual(["child"]);
    store.update(configMap("child"));
    expect(store.dependentsOf(owner.uid)).toEqual([]);
    expect(store.byUid(owner.uid)?.name).toBe("owner");
  });
});

describe("snapshots", () => {
  test("share what has not changed and stay as they were", () => {
    const { store } = newStore();
    store.create(configMap("a", { k: "1" }, "x"));
    store.create(configMap("b", { k: "1" }, "y"));
    store.create(deployment("web", 1));
    const first = store.snapshot();
    expect(store.snapshot()).toBe(first);
    const namespaceX = first.list("ConfigMap", "x");
    store.update(configMap("b", { k: "2" }, "y"));
    const second = store.snapshot();
    expect(second.revision).toBe(4);
    expect(second.list("Deployment")).toBe(first.list("Deployment"));
    expect(second.list("ConfigMap")).not.toBe(first.list("ConfigMap"));
    expect(second.list("ConfigMap", "x")).toBe(namespaceX);
    expect(second.get("ConfigMap", "x", "a")).toBe(first.get("ConfigMap", "x", "a"));
    expect(first.get("ConfigMap", "y", "b")?.data).toEqual({ k: "1" });
    expect(second.get("ConfigMap", "y", "b")?.data).toEqual({ k: "2" });
    expect(second.list("Service")).toEqual([]);
    store.delete({ kind: "ConfigMap", namespace: "y", name: "b" });
    expect(first.list("ConfigMap").length).toBe(2);
    expect(store.snapshot().get("ConfigMap", "y", "b")).toBeUndefined();
  });
});
