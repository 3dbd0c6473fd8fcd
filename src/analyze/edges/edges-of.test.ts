// Edges from counters on a mesh made of YAML.

import { describe, expect, test } from "vitest";
import { resourcesOf, snapshotOf, worldOf } from "../../../test/harness/world.ts";
import type { ClusterCounters, HttpCounters, ProxyCounters } from "./counters.ts";
import { liveEdges } from "./edge.ts";
import { edgesOf } from "./edges-of.ts";

const pod = (name: string, address: string, inject = "true") => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}-1, namespace: shop, labels: {app: ${name}, sidecar.istio.io/inject: "${inject}"}}
spec: {serviceAccountName: ${name}, containers: [{name: main, image: i}]}
status: {podIP: ${address}, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tls, port: 443, targetPort: 8443}]}
---`;

const shop = pod("web", "10.0.0.1") + pod("orders", "10.0.0.2") + pod("legacy", "10.0.0.3", "false");

const cluster = (name: string, address: string, counted: { connections: number; handshakes: number }): ClusterCounters => ({
  name: `outbound|${address.endsWith("8443") ? 443 : 80}||${name}`,
  ...counted,
  endpoints: [{ address, connections: counted.connections, active: 1, requests: 10 }],
});

const proxy = (clusters: readonly ClusterCounters[], inbound: Readonly<Record<number, HttpCounters>> = {}): ProxyCounters => ({
  clusters,
  inbound: new Map(Object.entries(inbound).map(([port, counters]) => [Number(port), counters])),
  gateway: new Map(),
});

const http = (connections: number, tlsConnections: number, active = 0, tlsActive = 0): HttpCounters => ({
  connections,
  tlsConnections,
  active,
  tlsActive,
  requests: 5,
});

const ownApplication: ClusterCounters = {
  name: "inbound|8080||",
  connections: 3,
  handshakes: 0,
  endpoints: [{ address: "10.0.0.2:8080", connections: 3, active: 1, requests: 3 }],
};

function edges(yaml: string, counters: Readonly<Record<string, ProxyCounters>>) {
  const { mesh } = worldOf(yaml);
  const peerAuthentications = snapshotOf(resourcesOf(yaml)).list("PeerAuthentication");
  return edgesOf({ mesh, peerAuthentications, withoutProxy: ["shop/legacy-1"], counters: new Map(Object.entries(counters)) });
}

const host = "orders.shop.svc.cluster.local";
const toOrders = (connections: number, handshakes: number) => ({
  "web-1.shop": proxy([cluster(host, "10.0.0.2:8080", { connections, handshakes })]),
});

test("handshakes make an edge mutual TLS, with who is at both ends", () => {
  expect(edges(shop, toOrders(3, 3))).toEqual([
    {
      from: { name: "shop/web-1", kind: "workload", identity: "spiffe://cluster.local/ns/shop/sa/web" },
      to: { name: "shop/orders-1", kind: "workload", identity: "spiffe://cluster.local/ns/shop/sa/orders" },
      port: 80,
      protocol: "http",
      encryption: "mtls",
      connections: 3,
      requests: 10,
      active: 1,
    },
  ]);
});

describe("plaintext says why", () => {
  const peer = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: off, namespace: shop}
spec: {mtls: {mode: DISABLE}}
---`;
  const rule = (mode: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: orders, namespace: shop}
spec: {host: orders, trafficPolicy: {tls: {mode: ${mode}}}}
---`;

  test.each([
    ["a PeerAuthentication", shop + peer, "PeerAuthentication shop/off says DISABLE for this port", "PeerAuthentication shop/off"],
    ["a DestinationRule", shop + rule("DISABLE"), "DestinationRule shop/orders says tls DISABLE", "DestinationRule shop/orders"],
    ["older connections", shop, "the configuration says mutual TLS by now; these connections are older", undefined],
  ])("%s", (_, yaml, reason, source) => {
    expect(edges(yaml, toOrders(3, 0))).toEqual([
      expect.objectContaining({ encryption: "none", reason, ...(source === undefined ? {} : { source }) }),
    ]);
  });

  test("a server without sidecar", () => {
    const counters = {
      "web-1.shop": proxy([cluster("legacy.shop.svc.cluster.local", "10.0.0.3:8080", { connections: 1, handshakes: 0 })]),
    };
    expect(edges(shop, counters)).toMatchObject([
      { to: { name: "shop/legacy-1" }, encryption: "none", reason: "the server has no sidecar" },
    ]);
  });

  test("a caller without sidecar, known by the server's proxy only", () => {
    const counters = { ...toOrders(2, 2), "orders-1.shop": proxy([ownApplication], { 8080: http(3, 2, 1, 1) }) };
    expect(edges(shop, counters)).toMatchObject([
      {
        from: { name: "(no sidecar)" },
        encryption: "none",
        reason: "the caller has no sidecar; pods without one: shop/legacy-1",
        connections: 1,
      },
      { from: { name: "shop/web-1" }, encryption: "mtls" },
    ]);
  });

  test("a proxy's own plaintext is not taken for a caller without sidecar", () => {
    const counters = { ...toOrders(3, 0), "orders-1.shop": proxy([], { 8080: http(3, 0) }) };
    expect(edges(shop + rule("DISABLE"), counters)).toHaveLength(1);
  });
});

test("where some connections had a handshake the server's proxy knows what is open now", () => {
  const at = (inbound: HttpCounters) => edges(shop, { ...toOrders(4, 2), "orders-1.shop": proxy([], { 8080: inbound }) })[0]?.encryption;
  expect([at(http(4, 2, 2, 2)), at(http(4, 2, 2, 0)), at(http(4, 2, 2, 1))]).toEqual(["mtls", "none", "partly"]);
});

test("the application's own TLS is carried, and TLS by a rule is not the mesh's", () => {
  const off =
    "\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: off, namespace: shop}\nspec: {mtls: {mode: DISABLE}}\n---\n";
  const counters = { "web-1.shop": proxy([cluster(host, "10.0.0.2:8443", { connections: 1, handshakes: 0 })]) };
  expect(edges(shop + off, counters)).toMatchObject([{ encryption: "application", port: 443 }]);
});

test("gateways show the world outside, passthrough what nobody declared", () => {
  const passthrough: ClusterCounters = {
    name: "PassthroughCluster",
    connections: 1,
    handshakes: 0,
    endpoints: [{ address: "203.0.113.9:443", connections: 1, active: 0, requests: 0 }],
  };
  const counters = { "web-1.shop": { ...proxy([passthrough]), gateway: new Map([[80, http(2, 0)]]) } };
  expect(edges(shop, counters)).toMatchObject([
    { from: { name: "(outside)" }, to: { name: "shop/web-1" }, encryption: "none", reason: "the gateway takes plaintext on port 80" },
    { to: { name: "203.0.113.9", kind: "external" }, encryption: "unknown" },
  ]);
});

test("a window makes rates; a proxy that began again from 0 makes none below it", () => {
  const [edge] = edges(shop, toOrders(3, 3));
  if (edge === undefined) throw new Error("no edge");
  const after = { ...edge, requests: 30, active: 0 };
  expect(liveEdges([edge], [after], 2000)).toMatchObject([{ requestsPerSecond: 10, live: true }]);
  expect(liveEdges([after], [after], 1000)).toMatchObject([{ requestsPerSecond: 0, live: false }]);
  expect(liveEdges([after], [{ ...after, requests: 1 }], 1000)).toMatchObject([{ requestsPerSecond: 0, live: false }]);
  expect(liveEdges([], [after], 1000)).toMatchObject([{ requestsPerSecond: 30, live: true }]);
});
