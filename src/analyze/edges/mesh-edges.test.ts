// The live graph on a mesh made of YAML: why edges aren't encrypted, and what is configured and idle.

import { describe, expect, test } from "vitest";
import { resourcesOf, snapshotOf, worldOf } from "../../../test/harness/world.ts";
import type { TrafficEdge, TrafficEnd } from "../../telemetry/graph/traffic-edge.ts";
import type { MeshEdge } from "./mesh-edge.ts";
import { MeshEdges } from "./mesh-edges.ts";

const pod = (name: string, { app = name, version = "v1", address = "10.0.0.1", inject = "true" } = {}) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: shop, labels: {app: ${app}, version: ${version}, sidecar.istio.io/inject: "${inject}"}}
spec: {serviceAccountName: ${app}, containers: [{name: main, image: i}]}
status: {podIP: ${address}, conditions: [{type: Ready, status: "True"}]}
---`;

const service = (name: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tls, port: 443, targetPort: 8443}]}
---`;

const shop =
  pod("web") +
  service("web") +
  pod("orders", { address: "10.0.0.2" }) +
  service("orders") +
  pod("legacy", { address: "10.0.0.3", inject: "false" }) +
  service("legacy");

const host = (name: string) => `${name}.shop.svc.cluster.local`;
const workload = (name: string): TrafficEnd => ({ name: `shop/${name}`, kind: "workload" });

const counted = (more: Partial<TrafficEdge> = {}): TrafficEdge => ({
  from: workload("web"),
  to: workload("orders"),
  version: "v1",
  service: host("orders"),
  port: 80,
  protocol: "http",
  encryption: "none",
  mirrored: false,
  reporter: "source",
  requests: 10,
  requestsPerSecond: 1,
  failed: 0,
  failedShare: 0,
  latency: undefined,
  connections: 0,
  open: undefined,
  bytesReceivedPerSecond: 0,
  bytesSentPerSecond: 0,
  state: "live",
  seconds: 10,
  missing: 0,
  ...more,
});

function joined(yaml: string): MeshEdges {
  const { mesh } = worldOf(yaml);
  const snapshot = snapshotOf(resourcesOf(yaml));
  return new MeshEdges({
    mesh,
    peerAuthentications: snapshot.list("PeerAuthentication"),
    virtualServices: snapshot.list("VirtualService"),
    gateways: snapshot.list("Gateway"),
    withoutProxy: ["shop/legacy"],
  });
}

const edges = (yaml: string, ...list: readonly TrafficEdge[]): readonly MeshEdge[] => joined(yaml).edges(list);

test("mutual TLS needs no reason; numbers are as they were counted", () => {
  expect(edges(shop, counted({ encryption: "mtls" }))).toEqual([counted({ encryption: "mtls" })]);
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
    ["a change", shop, "the configuration says mutual TLS by now; this was before", undefined],
  ])("%s", (_, yaml, reason, source) => {
    expect(edges(yaml, counted())).toEqual([{ ...counted(), reason, ...(source === undefined ? {} : { source }) }]);
  });

  test("TLS that a rule makes isn't the mesh's, whatever certificate the server shows", () => {
    const reason = "DestinationRule shop/orders says tls SIMPLE, which isn't the mesh's own TLS";
    for (const encryption of ["none", "mtls"] as const) {
      expect(edges(shop + rule("SIMPLE"), counted({ encryption }))).toMatchObject([{ encryption: "tls", reason }]);
    }
  });

  test("a server without sidecar", () => {
    expect(edges(shop, counted({ to: workload("legacy"), service: host("legacy") }))).toMatchObject([
      { encryption: "none", reason: "the server has no sidecar" },
    ]);
  });

  test("a caller without sidecar, known by the server's proxy only", () => {
    const stranger: TrafficEnd = { name: "(no sidecar)", kind: "unknown" };
    expect(edges(shop, counted({ from: stranger, reporter: "destination" }))).toMatchObject([
      { encryption: "none", reason: "the caller has no sidecar; pods without one: shop/legacy" },
    ]);
  });

  test("both in one window, no connection at all, and the application's own TLS", () => {
    const list = [counted({ encryption: "partly" }), counted({ encryption: "unknown", port: 81 }), counted({ port: 443, protocol: "tcp" })];
    expect(edges(shop, ...list).map(({ encryption, reason }) => [encryption, reason])).toEqual([
      ["partly", "some of it was plaintext, some mutual TLS"],
      ["unknown", "no connection was made"],
      ["application", "the application's own TLS, which the proxies pass on"],
    ]);
  });
});

const gateway = (servers: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ingress, namespace: shop, labels: {app: ingress}, annotations: {inject.istio.io/templates: gateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
status: {podIP: 10.0.0.9, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress, namespace: shop}
spec: {selector: {app: ingress}, servers: [${servers}]}
---`;
const plainServer = '{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}';
const tlsServer = '{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: c}}';
const redirecting = '{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}';

test.each([
  [plainServer, "none", "the gateway takes plaintext on port 80"],
  [`${redirecting}, ${tlsServer}`, "tls", "the gateway ends the clients' TLS"],
  [`${plainServer}, ${tlsServer}`, "unknown", "the gateway takes TLS on port 443 and plaintext on port 80"],
])("the way into a gateway: %s", (servers, encryption, reason) => {
  const from: TrafficEnd = { name: "(outside)", kind: "external" };
  const to: TrafficEnd = { name: "shop/ingress", kind: "gateway" };
  expect(edges(shop + gateway(servers), counted({ from, to, service: "unknown", encryption: "unknown" }))).toMatchObject([
    { encryption, reason },
  ]);
});

test.each([
  ["PassthroughCluster", "(unknown hosts)", /the proxy passes the bytes on/],
  ["BlackHoleCluster", "(blocked hosts)", /the mesh refuses such hosts/],
])("hosts that nobody declared: %s", (name, shown, reason) => {
  expect(edges(shop, counted({ service: name, to: { name: shown, kind: "unknown" } }))).toMatchObject([
    { encryption: "unknown", reason: expect.stringMatching(reason) },
  ]);
});

test("a host outside without TLS says so", () => {
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: rates, namespace: shop}
spec: {hosts: [rates.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---`;
  const to: TrafficEnd = { name: "rates.test", kind: "external" };
  expect(edges(shop + entry, counted({ to, service: "rates.test" }))).toMatchObject([
    { encryption: "none", reason: "the host is outside of the mesh, and no DestinationRule makes TLS for it" },
  ]);
});

describe("what is configured and carries nothing", () => {
  const canary = `${shop}${pod("orders-v2", { app: "orders", version: "v2", address: "10.0.0.4" })}
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: orders, namespace: shop}
spec: {host: orders, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: orders, namespace: shop}
spec:
  hosts: [orders]
  http:
  - route: [{destination: {host: orders, subset: v1}, weight: 100}, {destination: {host: orders, subset: v2}, weight: 0}]
    mirror: {host: orders, subset: v3}
---`;
  const route = (text: string) => `VirtualService shop/orders spec.http[0].${text}`;

  test("destinations of routes, from whoever calls the host", () => {
    expect(edges(canary, counted({ encryption: "mtls" }))).toMatchObject([
      { to: { name: host("orders") }, mirrored: true, state: "configured", configuredBy: [route("mirror")] },
      { to: { name: "shop/orders" }, state: "live" },
      {
        from: { name: "shop/web" },
        to: { name: "shop/orders-v2", kind: "workload" },
        version: "v2",
        state: "configured",
        encryption: "mtls",
        requests: 0,
        configuredBy: [route("route[1] (weight 0)")],
      },
    ]);
  });

  test("an edge that carried nothing bears its route", () => {
    const idle = edges(canary, counted({ state: "idle", requests: 0 })).find(({ to }) => to.name === "shop/orders");
    expect(idle).toMatchObject({ state: "idle", configuredBy: [route("route[0] (weight 100)")] });
  });

  test("where nobody calls, that is said", () => {
    expect(new Set(edges(canary).map(({ from }) => from.name))).toEqual(new Set(["(no caller yet)"]));
  });

  test("a gateway's routes lead from the gateway", () => {
    const bound = canary.replace("hosts: [orders]\n", "hosts: [shop.test]\n  gateways: [ingress]\n") + gateway(plainServer);
    expect(edges(bound, counted()).filter(({ state }) => state === "configured")).toMatchObject([
      { from: { name: "shop/ingress", kind: "gateway" }, mirrored: true },
      { from: { name: "shop/ingress" }, to: { name: "shop/orders" } },
      { from: { name: "shop/ingress" }, to: { name: "shop/orders-v2" } },
    ]);
  });
});

test("nodes are all workloads and all ends", () => {
  const graph = joined(shop);
  const gone = counted({ from: { name: "shop/gone", kind: "workload" } });
  expect(graph.nodes(graph.edges([gone]))).toEqual([
    { name: "shop/gone", kind: "workload", namespace: "shop" },
    expect.objectContaining({ name: "shop/legacy", sidecar: false, app: "legacy", services: [host("legacy")] }),
    expect.objectContaining({ name: "shop/orders", sidecar: true, version: "v1" }),
    expect.objectContaining({ name: "shop/web", kind: "workload" }),
  ]);
});
