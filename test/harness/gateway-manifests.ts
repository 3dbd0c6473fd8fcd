// What the ingress gateway of a test's mesh offers: hosts, merged routes, actions, TCP, and TLS by server name.

import { appYaml, serviceYaml } from "./mesh.ts";
import { istioYaml, subsetsYaml, to, yamlOf } from "./traffic-yaml.ts";

const selector = { istio: "ingressgateway" };
/** The port of plain HTTP. */
export const http = { number: 80, name: "http", protocol: "HTTP" };

/** A Gateway of the ingress gateway's pods. */
export function gatewayYaml(name: string, servers: readonly object[]): string {
  return istioYaml("Gateway", name, { selector, servers });
}

/** A VirtualService behind Gateway edge. */
export function edgeRoutesYaml(name: string, hosts: readonly string[], http: readonly object[]): string {
  return istioYaml("VirtualService", name, { hosts, gateways: ["edge"], http });
}

/** What happens below a path. */
export const prefix = (path: string, action: object): object => ({ match: [{ uri: { prefix: path } }], ...action });

const v1 = to("server", "v1");
const v2 = to("server", "v2");

/** How TCP connections to port 9000 are shared, by subset. */
export function tcpSharesYaml(weights: Readonly<Record<string, number>>): string {
  const route = Object.entries(weights).map(([subset, weight]) => ({
    destination: { host: "server", subset, port: { number: 83 } },
    weight,
  }));
  return istioYaml("VirtualService", "lines", { hosts: ["*"], gateways: ["lines"], tcp: [{ match: [{ port: 9000 }], route }] });
}

const sni = (name: string, subset: string): object => ({
  match: [{ port: 443, sniHosts: [name] }],
  route: [{ destination: { host: "secure", subset, port: { number: 443 } } }],
});

const hosts = yamlOf(
  gatewayYaml("edge", [
    { port: http, hosts: ["shop.test", "*.wild.test", "do.test", "rpc.test", "both.test", "lonely.test", "shop/only.shop.test"] },
    { port: { ...http, name: "http-redirect" }, hosts: ["secure.test"], tls: { httpsRedirect: true } },
  ]),
  // A second Gateway on the same port of the same proxy.
  gatewayYaml("second", [{ port: http, hosts: ["second.test"] }]),
  edgeRoutesYaml("shop-a", ["shop.test"], [prefix("/a", v1)]),
  edgeRoutesYaml("shop-b", ["shop.test"], [prefix("/b", v2)]),
  edgeRoutesYaml("wild", ["*.wild.test"], [v2]),
  edgeRoutesYaml("wild-narrow", ["narrow.wild.test"], [v1]),
  edgeRoutesYaml("not-offered", ["stranger.test"], [v1]),
  edgeRoutesYaml("secure-plain", ["secure.test"], [v1]),
  istioYaml("VirtualService", "second", { hosts: ["second.test"], gateways: ["second"], http: [v2] }),
  // One VirtualService for both sides; a match may name one of them.
  istioYaml("VirtualService", "both", {
    hosts: ["both.test", "both"],
    gateways: ["mesh", "edge"],
    http: [{ match: [{ gateways: ["edge"] }], ...v2 }, v1],
  }),
  // From another namespace, for the only host that is open to it.
  "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
  istioYaml("VirtualService", "shop/only", {
    hosts: ["only.shop.test"],
    gateways: ["default/edge"],
    http: [{ route: [{ destination: { host: "server.default.svc.cluster.local", subset: "v2" } }] }],
  }),
  edgeRoutesYaml("wrong-namespace", ["only.shop.test"], [prefix("/default", v1)]),
);

const actions = edgeRoutesYaml(
  "do",
  ["do.test"],
  [
    prefix("/rewrite", { rewrite: { uri: "/new", authority: "other.test" }, ...v1 }),
    prefix("/redirect", { redirect: { uri: "/there", redirectCode: 302 } }),
    prefix("/answer", { directResponse: { status: 418, body: { string: "teapot" } } }),
    prefix("/limited", { timeout: "0.2s", ...v1 }),
    prefix("/retried", { retries: { attempts: 2, retryOn: "5xx", backoff: "1ms" }, ...v1 }),
    prefix("/abort", { fault: { abort: { httpStatus: 429, percentage: { value: 100 } } }, ...v1 }),
    prefix("/late", { fault: { delay: { fixedDelay: "0.3s", percentage: { value: 100 } } }, ...v1 }),
    prefix("/mirrored", { mirror: { host: "server", subset: "v2" }, ...v1 }),
    prefix("/headers", { headers: { request: { set: { "x-edge": "one" } }, response: { remove: ["x-pod"] } }, ...v1 }),
    prefix("/narrow", { retries: { attempts: 0 }, ...to("narrow") }),
    prefix("/plain", { retries: { attempts: 0 }, ...v1 }),
  ],
);

/** A client, a server of two versions, and everything that the edge offers of it. */
export const behindGateway = yamlOf(
  appYaml("client", ["v1"]),
  appYaml("server", ["v1", "v2"]),
  subsetsYaml("server"),
  serviceYaml("both", { app: "server" }),
  serviceYaml("narrow", { app: "server" }),
  subsetsYaml("narrow", { connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } } }),
  serviceYaml("secure", { app: "server", ports: [{ name: "tls", port: 443, targetPort: 8443 }] }),
  subsetsYaml("secure"),
  hosts,
  actions,
  edgeRoutesYaml("rpc", ["rpc.test"], [{ route: [{ destination: { host: "server", subset: "v2", port: { number: 81 } } }] }]),
  gatewayYaml("lines", [{ port: { number: 9000, name: "tcp", protocol: "TCP" }, hosts: ["*"] }]),
  tcpSharesYaml({ v1: 80, v2: 20 }),
  gatewayYaml("names", [
    { port: { number: 443, name: "tls", protocol: "TLS" }, hosts: ["a.tls.test", "b.tls.test"], tls: { mode: "PASSTHROUGH" } },
  ]),
  istioYaml("VirtualService", "names", {
    hosts: ["a.tls.test", "b.tls.test"],
    gateways: ["names"],
    tls: [sni("a.tls.test", "v1"), sni("b.tls.test", "v2")],
  }),
);
