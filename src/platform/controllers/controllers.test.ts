// What the controllers do together: owners, namespaces, the start, and draining.

import { describe, expect, test } from "vitest";
import type { RawResource } from "../../store/store.ts";
import { deploymentRaw, serviceRaw, startWorld } from "./testing/world.ts";

describe("owners and namespaces", () => {
  test("what a Deployment made goes with it; orphans stay; foreground waits", async () => {
    const made = startWorld();
    const key = { kind: "Deployment", namespace: "default", name: "web" } as const;
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.settle();
    made.store.delete(key);
    await made.settle();
    expect([made.store.list("ReplicaSet"), made.store.list("Pod")]).toEqual([[], []]);
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.settle();
    made.store.delete(key, { propagationPolicy: "Orphan" });
    await made.settle();
    expect([made.store.list("Deployment").length, made.store.list("ReplicaSet").length, made.pods().length]).toEqual([0, 1, 2]);
    const orphans = made.pods().map(({ name }) => name);
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.settle();
    expect(made.pods().map(({ name }) => name)).toEqual(orphans);
    made.store.create(deploymentRaw("db", "v1"));
    await made.settle();
    made.store.delete({ ...key, name: "db" }, { propagationPolicy: "Foreground" });
    await made.controllers.idle();
    expect(made.store.get("Deployment", "default", "db")).toBeDefined();
    await made.settle();
    expect(made.store.get("Deployment", "default", "db")).toBeUndefined();
  });

  test("namespaces get a ServiceAccount and end with all their contents", async () => {
    const made = startWorld();
    const inShop = (raw: RawResource): RawResource => ({ ...raw, metadata: { ...raw.metadata, namespace: "shop" } });
    made.store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
    made.store.create(inShop(deploymentRaw("web", "v1", { replicas: 2 })));
    made.store.create(inShop(serviceRaw("web")));
    await made.settle();
    expect(made.store.get("ServiceAccount", "shop", "default")).toBeDefined();
    expect(made.store.list("Pod", { namespace: "shop" }).length).toBe(2);
    made.store.delete({ kind: "Namespace", name: "shop" });
    await made.controllers.idle();
    expect(made.store.get("Namespace", undefined, "shop")?.value.status?.phase).toBe("Terminating");
    await made.settle();
    expect(made.store.get("Namespace", undefined, "shop")).toBeUndefined();
    expect(made.store.list("EndpointSlice", { namespace: "shop" })).toEqual([]);
  });

  test("the start makes namespaces and the ingress gateway, once", async () => {
    const made = startWorld({ ingressGateway: true });
    await made.settle();
    expect(made.store.list("Namespace").map(({ name }) => name)).toEqual(["default", "istio-system"]);
    const gateway = made.store.list("Pod", { namespace: "istio-system" });
    expect(gateway.map(({ value }) => value.metadata.labels["istio"])).toEqual(["ingressgateway"]);
    const revision = made.store.revision;
    made.controllers.close();
    const again = startWorld({ ingressGateway: true, store: made.store });
    await again.settle();
    expect(again.store.revision).toBe(revision);
  });
});

describe("draining", () => {
  test("a pod is drained once its absence is acknowledged", async () => {
    const asked: number[] = [];
    let acknowledge = (): void => {};
    const made = startWorld({
      acknowledged: (revision) => {
        asked.push(revision);
        return new Promise((resolve) => {
          acknowledge = resolve;
        });
      },
    });
    made.store.create(serviceRaw("web"));
    made.store.create(deploymentRaw("web", "v1", { replicas: 1 }));
    await made.settle();
    const pod = made.pods()[0];
    const key = { kind: "Pod", namespace: "default", name: pod?.name ?? "" } as const;
    made.store.delete(key);
    await made.controllers.idle();
    const sliceRevision = made.store.get("EndpointSlice", "default", "web-lateen")?.revision ?? 0;
    expect(asked.length).toBe(1);
    expect(asked[0]).toBeGreaterThanOrEqual(sliceRevision);
    const drained = () =>
      made.store.get("Pod", key.namespace, key.name)?.value.status?.conditions.some(({ type }) => type === "lateen.dev/Drained");
    expect(drained()).toBe(false);
    acknowledge();
    await new Promise((resolve) => setImmediate(resolve));
    expect(drained()).toBe(true);
  });
});
