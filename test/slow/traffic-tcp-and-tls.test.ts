// TCP and TLS through real sidecars: shares of connections, open connections that outlive every change, routes by server name, limits.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { responseFlags } from "../harness/access-log.ts";
import { binomialBounds } from "../harness/binomial.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { istioYaml, subsetsYaml, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

interface Burst {
  readonly byVersion: Readonly<Record<string, number>>;
  readonly errors: readonly string[];
}

interface TlsReply {
  readonly status: number;
  readonly version?: string;
  readonly body?: string;
  readonly error?: string;
}

const tcpPorts = [{ name: "tcp", port: 83, targetPort: 8082 }];
const tlsPorts = [{ name: "tls", port: 443, targetPort: 8443 }];

/** A weighted tcp route of a service in front of the server's pods. */
function tcpRoute(host: string, weights: Readonly<Record<string, number>>, match?: object): string {
  const route = Object.entries(weights).map(([subset, weight]) => ({ destination: { host, subset }, weight }));
  return istioYaml("VirtualService", host, { hosts: [host], tcp: [{ ...(match === undefined ? {} : { match: [match] }), route }] });
}

function tlsRoute(sniHost: string, destinations: readonly object[]): object {
  return { match: [{ port: 443, sniHosts: [sniHost] }], route: destinations };
}

const secure = (subset: string, weight?: number): object => ({ destination: { host: "secure", subset, port: { number: 443 } }, weight });

function tcpService(name: string, trafficPolicy?: object): string {
  return yamlOf(serviceYaml(name, { app: "server", ports: tcpPorts }), subsetsYaml(name, trafficPolicy));
}

beforeAll(async () => {
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("other", ["v1"]),
    appYaml("server", ["v1", "v2"]),
    tcpService("split"),
    tcpRoute("split", { v1: 80, v2: 20 }),
    tcpService("held"),
    tcpRoute("held", { v1: 100, v2: 0 }),
    tcpService("by-label"),
    istioYaml("VirtualService", "by-label", {
      hosts: ["by-label"],
      tcp: [
        { match: [{ sourceLabels: { app: "other" } }], route: [{ destination: { host: "by-label", subset: "v2" } }] },
        { route: [{ destination: { host: "by-label", subset: "v1" } }] },
      ],
    }),
    tcpService("by-port"),
    tcpRoute("by-port", { v2: 100 }, { port: 83 }),
    tcpService("other-port"),
    tcpRoute("other-port", { v2: 100 }, { port: 84 }),
    tcpService("idle", { connectionPool: { tcp: { idleTimeout: "0.3s" } } }),
    tcpService("short-lived", { connectionPool: { tcp: { maxConnectionDuration: "0.5s" } } }),
    tcpService("one-connection", { connectionPool: { tcp: { maxConnections: 1 } } }),
    // The application's own TLS: the proxies see the server name only.
    serviceYaml("secure", { app: "server", ports: tlsPorts }),
    subsetsYaml("secure"),
    istioYaml("ServiceEntry", "names", {
      hosts: ["a.tls.test", "b.tls.test", "c.tls.test", "half.tls.test", "x.any.tls.test"],
      ports: [{ number: 443, name: "tls", protocol: "TLS", targetPort: 8443 }],
      resolution: "STATIC",
      location: "MESH_INTERNAL",
      workloadSelector: { labels: { app: "server", version: "v1" } },
    }),
    istioYaml("VirtualService", "names", {
      hosts: ["a.tls.test", "b.tls.test", "half.tls.test", "*.any.tls.test"],
      tls: [
        tlsRoute("a.tls.test", [secure("v1")]),
        tlsRoute("b.tls.test", [secure("v2")]),
        tlsRoute("half.tls.test", [secure("v1", 50), secure("v2", 50)]),
        tlsRoute("*.any.tls.test", [secure("v2")]),
      ],
    }),
  );
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

const burst = async (app: string, host: string, count: number): Promise<Burst> =>
  (await mesh.run(app, { kind: "tcp-burst", host, port: 83, count })) as Burst;
const greeting = async (app: string, host: string): Promise<string> =>
  String(Object(await mesh.run(app, { kind: "tcp-once", host, port: 83 })).text).split(" ")[1] ?? "";
const tls = async (host: string, request: Readonly<Record<string, unknown>> = {}): Promise<TlsReply> =>
  (await mesh.run("client", { kind: "tls", host, port: 443, ...request })) as TlsReply;
const within = (count: number, trials: number, share: number): boolean => {
  const { min, max } = binomialBounds(trials, share);
  return count >= min && count <= max;
};

describe("tcp routes", () => {
  it("share 1,000 connections by weight, also after a change", async () => {
    for (const [v1, v2] of [
      [80, 20],
      [25, 75],
      [0, 100],
    ] as const) {
      await mesh.apply(tcpRoute("split", { v1, v2 }));
      const { byVersion, errors } = await burst("client", "split", 1000);
      expect([errors, within(byVersion["v2"] ?? 0, 1000, v2 / 100)]).toEqual([[], true]);
    }
  });

  it("by the client's labels and by port", async () => {
    expect([await greeting("client", "by-label"), await greeting("other", "by-label")]).toEqual(["v1", "v2"]);
    expect((await burst("client", "by-port", 20)).byVersion).toEqual({ v2: 20 });
    // A match on another port leaves this one to the service itself.
    expect(Object.keys((await burst("client", "other-port", 60)).byVersion).toSorted()).toEqual(["v1", "v2"]);
  });

  it("an open connection outlives 100 changes of weights, new ones follow them", async () => {
    const greeted = await mesh.run("client", { kind: "tcp-open", id: "kept", host: "held", port: 83 });
    expect(String(greeted)).toMatch(/^220 v1 /);
    for (let change = 1; change <= 100; change++) {
      const v2 = change % 4 === 0 ? 0 : change % 2 === 0 ? 100 : change % 100;
      await mesh.apply(tcpRoute("held", { v1: 100 - v2, v2 }));
      const said = await mesh.run("client", { kind: "tcp-say", id: "kept", text: `change ${change}` });
      expect(said).toBe(`v1 change ${change}`);
      if (v2 === 0 || v2 === 100) expect(await greeting("client", "held")).toBe(v2 === 0 ? "v1" : "v2");
    }
  });
});

describe("tcp limits", () => {
  it("idle connections are closed", async () => {
    await mesh.run("client", { kind: "tcp-open", id: "idle", host: "idle", port: 83 });
    const say = () => mesh.run("client", { kind: "tcp-say", id: "idle", text: "still there" });
    expect(await say()).toMatch(/^v[12] still there/);
    await expect.poll(() => mesh.run("client", { kind: "tcp-held", id: "idle" }), { timeout: 10_000 }).toBe(false);
    await expect(say()).rejects.toThrow(/closed/);
  });

  it("connections end after maxConnectionDuration, busy or not", async () => {
    await mesh.run("client", { kind: "tcp-open", id: "short", host: "short-lived", port: 83 });
    const say = () => mesh.run("client", { kind: "tcp-say", id: "short", text: "again" });
    await expect.poll(() => say().then(String, String), { timeout: 10_000 }).toMatch(/closed|no answer/);
  });

  it("a connection too many is refused with flag UO", async () => {
    await mesh.run("client", { kind: "tcp-open", id: "only", host: "one-connection", port: 83 });
    const more = Object(await mesh.run("client", { kind: "tcp-once", host: "one-connection", port: 83 }));
    expect(more.text).toBe("");
    await mesh.logged((line) => line.includes("outbound|83||one-connection.") && responseFlags(line)?.includes("UO") === true);
  });
});

describe("tls routes", () => {
  it.each([
    ["a.tls.test", "v1"],
    ["b.tls.test", "v2"],
    ["c.tls.test", "v1"],
    ["x.any.tls.test", "v2"],
  ])("%s goes to %s", async (host, version) => {
    const replies = await Promise.all(Array.from({ length: 6 }, () => tls(host)));
    expect(replies.map((reply) => reply.version ?? reply.error)).toEqual(replies.map(() => version));
    expect(JSON.parse(replies[0]?.body ?? "{}").serverName).toBe(host);
  });

  it("a name nobody routes goes to the address's service; the server sees it", async () => {
    const reply = await tls("c.tls.test", { serverName: "unrouted.test" });
    expect([reply.status, JSON.parse(reply.body ?? "{}").serverName]).toEqual([200, "unrouted.test"]);
  });

  it("share by weight", async () => {
    const replies = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const some: (string | undefined)[] = [];
        for (let index = 0; index < 20; index++) some.push((await tls("half.tls.test")).version);
        return some;
      }),
    );
    const versions = replies.flat();
    expect(versions.filter((version) => version === undefined)).toEqual([]);
    expect(within(versions.filter((version) => version === "v2").length, 200, 0.5)).toBe(true);
  });

  it("a TLS service without routes is reached on all its pods", async () => {
    const replies = await Promise.all(Array.from({ length: 30 }, () => tls("secure")));
    expect([...new Set(replies.map((reply) => reply.version ?? reply.error))].toSorted()).toEqual(["v1", "v2"]);
  });
});
