// The world outside the mesh through real sidecars: ServiceEntries of every resolution and protocol, and what unlisted hosts get under
// ALLOW_ANY and REGISTRY_ONLY. External hosts are processes in namespaces of their own, without a sidecar.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endedAt, flagged, responseFlags } from "../harness/access-log.ts";
import { binomialBounds } from "../harness/binomial.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, type LoadSummary, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { istioYaml, meshConfigYaml, routesYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;
const hosts = ["a.out.test", "b.out.test", "free.out.test"];
const address = new Map<string, string>();

function external(host: string): object {
  const env = { VERSION: host.split(".")[0] ?? "", SHARED: "${shared}" };
  const workingDir = fileURLToPath(new URL("../harness", import.meta.url));
  return { command: ["node", "test-app.mjs"], workingDir, env, ports: [8080, 8081, 8082, 8443] };
}

function meshConfig(mode: "ALLOW_ANY" | "REGISTRY_ONLY"): string {
  return meshConfigYaml({ outboundTrafficPolicy: { mode }, accessLogFile: "/dev/stdout", protocolDetectionTimeout: "1s" });
}

const port = (number: number, protocol: string, targetPort?: number): object => ({
  number,
  name: `${protocol.toLowerCase()}-${number}`,
  protocol,
  ...(targetPort === undefined ? {} : { targetPort }),
});

beforeAll(async () => {
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1"]),
    // A mesh service on the port that external hosts use too: their requests meet its route table.
    serviceYaml("same-port", { app: "server", ports: [{ name: "http", port: 8080, targetPort: 8080 }] }),
    istioYaml("ServiceEntry", "dns", {
      hosts: ["a.out.test", "b.out.test"],
      ports: [port(80, "HTTP", 8080), port(9082, "TCP", 8082), port(443, "TLS", 8443), port(8444, "HTTPS", 8443)],
      resolution: "DNS",
      location: "MESH_EXTERNAL",
    }),
    routesYaml("a.out.test", [
      { match: [{ uri: { prefix: "/slow" } }], timeout: "0.2s", ...to("a.out.test") },
      { match: [{ uri: { prefix: "/moved" } }], ...to("b.out.test") },
      { headers: { request: { set: { "x-from": "mesh" } } }, retries: { attempts: 0 }, ...to("a.out.test") },
    ]),
    // Another name for a host outside.
    istioYaml("ServiceEntry", "alias", {
      hosts: ["alias.test"],
      ports: [port(80, "HTTP", 8080)],
      resolution: "DNS",
      endpoints: [{ address: "b.out.test" }],
    }),
  );
  mesh = await TestMesh.start({ manifests, lateenYaml: { external: Object.fromEntries(hosts.map((host) => [host, external(host)])) } });
  const { items } = await mesh.client.list("Pod", { namespace: "lateen-external" });
  for (const { metadata, status } of items as readonly { metadata: { name?: string }; status?: { podIP?: string } }[]) {
    address.set(metadata.name ?? "", status?.podIP ?? "");
  }
});
afterAll(async () => {
  await mesh?.close();
});

async function servedBy(url: string, request: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const { status, headers, error } = await mesh.http("client", `http://${url}`, request);
  return status === 200 ? (headers["x-served-by"] ?? "") : `${status}${error === undefined ? "" : ` ${error}`}`;
}

async function tlsServedBy(host: string, at: number): Promise<string> {
  const reply = Object(await mesh.run("client", { kind: "tls", host, port: at }));
  return String(reply.version ?? reply.error);
}

/** "220 a" or why not. */
async function greetedBy(host: string, at: number): Promise<string> {
  const { text, error } = Object(await mesh.run("client", { kind: "tcp-once", host, port: at }));
  return String(text === "" ? error : String(text).split(" ")[1]);
}

describe("DNS", () => {
  it("HTTP: each host its own, with the routes that a VirtualService gives it", async () => {
    expect([await servedBy("a.out.test/"), await servedBy("b.out.test/"), await servedBy("a.out.test/moved")]).toEqual(["a", "b", "b"]);
    expect((await mesh.http("client", "http://a.out.test/slow?delay=2000")).status).toBe(504);
    expect(JSON.parse((await mesh.http("client", "http://a.out.test/")).body).headers["x-from"]).toBe("mesh");
    expect(await servedBy("alias.test/")).toBe("b");
  });

  it("TCP and TLS: hosts that share a port number are told apart", async () => {
    expect([await greetedBy("a.out.test", 9082), await greetedBy("b.out.test", 9082)]).toEqual(["a", "b"]);
    expect([await tlsServedBy("a.out.test", 443), await tlsServedBy("b.out.test", 443)]).toEqual(["a", "b"]);
    expect([await tlsServedBy("a.out.test", 8444), await tlsServedBy("b.out.test", 8444)]).toEqual(["a", "b"]);
  });

  it("is in the access log under its cluster", async () => {
    await mesh.logged((line) => line.includes("outbound|80||a.out.test") && responseFlags(line) === "-");
    await mesh.logged((line) => line.includes("outbound|443||b.out.test"));
  });
});

describe("STATIC", () => {
  it("addresses with labels are subsets", async () => {
    const endpoints = ["a", "b"].map((site) => ({ address: address.get(`${site}.out.test`), labels: { site } }));
    await mesh.apply(
      yamlOf(
        istioYaml("ServiceEntry", "static", {
          hosts: ["static.test"],
          ports: [port(80, "HTTP", 8080), port(9082, "TCP", 8082)],
          resolution: "STATIC",
          endpoints,
        }),
        istioYaml("DestinationRule", "static", {
          host: "static.test",
          subsets: ["a", "b"].map((site) => ({ name: site, labels: { site } })),
        }),
        istioYaml("VirtualService", "static", {
          hosts: ["static.test"],
          http: [
            { match: [{ uri: { prefix: "/b" } }], ...to("static.test", "b") },
            {
              route: [
                { destination: { host: "static.test", subset: "a" }, weight: 80 },
                { destination: { host: "static.test", subset: "b" }, weight: 20 },
              ],
            },
          ],
          tcp: [{ match: [{ port: 9082 }], route: [{ destination: { host: "static.test", subset: "a" } }] }],
        }),
      ),
    );
    expect(await servedBy("static.test/b")).toBe("b");
    const { byStatus, byVersion } = await mesh.load("client", "http://static.test/", { count: 1000, concurrency: 16 });
    const { min, max } = binomialBounds(1000, 0.2);
    expect([byStatus, (byVersion["b"] ?? 0) >= min, (byVersion["b"] ?? 0) <= max]).toEqual([{ 200: 1000 }, true, true]);
    expect([await greetedBy("static.test", 9082), await greetedBy("static.test", 9082)]).toEqual(["a", "a"]);
  });
});

describe("addresses of its own", () => {
  it("lead to the endpoints, whatever name the client knows", async () => {
    const given = "203.0.113.9";
    await mesh.apply(
      istioYaml("ServiceEntry", "addressed", {
        hosts: ["addressed.test"],
        addresses: [given],
        ports: [port(80, "HTTP", 8080), port(9082, "TCP", 8082), port(443, "TLS", 8443)],
        resolution: "STATIC",
        endpoints: [{ address: address.get("free.out.test") }],
      }),
    );
    expect([await servedBy("addressed.test/"), await servedBy(`${given}/`)]).toEqual(["free", "free"]);
    expect([await greetedBy("addressed.test", 9082), await greetedBy(given, 9082)]).toEqual(["free", "free"]);
    expect(await tlsServedBy("addressed.test", 443)).toBe("free");
  });

  it("an endpoint's own ports come before the entry's targetPort", async () => {
    await mesh.apply(
      istioYaml("ServiceEntry", "ported", {
        hosts: ["ported.test"],
        ports: [port(80, "HTTP", 9999)],
        resolution: "STATIC",
        endpoints: [{ address: address.get("free.out.test"), ports: { "http-80": 8080 } }],
      }),
    );
    expect(await servedBy("ported.test/")).toBe("free");
  });
});

describe("ALLOW_ANY", () => {
  it("unlisted hosts are reached in every protocol, under the cluster PassthroughCluster", async () => {
    expect(await servedBy("free.out.test:8080/")).toBe("free");
    expect(await greetedBy("free.out.test", 8082)).toBe("free");
    expect(await tlsServedBy("free.out.test", 8443)).toBe("free");
    expect(Object(await mesh.run("client", { kind: "http2", origin: "http://free.out.test:8081" })).status).toBe(200);
    await mesh.logged((line) => line.includes("PassthroughCluster") && line.includes("free.out.test:8080"));
    await mesh.logged((line) => line.includes("PassthroughCluster") && line.includes(`${address.get("free.out.test")}:8082`));
  });
});

const noneHttp = istioYaml("ServiceEntry", "none-http", {
  hosts: ["free.out.test"],
  ports: [port(8080, "HTTP")],
  resolution: "NONE",
  location: "MESH_EXTERNAL",
});

describe("REGISTRY_ONLY", () => {
  beforeAll(async () => {
    await mesh.apply(meshConfig("REGISTRY_ONLY"));
  });

  it("unlisted hosts are refused: HTTP with 502, connections by closing them", async () => {
    expect(await servedBy("free.out.test:8080/")).toBe("502");
    expect(await greetedBy("free.out.test", 8082)).toMatch(/closed|ECONNRESET/);
    expect(await tlsServedBy("free.out.test", 8443)).toBe("ECONNRESET");
    await mesh.logged((line) => line.includes("BlackHoleCluster") && line.includes(`${address.get("free.out.test")}:8082`));
  });

  it("listed hosts and the mesh's own services are reached", async () => {
    expect([await servedBy("a.out.test/"), await servedBy("server/"), await servedBy("same-port:8080/")]).toEqual(["a", "v1", "v1"]);
    expect([await greetedBy("b.out.test", 9082), await tlsServedBy("b.out.test", 443)]).toEqual(["b", "b"]);
  });

  it("pods are reached by their services, not by their addresses", async () => {
    const { items } = await mesh.client.list("Pod", { namespace: "default", labelSelector: "app=server" });
    const pod = String(Object(items[0]).status.podIP);
    expect([await servedBy(`${pod}:8080/`), await greetedBy(pod, 8082)]).toEqual(["502", expect.stringMatching(/closed|ECONNRESET/)]);
  });

  it("a ServiceEntry with resolution NONE opens a host, its end closes it", async () => {
    await mesh.apply(noneHttp);
    expect(await servedBy("free.out.test:8080/")).toBe("free");
    // Only what is listed: another port stays closed.
    expect(await greetedBy("free.out.test", 8082)).toMatch(/closed|ECONNRESET/);
    await mesh.remove(noneHttp);
    await eventually(async () => (await servedBy("free.out.test:8080/")) === "502", 60_000, "closed again");
  });

  it("NONE for TLS names by wildcard, for TCP by address", async () => {
    await mesh.apply(
      yamlOf(
        istioYaml("ServiceEntry", "none-tls", { hosts: ["*.out.test"], ports: [port(8443, "TLS")], resolution: "NONE" }),
        istioYaml("ServiceEntry", "none-tcp", {
          hosts: ["tcp.somewhere.test"],
          addresses: [`${address.get("free.out.test")}/32`],
          ports: [port(8082, "TCP")],
          resolution: "NONE",
        }),
      ),
    );
    expect(await tlsServedBy("free.out.test", 8443)).toBe("free");
    expect(await greetedBy("free.out.test", 8082)).toBe("free");
    const other = Object(await mesh.run("client", { kind: "tls", host: "free.out.test", port: 8443, serverName: "elsewhere.test" }));
    expect(other.error).toBe("ECONNRESET");
    expect(await greetedBy(address.get("a.out.test") ?? "", 8082)).toMatch(/closed|ECONNRESET/);
  });
});

describe("switching back and forth under load", () => {
  it("fails nothing that is allowed both ways", async () => {
    const since = Date.now();
    const request = { ratePerSecond: 100, durationMs: 4000, mixPost: true, freshShare: 0.2 };
    const running = Promise.all([
      mesh.load("client", "http://server/", request),
      mesh.load("client", "http://a.out.test/", request),
      mesh.load("client", "http://same-port:8080/", request),
    ]);
    await mesh.run("client", { kind: "tcp-open", id: "kept", host: "b.out.test", port: 9082 });
    for (const mode of ["ALLOW_ANY", "REGISTRY_ONLY", "ALLOW_ANY", "REGISTRY_ONLY", "ALLOW_ANY"] as const) {
      await mesh.apply(meshConfig(mode));
      expect(await servedBy("free.out.test:8080/")).toBe(mode === "ALLOW_ANY" ? "free" : "502");
      expect(await mesh.run("client", { kind: "tcp-say", id: "kept", text: mode })).toBe(`b ${mode}`);
    }
    const loads: readonly LoadSummary[] = await running;
    expect(loads.map(({ byStatus }) => byStatus)).toEqual(loads.map(({ total }) => ({ 200: total })));
    const flags = flagged(mesh.accessLog()).filter((line) => (endedAt(line) ?? 0) >= since);
    expect(flags.filter((line) => !line.includes("BlackHoleCluster") && !line.includes("free.out.test"))).toEqual([]);
  });
});
