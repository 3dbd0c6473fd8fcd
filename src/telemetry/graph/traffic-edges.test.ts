// Edges from samples of clients and servers.

import { describe, expect, test } from "vitest";
import { type CompositeTags, joinParts } from "../composite-tags.ts";
import type { Delta } from "../exact-counters.ts";
import { expandTags } from "../expand-tags.ts";
import type { Labels } from "../point.ts";
import { SampleStore } from "../samples/sample-store.ts";
import { type StandardMetricName, standardMetricOf } from "../standard-metrics.ts";
import { outcomeOf } from "./outcome.ts";
import type { TrafficEdge } from "./traffic-edge.ts";
import { EdgeTable } from "./traffic-edges.ts";

const [web, orders] = ["spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/orders"];
const services = new Set(["orders.shop.svc.cluster.local"]);
const nowMs = 1_800_000_000_000;

const client: CompositeTags = {
  traffic: "source;http",
  source: "web;shop;web;v1;Kubernetes",
  destination: "orders-v2;shop;orders;v2;Kubernetes",
  service: "orders.shop.svc.cluster.local;orders;shop;80",
  response: "200;-",
  security: `;${web};${orders}`,
};
const server: CompositeTags = { ...client, traffic: "destination;http", source: "san", security: `mutual_tls;${orders};${web}` };

function labelsOf(name: StandardMetricName, tags: CompositeTags): Labels {
  const metric = standardMetricOf(name);
  if (metric === undefined) throw new Error(`${name} isn't in the table`);
  return expandTags(metric, tags, { peerOf: () => ({ workload: "web", namespace: "shop", version: "v1", canonicalName: "web" }) });
}

function counted(tags: CompositeTags, value: number, name: StandardMetricName = "istio_requests_total"): Delta {
  return { kind: "counter", key: JSON.stringify([name, tags]), name, labels: labelsOf(name, tags), value };
}

function took(tags: CompositeTags, counts: readonly number[]): Delta {
  const name = "istio_request_duration_milliseconds";
  return { kind: "histogram", key: JSON.stringify([name, tags]), name, labels: labelsOf(name, tags), bounds: [10, 100], counts, sum: 1 };
}

/** Edges of ten seconds, of which the last one was reported with these deltas. */
function edges(...reports: readonly (readonly Delta[])[]): readonly TrafficEdge[] {
  const store = new SampleStore();
  for (const [index, deltas] of reports.entries()) {
    for (let second = 0; second < 10; second += 1) {
      const fromMs = nowMs + second * 1000;
      store.record({ kind: "next", source: `proxy-${index}`, fromMs, toMs: fromMs + 1000, deltas: second === 9 ? deltas : [] });
    }
  }
  return new EdgeTable(store).edges({ fromMs: nowMs, toMs: nowMs + 10_000, gateways: new Set(["shop/ingress"]), services });
}

test("both ends counted: one edge, with the client's numbers", () => {
  const failed = { ...client, response: "503;UC" };
  const fromClient = [counted(client, 95), counted(failed, 5), took(client, [50, 45, 0]), took(failed, [5, 0, 0])];
  expect(edges(fromClient, [counted(server, 97), took(server, [97, 0, 0])])).toEqual([
    {
      from: { name: "shop/web", kind: "workload", identity: web },
      to: { name: "shop/orders-v2", kind: "workload", identity: orders },
      version: "v2",
      service: "orders.shop.svc.cluster.local",
      port: 80,
      protocol: "http",
      encryption: "mtls",
      mirrored: false,
      reporter: "source",
      requests: 100,
      requestsPerSecond: 10,
      failed: 5,
      failedShare: 0.05,
      latency: { p50: expect.closeTo(9.09, 2), p95: expect.closeTo(90, 5), p99: expect.closeTo(98, 5) },
      connections: 0,
      open: undefined,
      bytesReceivedPerSecond: 0,
      bytesSentPerSecond: 0,
      state: "live",
      seconds: 10,
      missing: 0,
    },
  ]);
});

test("a caller without a proxy is known by the server only", () => {
  const stranger = { ...server, security: `none;${orders};` };
  expect(edges([counted(client, 9)], [counted(server, 9), counted(stranger, 4)])).toMatchObject([
    { from: { name: "(no sidecar)", kind: "unknown" }, reporter: "destination", requests: 4, encryption: "none" },
    { from: { name: "shop/web" }, reporter: "source", requests: 9, encryption: "mtls" },
  ]);
});

test("copies are edges of their own", () => {
  expect(edges([counted(client, 9), counted({ ...client, traffic: "source;http;1" }, 3)])).toMatchObject([
    { requests: 9, mirrored: false },
    { requests: 3, mirrored: true },
  ]);
});

test("gateways, hosts outside, versions, and both plaintext and mutual TLS", () => {
  const outside = { ...client, destination: "", service: "api.example.com;api.example.com;shop;443", security: `;${web};` };
  const gateway = { ...client, source: joinParts(["ingress", "shop", "ingress", "latest", "Kubernetes"]) };
  const plain = { ...client, security: "", destination: "orders-v1;shop;orders;v1;Kubernetes" };
  const mixed = { ...plain, security: `;${web};${orders}` };
  expect(edges([counted(outside, 1), counted(gateway, 2), counted(plain, 3), counted(mixed, 4)])).toMatchObject([
    { from: { name: "(outside)", kind: "external" }, to: { name: "shop/ingress", kind: "gateway" }, requests: 2, encryption: "unknown" },
    { from: { name: "shop/ingress", kind: "gateway" }, version: "v2" },
    { to: { name: "api.example.com", kind: "external" }, encryption: "none", version: "unknown", port: 443 },
    { version: "v1", encryption: "partly", requests: 7 },
  ]);
});

test("calls that reached no pod of a service say nothing of encryption, and nothing once they are over", () => {
  const unreached = { ...client, destination: "", response: "503;UH", security: `;${web};` };
  expect(edges([counted(unreached, 3)])).toMatchObject([
    { to: { name: "orders.shop.svc.cluster.local", kind: "unknown" }, encryption: "unknown", failed: 3 },
  ]);
  expect(edges([counted(unreached, 0)])).toEqual([]);
});

test("TCP has connections and bytes, no requests", () => {
  const tcp = { ...client, traffic: "source;tcp", response: "" };
  const [edge] = edges([
    counted(tcp, 2, "istio_tcp_connections_opened_total"),
    counted(tcp, 500, "istio_tcp_received_bytes_total"),
    counted(tcp, 900, "istio_tcp_sent_bytes_total"),
  ]);
  expect(edge).toMatchObject({
    protocol: "tcp",
    connections: 2,
    bytesReceivedPerSecond: 50,
    bytesSentPerSecond: 90,
    requests: 0,
    state: "live",
  });
  expect([edge?.failedShare, edge?.latency]).toEqual([undefined, undefined]);
});

test("a connection that is open says how it travels, also where nothing knows of its beginning", () => {
  const tcp = { ...client, traffic: "source;tcp", response: "" };
  const labels = labelsOf("istio_tcp_connections_opened_total", tcp);
  const plain = labelsOf("istio_tcp_connections_opened_total", { ...tcp, security: "" });
  const open = (store: SampleStore, ...of: readonly Labels[]) =>
    new EdgeTable(store).edges({
      fromMs: nowMs,
      toMs: nowMs + 10_000,
      gateways: new Set(),
      services,
      open: of.map((each) => ({ labels: each })),
    });
  const store = new SampleStore();
  const deltas = [counted(tcp, 500, "istio_tcp_sent_bytes_total")];
  store.record({ kind: "next", source: "proxy", fromMs: nowMs, toMs: nowMs + 1000, deltas });
  expect(open(store, labels)).toMatchObject([
    { open: 1, encryption: "mtls", from: { identity: web }, to: { identity: orders }, state: "live" },
  ]);
  expect(open(new SampleStore(), plain)).toMatchObject([{ open: 1, encryption: "none", state: "live" }]);
  const opened = [counted(tcp, 1, "istio_tcp_connections_opened_total")];
  store.record({ kind: "next", source: "proxy", fromMs: nowMs + 1000, toMs: nowMs + 2000, deltas: opened });
  expect(open(store, plain, labels)).toMatchObject([{ open: 2, connections: 1, encryption: "partly" }]);
});

test("an edge that carried nothing in the window is there, not live", () => {
  const store = new SampleStore();
  store.record({ kind: "next", source: "a", fromMs: nowMs, toMs: nowMs + 1000, deltas: [counted(client, 9)] });
  const later = new EdgeTable(store).edges({ fromMs: nowMs + 60_000, toMs: nowMs + 70_000, gateways: new Set(), services });
  expect(later).toMatchObject([{ state: "gap", requests: 0, requestsPerSecond: undefined, encryption: "mtls", missing: 10 }]);
});

test("a proxy that reports nothing but that it lives makes an idle edge, not a gap", () => {
  expect(edges([counted(client, 0)])).toMatchObject([{ state: "idle", requestsPerSecond: 0, failedShare: undefined, missing: 0 }]);
});

describe("plaintext that a server got", () => {
  const plain = { ...client, security: "" };
  const stranger = { ...server, security: `none;${orders};` };

  test("is no other caller's when clients say that they sent it, retried or a second apart", () => {
    const tries = { ...stranger, response: "503;-" };
    expect(edges([counted(plain, 100)], [counted(stranger, 109), counted(tries, 50)])).toMatchObject([
      { from: { name: "shop/web" }, requests: 100, encryption: "none" },
    ]);
  });

  test("is another caller's where it is more", () => {
    expect(edges([counted(plain, 100)], [counted(stranger, 160)])).toMatchObject([
      { from: { name: "(no sidecar)" }, requests: 60, requestsPerSecond: 6 },
      { from: { name: "shop/web" }, requests: 100 },
    ]);
  });
});

test("what workloads send to a gateway doesn't come from outside", () => {
  const gateway = { ...client, source: joinParts(["ingress", "shop", "ingress", "latest", "Kubernetes"]) };
  const through = { ...client, destination: joinParts(["ingress", "shop", "ingress", "latest", "Kubernetes"]) };
  expect(edges([counted(gateway, 100)], [counted(through, 40)])).toMatchObject([
    { from: { name: "(outside)" }, to: { name: "shop/ingress" }, requests: 60 },
    { from: { name: "shop/ingress" }, to: { name: "shop/orders-v2" }, requests: 100 },
    { from: { name: "shop/web" }, to: { name: "shop/ingress" }, requests: 40 },
  ]);
  expect(edges([counted(gateway, 40)], [counted(through, 40)])).toHaveLength(2);
});

describe("hosts that nobody declared", () => {
  test.each([
    ["PassthroughCluster", "(unknown hosts)"],
    ["BlackHoleCluster", "(blocked hosts)"],
  ])("%s", (name, shown) => {
    const unknown = { ...client, destination: "", service: `;${name};;`, security: `;${web};` };
    expect(edges([counted(unknown, 2)])).toMatchObject([{ to: { name: shown, kind: "unknown" }, service: name, requests: 2 }]);
  });
});

test("where the client's proxy is silent the server's numbers stand", () => {
  const store = new SampleStore();
  store.record({ kind: "next", source: "web", fromMs: nowMs, toMs: nowMs + 1000, deltas: [counted(client, 9)] });
  const later = nowMs + 60_000;
  for (let second = 0; second < 10; second += 1) {
    const fromMs = later + second * 1000;
    store.record({ kind: "next", source: "orders", fromMs, toMs: fromMs + 1000, deltas: [counted(server, 2)] });
  }
  const asked = { fromMs: later, toMs: later + 10_000, gateways: new Set<string>(), services };
  expect(new EdgeTable(store).edges(asked)).toMatchObject([{ reporter: "destination", requests: 20, requestsPerSecond: 2 }]);
});

test("a proxy that reports a second later than others makes no rate smaller", () => {
  const store = new SampleStore();
  const deltas = [counted(client, 10)];
  for (let second = 0; second < 10; second += 1) {
    const fromMs = nowMs + second * 1000;
    store.record({ kind: "next", source: "a", fromMs, toMs: fromMs + 1000, deltas });
    if (second < 9) store.record({ kind: "next", source: "b", fromMs, toMs: fromMs + 1000, deltas });
  }
  const asked = { fromMs: nowMs, toMs: nowMs + 10_000, gateways: new Set<string>(), services };
  expect(new EdgeTable(store).edges(asked)).toMatchObject([{ requests: 190, requestsPerSecond: 20, missing: 0 }]);
});

test("between pods of a workload that are long gone nothing is missing", () => {
  const store = new SampleStore();
  const report = (source: string, second: number, deltas: readonly Delta[] = []) =>
    store.record({ kind: "next", source, fromMs: nowMs + second * 1000, toMs: nowMs + (second + 1) * 1000, deltas });
  for (let second = 0; second < 1800; second += 1) report("orders", second);
  for (const [source, start] of [
    ["web-1", 0],
    ["web-2", 60],
  ] as const) {
    for (let second = 0; second < 20; second += 1) report(source, start + second, [counted(client, 1)]);
    store.end(source, "shop/web");
  }
  const asked = { fromMs: nowMs, toMs: nowMs + 120_000, gateways: new Set<string>(), services };
  const before = new EdgeTable(store).edges(asked);
  expect(before).toMatchObject([{ requests: 40, seconds: 40, missing: 0 }]);
  store.expire(nowMs + 1_800_000);
  expect([...store.sources()].map(({ id }) => id)).toContain("ended: shop/web");
  expect(new EdgeTable(store).edges(asked)).toEqual(before);
});

test("asked again, the table is the same as one made anew; what expired is gone", () => {
  const store = new SampleStore();
  const table = new EdgeTable(store);
  const asked = (seconds: number) => ({
    fromMs: nowMs + seconds * 1000,
    toMs: nowMs + (seconds + 10) * 1000,
    gateways: new Set<string>(),
    services,
  });
  for (let second = 0; second < 30; second += 1) {
    const fromMs = nowMs + second * 1000;
    const caller = { ...client, source: `web-${second % 7};shop;web;v1;Kubernetes` };
    store.record({ kind: "next", source: `proxy-${second % 3}`, fromMs, toMs: fromMs + 1000, deltas: [counted(caller, second)] });
    expect(table.edges(asked(second - 9))).toEqual(new EdgeTable(store).edges(asked(second - 9)));
  }
  store.expire(nowMs + 7 * 3_600_000);
  expect(table.edges(asked(20))).toEqual([]);
});

describe("how requests end", () => {
  test.each([
    ["200", "", "-", "ok"],
    ["404", "", "-", "refused"],
    ["503", "", "UF", "failed"],
    ["0", "", "UR", "failed"],
    ["0", "", "DC", "abandoned"],
    ["0", "", "DC,UT", "abandoned"],
    ["0", "", "DR", "abandoned"],
    ["200", "", "UC", "failed"],
    ["200", "", "UPE", "failed"],
    ["200", "", "UT", "failed"],
    ["200", "2", "UR", "failed"],
    ["200", "", "DC", "ok"],
    ["101", "", "UC", "ok"],
    ["200", "0", "-", "ok"],
    ["200", "5", "-", "refused"],
    ["200", "14", "-", "failed"],
  ])("code %s, status %j, flags %s: %s", (response_code, grpc_response_status, response_flags, outcome) => {
    expect(outcomeOf({ response_code, grpc_response_status, response_flags })).toBe(outcome);
  });
});
