// Known traffic of every kind through a whole mesh: the graph's edges are exactly what was generated, with the reason where something isn't encrypted.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import type { EdgeList } from "../../src/http/edges-contract.ts";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { istioYaml, routedServiceYaml, shares, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const outside = {
  command: ["node", "test-app.mjs"],
  workingDir: fileURLToPath(new URL("../harness", import.meta.url)),
  env: { VERSION: "out", SHARED: "${shared}" },
  ports: [8080],
};

const routes: Readonly<Record<string, readonly object[]>> = {
  plain: [to("plain", "v1")],
  retry: [{ retries: { attempts: 2, retryOn: "5xx", backoff: "1ms" }, ...to("retry", "v1") }],
  copied: [{ mirror: { host: "copied", subset: "v2" }, ...to("copied", "v1") }],
  shy: [shares("shy", { v1: 100, v2: 0 })],
  clear: [to("clear", "v1")],
};

const gateway = {
  selector: { istio: "ingressgateway" },
  servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
};
const denied = { selector: { matchLabels: { app: "server" } }, action: "DENY", rules: [{ to: [{ operation: { paths: ["/denied"] } }] }] };
const known = { hosts: ["known.out.test"], ports: [{ number: 8080, name: "http", protocol: "HTTP" }], resolution: "DNS" };

beforeAll(async () => {
  const clear = routedServiceYaml("clear", routes["clear"] ?? []).replace(
    "spec:\n  host: clear",
    "spec:\n  trafficPolicy: {tls: {mode: DISABLE}}\n  host: clear",
  );
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1", "v2"]),
    appYaml("outsider", ["v1"], { sidecar: false }),
    ...Object.entries(routes).flatMap(([name, http]) => (name === "clear" ? [clear] : [routedServiceYaml(name, http)])),
    istioYaml("Gateway", "web", gateway),
    istioYaml("VirtualService", "web", { hosts: ["web.test"], gateways: ["web"], http: [to("plain", "v2")] }),
    istioYaml("ServiceEntry", "known", known),
    istioYaml("AuthorizationPolicy", "denied", denied).replace("networking.istio.io/v1", "security.istio.io/v1"),
  );
  mesh = await TestMesh.start({ manifests, lateenYaml: { external: { "known.out.test": outside, "free.out.test": outside } } });
});
afterAll(async () => {
  await mesh?.close();
});

/** Longer than the test. */
const windowMs = 600_000;
const host = (name: string) => `${name}.default.svc.cluster.local`;
const ask = (): Promise<EdgeList> => mesh.client.edges({ windowMs });

/** Requests, or connections, of every edge that carried some: "from → to service protocol". */
async function carried(): Promise<Readonly<Record<string, number>>> {
  const { edges } = await ask();
  const sums: Record<string, number> = {};
  for (const { from, to: server, service, protocol, mirrored, reporter, requests, connections, state } of edges) {
    if (state !== "live") continue;
    // A server doesn't know by which of its names it was called.
    const called = reporter === "destination" ? "-" : service.replace(".default.svc.cluster.local", "");
    // Strangers' requests go to either version.
    const end = from.name === "(no sidecar)" ? server.name.replace(/-v\d$/, "") : server.name;
    const key = `${from.name} → ${end} ${called} ${protocol}${mirrored ? " copies" : ""}`;
    sums[key] = (sums[key] ?? 0) + requests + connections;
  }
  return sums;
}

const send = (url: string, count: number) => mesh.load("client", `http://${url}`, { count });

it("edges are exactly what was generated", async () => {
  expect((await ask()).edges.filter(({ state }) => state !== "configured")).toEqual([]);
  await send("plain/", 25);
  await send("plain/denied", 3);
  await mesh.run("client", { kind: "grpc-burst", origin: "http://plain:81", count: 12 });
  await send("retry/?status=503", 4);
  await send("copied/", 7);
  await send("shy/", 6);
  await send("clear/", 5);
  await send("known.out.test:8080/", 4);
  await send("free.out.test:8080/", 3);
  // Enough for both versions: a few beside the client's plaintext would count as the same requests, reported later.
  await mesh.load("outsider", "http://plain/", { count: 40 });
  await mesh.gatewayLoad("/", { count: 9, headers: { host: "web.test" } });
  await mesh.run("client", { kind: "tcp-burst", host: "plain", port: 83, count: 6 });
  const wanted = {
    "default/client-v1 → default/server-v1 plain http": 28,
    "default/client-v1 → default/server-v1 plain grpc": 12,
    "default/client-v1 → default/server-v1 retry http": 4,
    "default/client-v1 → default/server-v1 copied http": 7,
    "default/client-v1 → default/server-v2 - http copies": 7,
    "default/client-v1 → default/server-v1 shy http": 6,
    "default/client-v1 → default/server-v1 clear http": 5,
    "default/client-v1 → known.out.test known.out.test http": 4,
    "default/client-v1 → (unknown hosts) PassthroughCluster http": 3,
    "(no sidecar) → default/server - http": 40,
    "(outside) → istio-system/istio-ingressgateway unknown http": 9,
    "istio-system/istio-ingressgateway → default/server-v2 plain http": 9,
  };
  const counted = async () => {
    const { tcp = 0, ...requests } = Object.fromEntries(
      [...Map.groupBy(Object.entries(await carried()), ([key]) => (key.endsWith(" tcp") ? "tcp" : key))].map(([key, list]) => [
        key,
        list.reduce((sum, [, count]) => sum + count, 0),
      ]),
    );
    return { requests, tcp };
  };
  // Not at the right sum: while a caller hasn't reported what its server has, that counts as a stranger's.
  await expect.poll(counted, { timeout: 60_000 }).toEqual({ requests: wanted, tcp: 6 });
});

describe("what edges say", () => {
  const find = async (from: string, server: string, service?: string) => {
    const { edges } = await ask();
    return edges.find(
      (edge) => edge.from.name === from && edge.to.name === server && (service === undefined || edge.service === host(service)),
    );
  };

  it("encryption, identities, and why there is none", async () => {
    const identity = "spiffe://cluster.local/ns/default/sa/default";
    expect(await find("default/client-v1", "default/server-v1", "plain")).toMatchObject({
      encryption: "mtls",
      version: "v1",
      port: 80,
      from: { identity },
      to: { identity },
    });
    expect(await find("default/client-v1", "default/server-v1", "clear")).toMatchObject({
      encryption: "none",
      reason: "DestinationRule default/clear says tls DISABLE",
      source: "DestinationRule default/clear",
    });
    const stranger = (await ask()).edges.find(
      ({ from, to: server }) => from.name === "(no sidecar)" && server.name.startsWith("default/server-"),
    );
    expect(stranger).toMatchObject({
      encryption: "none",
      reason: expect.stringMatching(/the caller has no sidecar; .*default\/outsider-v1/),
    });
    expect(await find("(outside)", "istio-system/istio-ingressgateway")).toMatchObject({
      reason: "the gateway takes plaintext on port 80",
    });
    expect(await find("default/client-v1", "known.out.test")).toMatchObject({ encryption: "none", to: { kind: "external" } });
  });

  it("failures are the server's, not the policy's", async () => {
    expect(await find("default/client-v1", "default/server-v1", "retry")).toMatchObject({ requests: 4, failed: 4, failedShare: 1 });
    expect(await find("default/client-v1", "default/server-v1", "plain")).toMatchObject({ failed: 0 });
  });

  it("what is configured and carries nothing has its route", async () => {
    const { edges } = await ask();
    const unused = edges.filter(({ state }) => state === "configured");
    expect(unused).toMatchObject([
      {
        from: { name: "default/client-v1" },
        to: { name: "default/server-v2" },
        service: host("shy"),
        encryption: "mtls",
        configuredBy: ["VirtualService default/shy spec.http[0].route[1] (weight 0)"],
      },
    ]);
  });

  it("hosts without a name are listed, and applying what is printed names them", async () => {
    await expect
      .poll(async () => (await ask()).unknownHosts, { timeout: 60_000 })
      .toMatchObject([{ workload: "client-v1", protocol: "HTTP", host: "free.out.test", port: 8080, count: 3, refused: false }]);
    const yaml = (await lateenOn(mesh, ["graph", "--for", "10m", "-o", "yaml"])).stdout;
    expect(parseAllDocuments(yaml).map((document) => document.toJS())).toMatchObject([
      { kind: "ServiceEntry", spec: { hosts: ["free.out.test"] } },
    ]);
    expect((await lateenOn(mesh, ["apply", "-f", "-"], yaml)).code).toBe(0);
    await send("free.out.test:8080/", 2);
    await eventually(async () => (await find("default/client-v1", "free.out.test"))?.requests === 2, 60_000, "its own edge");
  });
});

describe("the command line", () => {
  const on = (...args: readonly string[]) => lateenOn(mesh, args);

  it("draws the tree, the table, and graphs for other programs", async () => {
    const tree = await on("graph", "--for", "10m");
    expect(tree.stdout).toMatch(
      /^\(outside\)\n└─ ● istio-system\/istio-ingressgateway http .*\n {3}└─ ● default\/server-v2 \(plain\) 80\/http /m,
    );
    expect(tree.stdout).toMatch(/default\/client-v1 +free.out.test|free.out.test:8080/);
    const edges = await on("edges", "--for", "10m", "-n", "default");
    expect(edges.stdout).toMatch(/default\/client-v1 +default\/server-v1 +81\/grpc +✓ mTLS +● /);
    expect((await on("graph", "-o", "mermaid")).stdout).toMatch(/^flowchart LR\n/);
    expect((await on("graph", "-o", "dot")).stdout).toMatch(/^digraph mesh \{\n/);
    expect(JSON.parse((await on("edges", "known.out.test", "-o", "json")).stdout)).toMatchObject({
      version: 1,
      windowMs: 10_000,
      edges: [{ to: { name: "known.out.test" } }],
    });
  });

  it("tells what can't be asked", async () => {
    expect(await on("graph", "--for", "7h")).toMatchObject({ code: 64, stderr: expect.stringContaining("--for") });
    expect(await on("graph", "-n", "default", "-A")).toMatchObject({ code: 64 });
    expect(await on("graph", "nobody")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no workload or service nobody"),
    });
  });
});
