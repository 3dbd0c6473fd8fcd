import { afterEach, describe, expect, test } from "vitest";
import type { RawResource } from "../../store/store.ts";
import { fenceOf } from "./rollout.ts";
import { deploymentRaw, randomOf, serviceRaw, startWorld, type World } from "./testdata/world.ts";

let worlds: World[] = [];
const world = (...options: Parameters<typeof startWorld>): World => {
  const made = startWorld(...options);
  worlds.push(made);
  return made;
};
afterEach(() => {
  for (const made of worlds) made.controllers.close();
  worlds = [];
});

const statusOf = ({ store }: World, name = "web") => store.get("Deployment", "default", name)?.value.status;
const conditionOf = (made: World, type: string) => statusOf(made)?.conditions.find((condition) => condition.type === type);

describe("deployments", () => {
  test("run their pods and report as Kubernetes does", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { replicas: 3 }));
    await made.settle();
    expect(made.pods("v1").length).toBe(3);
    expect(made.pods()[0]?.raw.metadata).toMatchObject({ labels: { app: "web", "pod-template-hash": expect.any(String) } });
    expect(statusOf(made)).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    });
    expect(conditionOf(made, "Available")).toMatchObject({ status: "True", reason: "MinimumReplicasAvailable" });
    expect(conditionOf(made, "Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  });

  test("replace a deleted pod and a failed one", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.settle();
    const [first, second] = made.pods();
    made.store.delete({ kind: "Pod", namespace: "default", name: first?.name ?? "" }, { gracePeriodSeconds: 0 });
    made.store.updateStatus({ apiVersion: "v1", kind: "Pod", metadata: { name: second?.name ?? "" }, status: { phase: "Failed" } });
    await made.settle();
    const names = made.pods().map(({ name }) => name);
    expect(names.length).toBe(2);
    expect(names).not.toContain(first?.name);
    expect(names).not.toContain(second?.name);
  });

  test("hold back when pods keep failing", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { replicas: 1 }));
    const failAll = async (): Promise<void> => {
      await made.controllers.idle();
      for (const { name } of made.pods())
        made.store.updateStatus({ apiVersion: "v1", kind: "Pod", metadata: { name }, status: { phase: "Failed" } });
      await made.controllers.idle();
    };
    await failAll();
    expect(made.pods().length).toBe(1);
    await failAll();
    expect(made.pods().length).toBe(0);
    made.timers.advance(1000);
    await made.controllers.idle();
    expect(made.pods().length).toBe(1);
  });

  test("delete pods that are not ready first", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { replicas: 3 }));
    await made.settle();
    const broken = made.pods()[1];
    if (broken !== undefined) made.setReady(broken, false);
    made.store.update(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.controllers.idle();
    expect(made.pods().map(({ name }) => name)).not.toContain(broken?.name);
  });

  test("recreate never runs two versions together", async () => {
    const made = world();
    const strategy = { type: "Recreate" };
    made.store.create(deploymentRaw("web", "v1", { replicas: 2, strategy }));
    await made.settle();
    made.store.update(deploymentRaw("web", "v2", { replicas: 2, strategy }));
    await made.controllers.idle();
    expect([made.pods().length, made.store.list("Pod").length]).toEqual([0, 2]);
    await made.settle();
    expect(made.pods("v2").length).toBe(2);
  });

  test("keep revisions, go back to an old one, and forget what is beyond the limit", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { revisionHistoryLimit: 2 }));
    for (const image of ["v2", "v3", "v4", "v2"]) {
      await made.settle();
      made.store.update(deploymentRaw("web", image, { revisionHistoryLimit: 2 }));
    }
    await made.settle();
    const sets = made.store
      .list("ReplicaSet")
      .map(({ value }) => [value.spec.template.spec.containers[0]?.image, value.metadata.annotations["deployment.kubernetes.io/revision"]]);
    expect(sets.toSorted()).toEqual([
      ["v2", "5"],
      ["v3", "3"],
      ["v4", "4"],
    ]);
    expect(made.store.get("Deployment", "default", "web")?.value.metadata.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "5",
    });
    expect(made.pods("v2").length).toBe(1);
  });

  test("pause, and resume", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.settle();
    made.store.update(deploymentRaw("web", "v2", { replicas: 3, paused: true }));
    await made.settle();
    expect([made.pods("v1").length, made.pods("v2").length]).toEqual([3, 0]);
    expect(conditionOf(made, "Progressing")?.reason).toBe("DeploymentPaused");
    made.store.update(deploymentRaw("web", "v2", { replicas: 3 }));
    await made.settle();
    expect(made.pods("v2").length).toBe(3);
  });

  test("minReadySeconds: available only after it", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { replicas: 1, minReadySeconds: 10 }));
    await made.settle();
    expect(statusOf(made)).toMatchObject({ readyReplicas: 1, availableReplicas: 0 });
    made.timers.advance(10_000);
    await made.controllers.idle();
    expect(statusOf(made)).toMatchObject({ availableReplicas: 1 });
  });

  test("a rollout that stands still exceeds its deadline", async () => {
    const made = world();
    made.store.create(deploymentRaw("web", "v1", { progressDeadlineSeconds: 60 }));
    await made.controllers.idle();
    made.timers.advance(61_000);
    await made.controllers.idle();
    expect(conditionOf(made, "Progressing")).toMatchObject({ status: "False", reason: "ProgressDeadlineExceeded" });
    await made.settle();
    expect(conditionOf(made, "Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    "rolling update, seed %i: within its limits at every event, and it ends",
    async (seed) => {
      const random = randomOf(seed);
      const replicas = 1 + Math.floor(random() * 6);
      const rollingUpdate = { maxSurge: Math.floor(random() * 3), maxUnavailable: `${Math.floor(random() * 60)}%` };
      const minReadySeconds = seed % 3 === 0 ? 5 : 0;
      const spec = { replicas, strategy: { type: "RollingUpdate", rollingUpdate }, minReadySeconds };
      const fence = fenceOf({ type: "RollingUpdate", rollingUpdate }, replicas);
      const made = world();
      made.store.create(deploymentRaw("web", "v1", spec));
      await made.settle();
      made.timers.advance(5000);
      await made.settle();
      const extremes = { most: 0, least: replicas };
      made.store.subscribe(() => {
        const ready = made.pods().filter(({ value }) => value.status?.conditions[0]?.status === "True");
        extremes.most = Math.max(extremes.most, made.pods().length);
        extremes.least = Math.min(extremes.least, ready.length);
      });
      made.store.update(deploymentRaw("web", "v2", spec));
      for (let step = 0; step < 400 && !(made.pods("v2").length === replicas && made.store.list("Pod").length === replicas); step += 1) {
        await made.controllers.idle();
        const waiting = made.store
          .list("Pod")
          .filter(({ value }) => value.metadata.deletionTimestamp !== undefined || value.status?.podIP === undefined);
        const pod = waiting[Math.floor(random() * waiting.length)];
        if (pod?.value.metadata.deletionTimestamp !== undefined) made.finish(pod);
        else if (pod !== undefined) made.setReady(pod);
        made.timers.advance(1000);
      }
      await made.settle();
      expect([made.pods("v2").length, made.pods().length]).toEqual([replicas, replicas]);
      expect(extremes.most).toBeLessThanOrEqual(replicas + fence.surge);
      expect(extremes.least).toBeGreaterThanOrEqual(replicas - fence.unavailable);
    },
  );
});

describe("services", () => {
  const slice = ({ store }: World, name = "web-lateen") => store.get("EndpointSlice", "default", name)?.value;

  test("get endpoints that follow readiness and deletion at once", async () => {
    const made = world();
    made.store.create(serviceRaw("web"));
    made.store.create(deploymentRaw("web", "v1", { replicas: 2 }));
    await made.controllers.idle();
    expect(slice(made)?.endpoints).toEqual([]);
    await made.settle();
    expect(slice(made)?.endpoints.map(({ conditions }) => conditions)).toEqual(
      Array(2).fill({ ready: true, serving: true, terminating: false }),
    );
    expect(slice(made)?.ports).toMatchObject([{ name: "http", port: 8080, protocol: "TCP" }]);
    expect(slice(made)?.metadata.labels["kubernetes.io/service-name"]).toBe("web");
    const pod = made.pods()[0];
    made.store.delete({ kind: "Pod", namespace: "default", name: pod?.name ?? "" });
    await made.controllers.idle();
    const ending = slice(made)?.endpoints.find(({ targetRef }) => targetRef?.name === pod?.name);
    expect(ending?.conditions).toEqual({ ready: false, serving: true, terminating: true });
    await made.settle();
    expect(slice(made)?.endpoints.length).toBe(2);
  });

  test("named target ports are resolved per pod", async () => {
    const made = world();
    const withPort = (number: number) => ({ containers: [{ name: "app", image: "x", ports: [{ name: "web", containerPort: number }] }] });
    for (const [name, port] of [
      ["a", 8080],
      ["b", 8080],
      ["c", 9090],
    ] as const) {
      made.store.create({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default", labels: { app: "web" } },
        spec: withPort(port),
      });
    }
    made.store.create(serviceRaw("web", { ports: [{ port: 80, targetPort: "web" }] }));
    await made.settle();
    expect([slice(made)?.ports[0]?.port, slice(made)?.endpoints.length]).toEqual([8080, 2]);
    expect([slice(made, "web-lateen-2")?.ports[0]?.port, slice(made, "web-lateen-2")?.endpoints.length]).toEqual([9090, 1]);
    made.store.delete({ kind: "Pod", namespace: "default", name: "c" }, { gracePeriodSeconds: 0 });
    await made.settle();
    expect(slice(made, "web-lateen-2")).toBeUndefined();
  });

  test("headless, publishNotReadyAddresses, no selector, a changed selector", async () => {
    const made = world();
    made.store.create(serviceRaw("web", { clusterIP: "None", publishNotReadyAddresses: true }));
    made.store.create(serviceRaw("bare", { selector: {} }));
    made.store.create(deploymentRaw("web", "v1"));
    await made.settle();
    const pod = made.pods()[0];
    if (pod !== undefined) made.setReady(pod, false);
    await made.controllers.idle();
    expect(slice(made)?.endpoints[0]?.conditions).toEqual({ ready: true, serving: false, terminating: false });
    expect(made.store.get("Service", "default", "web")?.value.spec.clusterIP).toBe("None");
    expect(slice(made, "bare-lateen")).toBeUndefined();
    made.store.update(serviceRaw("web", { clusterIP: "None", selector: { app: "other" } }));
    await made.controllers.idle();
    expect(slice(made)?.endpoints).toEqual([]);
  });

  test("addresses are unique, kept, respected when asked for, and survive a restart", async () => {
    const made = world();
    const ip = (name: string) => made.store.get("Service", "default", name)?.value.spec.clusterIP;
    made.store.create(serviceRaw("a"));
    made.store.create(serviceRaw("b", { clusterIP: "198.19.7.7" }));
    made.store.create(serviceRaw("c", { clusterIP: "198.19.7.7" }));
    made.store.create(serviceRaw("external", { type: "ExternalName", externalName: "x.example", selector: {} }));
    await made.settle();
    const given = ip("a");
    expect(given).toMatch(/^198\.19\./);
    expect(ip("b")).toBe("198.19.7.7");
    expect(ip("c")).not.toBe("198.19.7.7");
    expect(ip("external")).toBeUndefined();
    made.store.update(serviceRaw("a", { ports: [{ port: 81 }] }));
    await made.settle();
    expect(ip("a")).toBe(given);
    made.controllers.close();
    const again = world({ store: made.store });
    again.store.create(serviceRaw("d"));
    await again.settle();
    expect(new Set(["a", "b", "c", "d"].map(ip)).size).toBe(4);
    expect(ip("a")).toBe(given);
  });

  test("a thousand services and two thousand pods", { timeout: 60_000 }, async () => {
    const made = world();
    for (let index = 0; index < 1000; index += 1) {
      made.store.create(serviceRaw(`s${index}`));
      made.store.create(deploymentRaw(`s${index}`, "v1", { replicas: 2 }));
    }
    await made.settle();
    expect(made.store.list("EndpointSlice").reduce((sum, { value }) => sum + value.endpoints.length, 0)).toBe(2000);
    const before = made.store.revision;
    const pod = made.pods()[0];
    if (pod !== undefined) made.setReady(pod, false);
    await made.controllers.idle();
    // The pod, its slice, its set's and its Deployment's status: nothing else is touched.
    expect(made.store.revision - before).toBe(4);
  });
});

describe("owners and namespaces", () => {
  test("what a Deployment made goes with it; orphans stay; foreground waits", async () => {
    const made = world();
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
    const made = world();
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
    const made = world({ ingressGateway: true });
    await made.settle();
    expect(made.store.list("Namespace").map(({ name }) => name)).toEqual(["default", "istio-system"]);
    const gateway = made.store.list("Pod", { namespace: "istio-system" });
    expect(gateway.map(({ value }) => value.metadata.labels["istio"])).toEqual(["ingressgateway"]);
    const revision = made.store.revision;
    made.controllers.close();
    const again = world({ ingressGateway: true, store: made.store });
    await again.settle();
    expect(again.store.revision).toBe(revision);
  });
});

describe("draining", () => {
  test("a pod is drained once its absence is acknowledged", async () => {
    const asked: number[] = [];
    let acknowledge = (): void => {};
    const made = world({
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
