// What users do that the plain cases don't show: odd spellings of hosts, upgrades, large bodies, retries on other pods, mesh-wide settings.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { eventually } from "../harness/eventually.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { upgraded } from "../harness/test-app-streams.mjs";
import { istioYaml, meshConfigYaml, routedServiceYaml, routesYaml, subsetsYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const selectorless = yamlOf(
  stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "by-hand", namespace: "default" },
    spec: { ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  }),
);

beforeAll(async () => {
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1", "v2"]),
    appYaml("pair", ["v1"], { replicas: 2 }),
    routesYaml("pair", [
      // Envoy looks for an untried pod a few times only, so one try more is no certainty; ten are.
      { match: [{ uri: { prefix: "/retried" } }], retries: { attempts: 10, retryOn: "5xx", backoff: "1ms" }, ...to("pair") },
      { retries: { attempts: 0 }, ...to("pair") },
    ]),
    routedServiceYaml("spelled", [to("spelled", "v2")]),
    serviceYaml("gone", { app: "server" }),
    subsetsYaml("gone"),
    selectorless,
    istioYaml("ServiceEntry", "wild", {
      hosts: ["*.wild.test"],
      ports: [{ number: 8080, name: "http", protocol: "HTTP" }],
      resolution: "NONE",
    }),
    istioYaml("VirtualService", "wild", { hosts: ["*.wild.test"], http: [to("spelled", "v2")] }),
    istioYaml("Gateway", "edge", {
      selector: { istio: "ingressgateway" },
      servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["edge.test", "any.test"] }],
    }),
    istioYaml("VirtualService", "edge", { hosts: ["edge.test"], gateways: ["edge"], http: [to("spelled", "v2")] }),
    istioYaml("VirtualService", "any", { hosts: ["any.test"], gateways: ["edge"], http: [to("spelled", "v1")] }),
  );
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

async function servedBy(url: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const { status, headers: got, error } = await mesh.http("client", url, { headers });
  return status === 200 ? (got["x-served-by"] ?? "") : `${status} ${error ?? ""}`;
}

async function vipOf(name: string): Promise<string> {
  const { items } = await mesh.client.list("Service", { namespace: "default" });
  return String(Object(items.find(({ metadata }) => metadata.name === name)).spec.clusterIP);
}

describe("spellings of a host", () => {
  it("a port in the Host header, other than the gateway's own, doesn't matter", async () => {
    const asked = ["edge.test:80", "edge.test:8080", "Edge.Test", "any.test:31380"].map((host) => mesh.gateway("/", { headers: { host } }));
    const served = (await Promise.all(asked)).map(({ status, headers }) => `${status} ${headers["x-served-by"]}`);
    expect(served).toEqual(["200 v2", "200 v2", "200 v2", "200 v1"]);
  });

  it("a final dot, the service's address, another port in the Host header", async () => {
    const vip = await vipOf("spelled");
    const served = await Promise.all([
      servedBy("http://spelled.default.svc.cluster.local./"),
      servedBy("http://spelled.default.svc.cluster.local/", { host: "spelled.default.svc.cluster.local.:80" }),
      servedBy(`http://${vip}/`),
      servedBy("http://spelled/", { host: "spelled:8080" }),
      servedBy("http://spelled/", { host: `${vip}:80` }),
    ]);
    expect(served).toEqual(["v2", "v2", "v2", "v2", "v2"]);
  });

  it("a pod's own address goes past all routes", async () => {
    const { items } = await mesh.client.list("Pod", { namespace: "default", labelSelector: "app=server,version=v1" });
    expect(await servedBy(`http://${Object(items[0]).status.podIP}:8080/`)).toBe("v1");
  });
});

describe("long-lived and large", () => {
  it("connections upgrade, through the gateway and between services", async () => {
    expect(await mesh.run("client", { kind: "upgrade", url: "http://spelled/" })).toEqual({ status: 101, text: "v2 hello" });
    expect(await upgraded({ url: mesh.gatewayUrl(), headers: { host: "edge.test" } })).toEqual({ status: 101, text: "v2 hello" });
  });

  it("bodies of 8 MB pass, with retries on", async () => {
    const body = "x".repeat(8 << 20);
    const reply = await mesh.gateway("/", { headers: { host: "edge.test" }, method: "POST", body });
    expect([reply.status, JSON.parse(reply.body).bytes]).toEqual([200, 8 << 20]);
  });
});

describe("retries", () => {
  it("go to another pod than the one that failed", async () => {
    const [bad = ""] = await mesh.pods("pair");
    await mesh.runIn(bad, { kind: "fail", on: true });
    const { byStatus } = await mesh.load("client", "http://pair/", { count: 40, concurrency: 1 });
    expect(byStatus[503]).toBeGreaterThan(5);
    expect((await mesh.load("client", "http://pair/retried", { count: 200, mixPost: true })).byStatus).toEqual({ 200: 200 });
    await mesh.runIn(bad, { kind: "fail", on: false });
  });
});

describe("objects that come and go", () => {
  it("a removed VirtualService leaves the service as it was; a removed DestinationRule its subsets empty", async () => {
    const routes = routesYaml("gone", [to("gone", "v1")]);
    await mesh.apply(routes);
    expect((await mesh.load("client", "http://gone/", { count: 20 })).byVersion).toEqual({ v1: 20 });
    await mesh.remove(routes);
    expect(Object.keys((await mesh.load("client", "http://gone/", { count: 60 })).byVersion).toSorted()).toEqual(["v1", "v2"]);
    await mesh.apply(routes);
    await mesh.remove(subsetsYaml("gone"));
    await eventually(async () => (await mesh.http("client", "http://gone/")).status === 503, 60_000, "no subset, no answer");
    await mesh.apply(subsetsYaml("gone"));
    await eventually(async () => (await servedBy("http://gone/")) === "v1", 60_000, "back again");
  });

  it("a Service without selector has the endpoints of its EndpointSlices", async () => {
    expect((await mesh.http("client", "http://by-hand/")).status).toBe(503);
    const { items } = await mesh.client.list("Pod", { namespace: "default", labelSelector: "app=server,version=v2" });
    const slice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "by-hand-1", namespace: "default", labels: { "kubernetes.io/service-name": "by-hand" } },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: [Object(items[0]).status.podIP], conditions: { ready: true } }],
    };
    await mesh.apply(stringify(slice));
    expect(await servedBy("http://by-hand/")).toBe("v2");
  });
});

describe("namespaces", () => {
  it("routes and policies of a service hold for callers of every namespace; short names mean the namespace of the object", async () => {
    await mesh.apply(
      yamlOf(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
        appYaml("cart", ["v1", "v2"], { namespace: "shop" }),
        // Another service of that name, in the callers' namespace.
        serviceYaml("cart", { app: "server" }),
        istioYaml("DestinationRule", "shop/cart", { host: "cart", subsets: [{ name: "new", labels: { version: "v2" } }] }),
        istioYaml("VirtualService", "shop/cart", { hosts: ["cart"], http: [to("cart", "new")] }),
      ),
    );
    await eventually(async () => (await servedBy("http://cart.shop/")) === "v2", 60_000, "the new pods are ready");
    expect((await mesh.load("client", "http://cart.shop/", { count: 20 })).byVersion).toEqual({ v2: 20 });
    expect(Object.keys((await mesh.load("client", "http://cart/", { count: 60 })).byVersion).toSorted()).toEqual(["v1", "v2"]);
  });

  it("of two VirtualServices for one host in the mesh, the older one holds alone", async () => {
    const rival = (name: string, path: string, subset: string) =>
      istioYaml("VirtualService", name, {
        hosts: ["rivals"],
        http: [{ match: [{ uri: { prefix: path } }], directResponse: { status: subset === "v1" ? 201 : 202 } }],
      });
    await mesh.apply(yamlOf(serviceYaml("rivals", { app: "server" }), rival("rival-a", "/a", "v1")));
    await mesh.apply(rival("rival-b", "/b", "v2"));
    const statusOf = async (path: string) => (await mesh.http("client", `http://rivals${path}`)).status;
    expect([await statusOf("/a"), await statusOf("/b")]).toEqual([201, 404]);
    await mesh.remove(rival("rival-a", "/a", "v1"));
    expect([await statusOf("/a"), await statusOf("/b")]).toEqual([404, 202]);
  });
});

describe("ports nobody declared", () => {
  it("are reached on the pod's own address", async () => {
    const { items } = await mesh.client.list("Pod", { namespace: "default", labelSelector: "app=server,version=v2" });
    const reply = await mesh.run("client", { kind: "tls", host: Object(items[0]).status.podIP, port: 8443, serverName: "x.test" });
    expect(Object(reply).version).toBe("v2");
  });
});

describe("the mesh's own settings", () => {
  it("a retry policy for all routes that have none", async () => {
    const [pod = ""] = (await mesh.pods("server")).filter((name) => name.includes("-v2-"));
    const triesOf = async (path: string) => {
      await mesh.http("client", `http://spelled${path}?status=503`);
      const seen = (await mesh.runIn(pod, { kind: "seen" })) as readonly { readonly path: string }[];
      return seen.filter((request) => request.path.startsWith(path)).length;
    };
    expect(await triesOf("/standard")).toBe(1);
    await mesh.apply(meshConfigYaml({ accessLogFile: "/dev/stdout", defaultHttpRetryPolicy: { attempts: 4, retryOn: "5xx" } }));
    expect(await triesOf("/changed")).toBe(5);
    await mesh.apply(meshConfigYaml({ accessLogFile: "/dev/stdout" }));
    expect(await triesOf("/back")).toBe(1);
  });
});
