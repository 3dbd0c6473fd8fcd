// Traffic that enters through the ingress gateway from the host's loopback: hosts, merged routes, TCP, TLS by server name, and what strangers
// may not do.

import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endedAt, flagged, responseFlags } from "../harness/access-log.ts";
import { binomialBounds } from "../harness/binomial.ts";
import { eventually } from "../harness/eventually.ts";
import { behindGateway, edgeRoutesYaml, gatewayYaml, http, prefix, tcpSharesYaml } from "../harness/gateway-manifests.ts";
import { TestMesh } from "../harness/mesh.ts";
import { tcpBurst, tcpOnce, tlsGet } from "../harness/test-app-streams.mjs";
import { istioYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await TestMesh.start({ manifests: behindGateway, lateenYaml: { gateway: { ports: { 80: 0, 443: 0, 9000: 0 } } } });
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
        await mesh.apply(tcpSharesYaml({ v1: 100 - share, v2: share }));
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
    const v2 = to("server", "v2");
    const since = Date.now();
    const request = { headers: { host: "do.test" }, ratePerSecond: 150, durationMs: 4000, mixPost: true, freshShare: 0.2 };
    const running = mesh.gatewayLoad("/plain", request);
    const more = yamlOf(
      edgeRoutesYaml("do-more", ["do.test"], [prefix("/more", v2)]),
      gatewayYaml("third", [{ port: http, hosts: ["third.test"] }]),
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
