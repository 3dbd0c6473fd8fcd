// Traffic that enters through the ingress gateway from the host's loopback: hosts, merged routes, TCP, TLS by server name, and what strangers
// may not do.

import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endedAt, flagged, responseFlags } from "../harness/access-log.ts";
import { binomialBounds } from "../harness/binomial.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { tcpBurst, tcpOnce, tlsGet } from "../harness/test-app-streams.mjs";
import { istioYaml, subsetsYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const selector = { istio: "ingressgateway" };
const http = { number: 80, name: "http", protocol: "HTTP" };
const gateway = (name: string, servers: readonly object[]): string => istioYaml("Gateway", name, { selector, servers });
const routes = (name: string, hosts: readonly string[], http: readonly object[], more: object = {}): string =>
  istioYaml("VirtualService", name, { hosts, gateways: ["edge"], http, ...more });
const prefix = (path: string, more: object): object => ({ match: [{ uri: { prefix: path } }], ...more });
const v1 = to("server", "v1");
const v2 = to("server", "v2");

const tcpRoute = (weights: Readonly<Record<string, number>>): string =>
  istioYaml("VirtualService", "lines", {
    hosts: ["*"],
    gateways: ["lines"],
    tcp: [
      {
        match: [{ port: 9000 }],
        route: Object.entries(weights).map(([subset, weight]) => ({
          destination: { host: "server", subset, port: { number: 83 } },
          weight,
        })),
      },
    ],
  });
const sni = (name: string, subset: string): object => ({
  match: [{ port: 443, sniHosts: [name] }],
  route: [{ destination: { host: "secure", subset, port: { number: 443 } } }],
});

const hosts = yamlOf(
  gateway("edge", [
    { port: http, hosts: ["shop.test", "*.wild.test", "do.test", "rpc.test", "both.test", "lonely.test", "shop/only.shop.test"] },
    { port: { ...http, name: "http-redirect" }, hosts: ["secure.test"], tls: { httpsRedirect: true } },
  ]),
  // A second Gateway on the same port of the same proxy.
  gateway("second", [{ port: http, hosts: ["second.test"] }]),
  routes("shop-a", ["shop.test"], [prefix("/a", v1)]),
  routes("shop-b", ["shop.test"], [prefix("/b", v2)]),
  routes("wild", ["*.wild.test"], [v2]),
  routes("wild-narrow", ["narrow.wild.test"], [v1]),
  routes("not-offered", ["stranger.test"], [v1]),
  routes("secure-plain", ["secure.test"], [v1]),
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
  routes("wrong-namespace", ["only.shop.test"], [prefix("/default", v1)]),
);

const actions = routes(
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

beforeAll(async () => {
  const manifests = yamlOf(
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
    routes("rpc", ["rpc.test"], [{ route: [{ destination: { host: "server", subset: "v2", port: { number: 81 } } }] }]),
    gateway("lines", [{ port: { number: 9000, name: "tcp", protocol: "TCP" }, hosts: ["*"] }]),
    tcpRoute({ v1: 80, v2: 20 }),
    gateway("names", [
      { port: { number: 443, name: "tls", protocol: "TLS" }, hosts: ["a.tls.test", "b.tls.test"], tls: { mode: "PASSTHROUGH" } },
    ]),
    istioYaml("VirtualService", "names", {
      hosts: ["a.tls.test", "b.tls.test"],
      gateways: ["names"],
      tls: [sni("a.tls.test", "v1"), sni("b.tls.test", "v2")],
    }),
  );
  mesh = await TestMesh.start({ manifests, lateenYaml: { gateway: { ports: { 80: 0, 443: 0, 9000: 0 } } } });
});
afterAll(async () => {
  await mesh?.close();
});

async function servedBy(host: string, path = "/"): Promise<string> {
  const { status, headers, error } = await mesh.gateway(path, { headers: { host } });
  return status === 200 ? (headers["x-served-by"] ?? "") : `${status}${error === undefined ? "" : ` ${error}`}`;
}
const ask = (path: string, headers: Readonly<Record<string, string>> = {}, host = "do.test") =>
  mesh.gateway(path, { headers: { host, ...headers } });
const hostPort = (port: number): { readonly host: string; readonly port: number } => ({
  host: "127.0.0.1",
  port: mesh.gatewayPorts.get(port) ?? 0,
});

describe("hosts", () => {
  it.each([
    ["shop.test", "/a", "v1"],
    ["shop.test", "/b", "v2"],
    ["SHOP.test:80", "/b", "v2"],
    ["shop.test", "/c", "404"],
    ["any.wild.test", "/", "v2"],
    ["deep.any.wild.test", "/", "v2"],
    ["narrow.wild.test", "/", "v1"],
    ["wild.test", "/", "404"],
    ["second.test", "/", "v2"],
    ["stranger.test", "/", "404"],
    ["lonely.test", "/", "404"],
    ["unknown.test", "/", "404"],
    ["server.default.svc.cluster.local", "/", "404"],
    ["only.shop.test", "/", "v2"],
    ["only.shop.test", "/default", "v2"],
    ["both.test", "/", "v2"],
  ])("%s%s → %s", async (host, path, expected) => {
    expect(await servedBy(host, path)).toBe(expected);
  });

  it("a route for the gateway alone leaves the mesh its own", async () => {
    expect((await mesh.http("client", "http://both/")).headers["x-served-by"]).toBe("v1");
  });

  it("httpsRedirect sends browsers to https", async () => {
    const { status, headers } = await ask("/path?q=1", {}, "secure.test");
    expect([status, headers["location"]]).toEqual([301, "https://secure.test/path?q=1"]);
  });
});

describe("what a route does", () => {
  it("rewrites, redirects, answers, changes headers", async () => {
    const rewritten = JSON.parse((await ask("/rewrite/x")).body);
    expect([rewritten.path, rewritten.headers.host]).toEqual(["/new/x", "other.test"]);
    const redirected = await ask("/redirect");
    expect([redirected.status, redirected.headers["location"]]).toEqual([302, "http://do.test/there"]);
    const answered = await ask("/answer");
    expect([answered.status, answered.body]).toEqual([418, "teapot"]);
    const changed = await ask("/headers");
    expect([JSON.parse(changed.body).headers["x-edge"], changed.headers["x-pod"]]).toEqual(["one", undefined]);
  });

  it("limits time, tries again, injects faults, mirrors", async () => {
    expect((await ask("/limited?delay=2000")).status).toBe(504);
    const seenBy = async (version: string) => {
      const pod = (await mesh.pods("server")).find((name) => name.includes(`-${version}-`)) ?? "";
      return (await mesh.runIn(pod, { kind: "seen" })) as readonly { readonly path: string }[];
    };
    await seenBy("v1");
    expect((await ask("/retried?status=503")).status).toBe(503);
    expect((await seenBy("v1")).filter(({ path }) => path.startsWith("/retried")).length).toBe(3);
    expect((await ask("/abort")).status).toBe(429);
    const late = await ask("/late");
    expect([late.status, late.ms > 200]).toEqual([200, true]);
    await seenBy("v2");
    expect((await mesh.gatewayLoad("/mirrored", { headers: { host: "do.test" }, count: 50 })).byVersion).toEqual({ v1: 50 });
    let copies = 0;
    await eventually(async () => {
      copies += (await seenBy("v2")).filter(({ path }) => path.startsWith("/mirrored")).length;
      return copies >= 50;
    });
    expect(copies).toBe(50);
  });

  it("a full connection pool refuses with flag UO", async () => {
    const crowd = { headers: { host: "do.test" }, count: 30, concurrency: 30, mixPost: true };
    expect(Object.keys((await mesh.gatewayLoad("/narrow?delay=200", crowd)).byStatus)).toEqual(["200", "503"]);
    await mesh.logged((line) => line.includes("outbound|80||narrow.") && responseFlags(line) === "UO");
  });

  it("HTTP/2 and gRPC without TLS come in as well", async () => {
    const { port } = hostPort(80);
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    try {
      const reply = await new Promise<Record<string, unknown>>((resolve, reject) => {
        const request = session.request({
          ":method": "POST",
          ":path": "/test.Test/Call",
          ":authority": "rpc.test",
          "content-type": "application/grpc",
          te: "trailers",
          "x-want-grpc-status": "9",
        });
        let head = {};
        request.on("response", (got) => (head = got));
        request.on("trailers", (trailers) => resolve({ ...head, ...trailers }));
        request.on("error", reject);
        request.resume();
        request.end(Buffer.alloc(5));
      });
      expect([reply["grpc-status"], reply["x-served-by"]]).toEqual(["9", "v2"]);
    } finally {
      session.destroy();
    }
  });
});

describe("strangers", () => {
  it("can't name their own address, nor steer proxies with x-envoy-* headers", async () => {
    const forged = {
      "x-forwarded-for": "1.2.3.4",
      "x-envoy-external-address": "1.2.3.4",
      "x-envoy-internal": "true",
      "x-envoy-upstream-rq-timeout-ms": "50",
      "x-envoy-max-retries": "5",
      "x-envoy-retry-on": "5xx",
      "x-envoy-decorator-operation": "forged",
    };
    const reply = await ask("/plain?delay=300", forged);
    const { headers } = JSON.parse(reply.body);
    expect(reply.status).toBe(200);
    expect(headers["x-envoy-external-address"]).not.toBe("1.2.3.4");
    expect(headers["x-envoy-internal"]).toBeUndefined();
    expect(Object.keys(headers).filter((name) => name.startsWith("x-envoy-max") || name.startsWith("x-envoy-retry"))).toEqual([]);
    expect(JSON.stringify(headers)).not.toContain("forged");
    // The gateway appends the address it saw itself.
    const seen = String(headers["x-forwarded-for"])
      .split(",")
      .map((part) => part.trim());
    expect([seen[0], seen.length >= 2, seen.at(-1) === "1.2.3.4"]).toEqual(["1.2.3.4", true, false]);
  });
});

describe("TCP", () => {
  it("shares connections by weight; an open one outlives changes", async () => {
    const target = hostPort(9000);
    const { byVersion, errors } = await tcpBurst({ ...target, count: 500 });
    const { min, max } = binomialBounds(500, 0.2);
    expect([errors, (byVersion["v2"] ?? 0) >= min, (byVersion["v2"] ?? 0) <= max]).toEqual([[], true, true]);
    const socket = connect(target);
    const next = () =>
      new Promise<string>((resolve, reject) => {
        socket.once("data", (chunk: Buffer) => resolve(chunk.toString()));
        socket.once("close", () => reject(new Error("closed")));
      });
    try {
      const version = (await next()).split(" ")[1];
      for (const share of [0, 100, 0, 50, 100, 20]) {
        await mesh.apply(tcpRoute({ v1: 100 - share, v2: share }));
        const answer = next();
        socket.write(`now ${share}`);
        expect(await answer).toBe(`${version} now ${share}`);
        if (share % 100 === 0) expect((await tcpOnce(target)).text).toMatch(share === 0 ? /^220 v1/ : /^220 v2/);
      }
    } finally {
      socket.destroy();
    }
  });
});

describe("TLS passed through", () => {
  it("goes by server name; unknown names are cut off", async () => {
    const target = hostPort(443);
    const [a, b, unknown] = await Promise.all(
      ["a.tls.test", "b.tls.test", "c.tls.test"].map((serverName) => tlsGet({ ...target, serverName })),
    );
    expect([a?.version, b?.version, unknown?.error]).toEqual(["v1", "v2", "ECONNRESET"]);
    expect(JSON.parse(a?.body ?? "{}").serverName).toBe("a.tls.test");
  });
});

describe("changes under load", () => {
  it("routes that come and go for other hosts and the same host fail nothing", async () => {
    const since = Date.now();
    const request = { headers: { host: "do.test" }, ratePerSecond: 150, durationMs: 4000, mixPost: true, freshShare: 0.2 };
    const running = mesh.gatewayLoad("/plain", request);
    const more = yamlOf(
      routes("do-more", ["do.test"], [prefix("/more", v2)]),
      gateway("third", [{ port: http, hosts: ["third.test"] }]),
      istioYaml("VirtualService", "third", { hosts: ["third.test"], gateways: ["third"], http: [v2] }),
    );
    for (let round = 0; round < 5; round++) {
      await mesh.apply(more);
      expect([await servedBy("do.test", "/more"), await servedBy("third.test")]).toEqual(["v2", "v2"]);
      await mesh.remove(more);
      expect([await servedBy("do.test", "/more"), await servedBy("third.test")]).toEqual(["404", "404"]);
    }
    const { total, byStatus } = await running;
    expect(byStatus).toEqual({ 200: total });
    expect(
      flagged(mesh.accessLog()).filter((line) => (endedAt(line) ?? 0) >= since && line.includes('"do.test"') && line.includes("/plain")),
    ).toEqual([]);
  });
});
