// What a DestinationRule does on real sidecars: who gets the next request, how many connections there are, who is ejected, and which policy holds.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { responseFlags } from "../harness/access-log.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, type HttpResult, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { envoyStats } from "../harness/outage.ts";
import { istioYaml, routesYaml, shares, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const subsets = [
  { name: "v1", labels: { version: "v1" } },
  { name: "v2", labels: { version: "v2" } },
];
const sticky = { loadBalancer: { consistentHash: { useSourceIp: true } } };
const spread = { loadBalancer: { simple: "ROUND_ROBIN" } };

/** Spec of a DestinationRule per service of its own, all in front of the same four pods. */
const rules: Readonly<Record<string, object>> = {
  "round-robin": { trafficPolicy: spread },
  random: { trafficPolicy: { loadBalancer: { simple: "RANDOM" } } },
  "least-request": { trafficPolicy: { loadBalancer: { simple: "LEAST_REQUEST" } } },
  "by-header": { trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: "x-user" } } } },
  "by-header-maglev": { trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: "x-user", maglev: { tableSize: 1009 } } } } },
  "by-cookie": { trafficPolicy: { loadBalancer: { consistentHash: { httpCookie: { name: "session", ttl: "60s", path: "/" } } } } },
  "by-query": { trafficPolicy: { loadBalancer: { consistentHash: { httpQueryParameterName: "user" } } } },
  "by-source": { trafficPolicy: sticky },
  narrow: { trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } } } },
  "one-request": { trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } } } },
  unlimited: {},
  "one-at-a-time": { trafficPolicy: { connectionPool: { http: { http2MaxRequests: 1 } } } },
  upgraded: { trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: "UPGRADE" } } } },
  "not-upgraded": {},
  "as-client": { trafficPolicy: { connectionPool: { http: { useClientProtocol: true } } } },
  careful: {
    trafficPolicy: {
      ...spread,
      outlierDetection: {
        consecutiveGatewayErrors: 2,
        consecutive5xxErrors: 0,
        interval: "0.2s",
        baseEjectionTime: "60s",
        maxEjectionPercent: 25,
      },
    },
  },
  ejecting: {
    trafficPolicy: {
      ...spread,
      outlierDetection: { consecutive5xxErrors: 3, interval: "0.2s", baseEjectionTime: "6s", maxEjectionPercent: 100 },
    },
  },
  "not-ejecting": { trafficPolicy: spread },
  "port-level": { trafficPolicy: { ...sticky, portLevelSettings: [{ port: { number: 8000 }, ...spread }] } },
  inherited: { trafficPolicy: sticky },
};

const ports = [
  { name: "http", port: 80, targetPort: 8080 },
  { name: "http-more", port: 8000, targetPort: 8080 },
];

beforeAll(async () => {
  const services = Object.entries(rules).flatMap(([host, spec]) => [
    serviceYaml(host, { app: "server", ports }),
    istioYaml("DestinationRule", host, { host, subsets, ...spec }),
    routesYaml(host, [{ ...to(host), retries: { attempts: 0 } }]),
  ]);
  const manifests = yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1", "v2"], { replicas: 2 }), ...services);
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

/** The pods that answered, in order; one request after the other unless said otherwise. */
async function podsOf(url: string, count: number, request: Readonly<Record<string, unknown>> = {}): Promise<readonly string[]> {
  const results = (await mesh.run("client", { kind: "http", url: `http://${url}`, count, concurrency: 1, ...request })) as HttpResult[];
  return results.map(({ status, headers, error }) => (status === 200 ? (headers["x-pod"] ?? "") : `${status} ${error ?? ""}`));
}

const distinct = (pods: readonly string[]): number => new Set(pods).size;
const repeats = (pods: readonly string[]): number => pods.filter((pod, index) => pod === pods[index - 1]).length;

describe("load balancing", () => {
  it("ROUND_ROBIN gives each pod its turn", async () => {
    const pods = await podsOf("round-robin/", 40);
    const counts = Object.values(Object.groupBy(pods, (pod) => pod)).map((turns) => turns?.length);
    expect(counts).toEqual([10, 10, 10, 10]);
    expect(pods[0]).toBe(pods[4]);
  });

  it("RANDOM has no turns", async () => {
    const pods = await podsOf("random/", 100);
    expect([distinct(pods), repeats(pods) > 5, repeats(pods) < 60]).toEqual([4, true, true]);
  });

  it("LEAST_REQUEST reaches every pod", async () => {
    expect(distinct(await podsOf("least-request/", 100, { concurrency: 8 }))).toBe(4);
  });

  it.each([
    ["by-header", (user: string) => ["by-header/", { headers: { "x-user": user } }] as const],
    ["by-header-maglev", (user: string) => ["by-header-maglev/", { headers: { "x-user": user } }] as const],
    ["by-cookie", (user: string) => ["by-cookie/", { headers: { cookie: `session=${user}` } }] as const],
    ["by-query", (user: string) => [`by-query/?user=${user}`, {}] as const],
  ])("%s: a user keeps a pod, users have several", async (_, asked) => {
    const users = Array.from({ length: 16 }, (_, index) => `user-${index}`);
    const pods = await Promise.all(users.map((user) => podsOf(asked(user)[0], 5, asked(user)[1])));
    expect(pods.map(distinct)).toEqual(users.map(() => 1));
    expect(distinct(pods.flat())).toBeGreaterThan(1);
  });

  it("by cookie: who has none is given one that leads back", async () => {
    const first = await mesh.http("client", "http://by-cookie/");
    const cookie = String(first.headers["set-cookie"] ?? "").split(";")[0] ?? "";
    expect(cookie).toMatch(/^session=/);
    expect(await podsOf("by-cookie/", 5, { headers: { cookie } })).toEqual(Array.from({ length: 5 }, () => first.headers["x-pod"]));
  });

  it("by source: a client keeps its pod over fresh connections", async () => {
    expect(distinct(await podsOf("by-source/", 20, { freshShare: 1 }))).toBe(1);
  });
});

describe("connection pool", () => {
  it("a full one refuses with 503 and flag UO, an unlimited one takes all", async () => {
    const crowd = { count: 30, concurrency: 30, mixPost: true };
    const narrow = await mesh.load("client", "http://narrow/?delay=200", crowd);
    expect(Object.keys(narrow.byStatus)).toEqual(["200", "503"]);
    await mesh.logged((line) => line.includes("outbound|80||narrow.") && responseFlags(line) === "UO");
    expect((await mesh.load("client", "http://unlimited/?delay=200", crowd)).byStatus).toEqual({ 200: 30 });
  });

  it("http2MaxRequests limits requests of every protocol", async () => {
    const { byStatus } = await mesh.load("client", "http://one-at-a-time/?delay=200", { count: 10, concurrency: 10 });
    expect(Object.keys(byStatus)).toEqual(["200", "503"]);
    await mesh.logged((line) => line.includes("outbound|80||one-at-a-time.") && responseFlags(line) === "UO");
  });

  it("what proxies speak with each other: HTTP/1.1, HTTP/2 where upgraded, or the client's own", async () => {
    await mesh.http("client", "http://upgraded/spoken-1");
    await mesh.http("client", "http://not-upgraded/spoken-2");
    await mesh.http("client", "http://as-client/spoken-3");
    await mesh.run("client", { kind: "http2", origin: "http://as-client", path: "/spoken-4" });
    await mesh.run("client", { kind: "http2", origin: "http://not-upgraded", path: "/spoken-5" });
    const arrivedAs = (path: string) => {
      const line = mesh
        .accessLog()
        .split("\n")
        .find((entry) => entry.includes(path) && entry.includes("inbound|8080|"));
      return line === undefined ? "" : /(HTTP\/\S+)"/.exec(line)?.[1];
    };
    const paths = [1, 2, 3, 4, 5].map((number) => `/spoken-${number}`);
    await eventually(() => paths.every((path) => arrivedAs(path) !== ""), 60_000, "all requests in the log");
    expect(paths.map(arrivedAs)).toEqual(["HTTP/2", "HTTP/1.1", "HTTP/1.1", "HTTP/2", "HTTP/1.1"]);
  });

  it("maxRequestsPerConnection renews connections", async () => {
    await podsOf("one-request/", 12);
    await podsOf("unlimited/kept", 12);
    await mesh.logged((line) => line.includes("outbound|80||one-request."));
    const connections = (part: string) => {
      const lines = mesh.accessLog().split("\n");
      return lines.filter((line) => line.includes(part)).flatMap((line) => /outbound\|80\|\|\S+ (\S+)/.exec(line)?.[1] ?? []);
    };
    await eventually(
      () => connections("outbound|80||one-request.").length === 12 && connections("/kept").length >= 12,
      60_000,
      "all requests in the log",
    );
    expect(distinct(connections("outbound|80||one-request."))).toBe(12);
    expect(distinct(connections("/kept"))).toBeLessThanOrEqual(4);
  });
});

describe("outlier detection", () => {
  it("ejects the pod that fails, and takes it back when its time is over", async () => {
    const [bad = ""] = await mesh.pods("server");
    await mesh.runIn(bad, { kind: "fail", on: true });
    // Without detection the pod goes on failing its quarter of the requests.
    expect((await mesh.load("client", "http://not-ejecting/", { count: 40, concurrency: 1 })).byStatus).toEqual({ 200: 30, 503: 10 });
    const [client = ""] = await mesh.pods("client");
    const isOut = async () => Object.values(await envoyStats(mesh, client, /outbound\|80\|\|ejecting.*ejections_active$/)).includes(1);
    // Each of four has its turn three times, and is out then.
    expect((await mesh.load("client", "http://ejecting/", { count: 12, concurrency: 1 })).byStatus).toEqual({ 200: 9, 503: 3 });
    await eventually(isOut, 60_000, "the pod ejected");
    expect((await mesh.load("client", "http://ejecting/", { count: 30, concurrency: 1 })).byStatus).toEqual({ 200: 30 });
    await mesh.runIn(bad, { kind: "fail", on: false });
    await eventually(async () => distinct(await podsOf("ejecting/", 16)) === 4, 60_000, "the pod is back");
  });
});

describe("outlier detection's limits", () => {
  it("no more than maxEjectionPercent are ejected; gateway errors count by themselves", async () => {
    const [first = "", second = ""] = await mesh.pods("server");
    for (const pod of [first, second]) await mesh.runIn(pod, { kind: "fail", on: true });
    await mesh.load("client", "http://careful/", { count: 40, concurrency: 1 });
    const { byStatus } = await mesh.load("client", "http://careful/", { count: 30, concurrency: 1 });
    for (const pod of [first, second]) await mesh.runIn(pod, { kind: "fail", on: false });
    // One of the two bad pods is out, the other one of three has its turn.
    expect(byStatus).toEqual({ 200: 20, 503: 10 });
  });
});

describe("which policy holds", () => {
  it("a port's own before the rule's", async () => {
    expect(distinct(await podsOf("port-level/", 12))).toBe(1);
    expect(distinct(await podsOf("port-level:8000/", 12))).toBe(4);
  });

  it("a subset's own before the rule's, which others inherit", async () => {
    await mesh.apply(
      yamlOf(
        istioYaml("DestinationRule", "inherited", {
          host: "inherited",
          trafficPolicy: sticky,
          subsets: [{ ...subsets[0], trafficPolicy: spread }, subsets[1]],
        }),
        routesYaml("inherited", [
          { match: [{ uri: { prefix: "/v1" } }], ...to("inherited", "v1") },
          { match: [{ uri: { prefix: "/v2" } }], ...to("inherited", "v2") },
          to("inherited"),
        ]),
      ),
    );
    expect(distinct(await podsOf("inherited/v1", 8))).toBe(2);
    expect(distinct(await podsOf("inherited/v2", 8, { freshShare: 1 }))).toBe(1);
    expect(distinct(await podsOf("inherited/", 8, { freshShare: 1 }))).toBe(1);
  });

  it("subsets keep to their pods; a subset without pods answers 503, one that nobody knows is warned of", async () => {
    const { byStatus, byVersion } = await mesh.load("client", "http://unlimited/", { count: 40 });
    expect([byStatus, Object.keys(byVersion).toSorted()]).toEqual([{ 200: 40 }, ["v1", "v2"]]);
    await mesh.apply(
      yamlOf(
        istioYaml("DestinationRule", "unlimited", { host: "unlimited", subsets: [...subsets, { name: "v9", labels: { version: "v9" } }] }),
        routesYaml("unlimited", [
          { match: [{ uri: { prefix: "/v9" } }], ...to("unlimited", "v9") },
          { match: [{ uri: { prefix: "/none" } }], ...to("unlimited", "none") },
          shares("unlimited", { v1: 0, v2: 100 }),
        ]),
      ),
    );
    const none = await mesh.http("client", "http://unlimited/none");
    const v9 = await mesh.http("client", "http://unlimited/v9");
    expect([v9.status, none.status]).toEqual([503, 503]);
    await mesh.logged((line) => line.includes("/v9") && responseFlags(line) === "UH");
    expect((await mesh.load("client", "http://unlimited/", { count: 20 })).byVersion).toEqual({ v2: 20 });
  });
});
