// Services: endpoints that follow their pods, and addresses.

import { describe, expect, test } from "vitest";
import { deploymentRaw, serviceRaw, startWorld, type World } from "./testing/world.ts";

describe("services", () => {
  const slice = ({ store }: World, name = "web-lateen") => store.get("EndpointSlice", "default", name)?.value;

  test("get endpoints that follow readiness and deletion at once", async () => {
    const made = startWorld();
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
    const made = startWorld();
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
    const made = startWorld();
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
    const made = startWorld();
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
    const again = startWorld({ store: made.store });
    again.store.create(serviceRaw("d"));
    await again.settle();
    expect(new Set(["a", "b", "c", "d"].map(ip)).size).toBe(4);
    expect(ip("a")).toBe(given);
  });

  test("a thousand services and two thousand pods", { timeout: 60_000 }, async () => {
    const made = startWorld();
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
