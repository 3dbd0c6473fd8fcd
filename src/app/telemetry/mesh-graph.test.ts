// The live graph's answers: windows end with the newest report, gaps stay gaps, filters, and hosts read from access logs.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { resourcesOf, snapshotOf, worldOf } from "../../../test/harness/world.ts";
import type { Mesh } from "../../model/mesh.ts";
import type { CompositeTags } from "../../telemetry/composite-tags.ts";
import type { Delta } from "../../telemetry/exact-counters.ts";
import { expandTags } from "../../telemetry/expand-tags.ts";
import type { Labels } from "../../telemetry/point.ts";
import { SampleStore } from "../../telemetry/samples/sample-store.ts";
import { type StandardMetricName, standardMetricOf } from "../../telemetry/standard-metrics.ts";
import { MeshGraph } from "./mesh-graph.ts";

const startMs = Date.parse("2026-01-01T00:00:00.000Z");

const pod = (name: string, namespace: string, address: string) => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${name}, version: v1, sidecar.istio.io/inject: "true"}}
spec: {serviceAccountName: ${name}, containers: [{name: main, image: i}]}
status: {podIP: ${address}, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}]}
---`;
const yaml = pod("web", "shop", "10.0.0.1") + pod("orders", "shop", "10.0.0.2") + pod("db", "data", "10.0.0.3");

function labelsOf(name: StandardMetricName, tags: CompositeTags): Labels {
  const metric = standardMetricOf(name);
  return metric === undefined ? {} : expandTags(metric, tags, { peerOf: () => undefined });
}

const tagsOf = (from: string, to: string, protocol = "http"): CompositeTags => {
  const [[, caller = ""], [namespace = "", server = ""]] = [from.split("/"), to.split("/")];
  return {
    traffic: `source;${protocol}`,
    source: `${caller};shop;${caller};v1`,
    destination: `${server};${namespace};${server};v1`,
    service: `${server}.${namespace}.svc.cluster.local;${server};${namespace};80`,
    response: "200;-",
    security: ";a;b",
  };
};

const called = (tags: CompositeTags): Delta => ({
  kind: "counter",
  key: JSON.stringify(tags),
  name: "istio_requests_total",
  labels: labelsOf("istio_requests_total", tags),
  value: 10,
});

const toOrders = called(tagsOf("shop/web", "shop/orders"));
const toDb = called(tagsOf("shop/orders", "data/db"));
const toUnknown = called({ ...tagsOf("shop/web", "x/x"), destination: "", service: ";PassthroughCluster", security: "" });

let logsDir: string;
let nowMs: number;
let mesh: Mesh | undefined;
let samples: SampleStore;
let open: Labels[];
let graph: MeshGraph;

beforeEach(() => {
  logsDir = mkdtempSync(join(tmpdir(), "graph-"));
  nowMs = startMs;
  ({ mesh } = worldOf(yaml));
  samples = new SampleStore();
  open = [];
  const snapshot = snapshotOf(resourcesOf(yaml));
  graph = new MeshGraph({
    mesh: () => mesh,
    store: { snapshot: () => snapshot },
    telemetry: { collector: { store: samples }, openConnections: () => open.map((labels) => ({ labels })), nowMs: () => nowMs },
    logsDir,
  });
});
afterEach(() => rmSync(logsDir, { recursive: true }));

/** A second in which these proxies report. */
function report(deltas: Readonly<Record<string, readonly Delta[]>>): void {
  for (const [source, own] of Object.entries(deltas)) {
    samples.record({ kind: "next", source, fromMs: nowMs, toMs: nowMs + 1000, deltas: own });
  }
  nowMs += 1000;
}

const all = { "web.shop": [toOrders], "orders.shop": [toDb], "db.data": [] };

test("the window ends with the newest report; silent proxies are named", () => {
  report({ "web.shop": [toOrders], "orders.shop": [] });
  nowMs += 300;
  expect(graph.edges({ windowMs: 1000 })).toMatchObject({
    version: 1,
    asOf: "2026-01-01T00:00:01.000Z",
    ageMs: 300,
    silent: ["db.data"],
    edges: [{ from: { name: "shop/web" }, to: { name: "shop/orders" }, requestsPerSecond: 10, encryption: "mtls", state: "live" }],
    nodes: [{ name: "data/db" }, { name: "shop/orders" }, { name: "shop/web" }],
  });
});

test("when reports stop, numbers become gaps, and the data's age is told", () => {
  report(all);
  nowMs += 60_000;
  const { edges, ageMs, silent } = graph.edges({ windowMs: 10_000 });
  expect({ ageMs, silent }).toEqual({
    ageMs: 60_000,
    silent: ["data/db", "shop/orders", "shop/web"].map((name) => name.split("/").toReversed().join(".")),
  });
  expect(edges.map(({ state, requestsPerSecond }) => [state, requestsPerSecond])).toEqual([
    ["gap", undefined],
    ["gap", undefined],
  ]);
});

test("without any report there is an answer, and before the first mesh there is none", () => {
  expect(graph.edges({ windowMs: 1000 })).toMatchObject({ ageMs: undefined, edges: [], silent: ["db.data", "orders.shop", "web.shop"] });
  mesh = undefined;
  expect(() => graph.edges({ windowMs: 1000 })).toThrow("the mesh isn't made yet");
});

test("an answer is used again for half a second", () => {
  report(all);
  const first = graph.edges({ windowMs: 10_000 });
  nowMs += 400;
  expect(graph.edges({ windowMs: 10_000 }).edges).toBe(first.edges);
  nowMs += 200;
  expect(graph.edges({ windowMs: 10_000 }).edges).not.toBe(first.edges);
});

test.each([
  [{ namespace: "data" }, ["shop/orders → data/db"], ["data/db", "shop/orders"]],
  [{ namespace: "shop" }, ["shop/orders → data/db", "shop/web → shop/orders"], ["data/db", "shop/orders", "shop/web"]],
  [{ service: "orders" }, ["shop/orders → data/db", "shop/web → shop/orders"], ["data/db", "shop/orders", "shop/web"]],
  [{ service: "web" }, ["shop/web → shop/orders"], ["shop/orders", "shop/web"]],
  [{ service: "data/db" }, ["shop/orders → data/db"], ["data/db", "shop/orders"]],
  [{ service: "db.data" }, ["shop/orders → data/db"], ["data/db", "shop/orders"]],
  [{ service: "db.data.svc.cluster.local" }, ["shop/orders → data/db"], ["data/db", "shop/orders"]],
  [{ service: "db", namespace: "shop" }, ["shop/orders → data/db"], ["data/db", "shop/orders"]],
])("only %j", (wanted, edges, nodes) => {
  report(all);
  const list = graph.edges({ windowMs: 10_000, ...wanted });
  expect(list.edges.map(({ from, to }) => `${from.name} → ${to.name}`)).toEqual(edges);
  expect(list.nodes.map(({ name }) => name)).toEqual(nodes);
});

test.each([
  [{ service: "ordres" }, "there is no workload or service ordres", "did you mean orders?"],
  [{ service: "shop/db" }, "there is no workload or service shop/db", "there is one in namespace data"],
  [{ service: "nobody" }, "there is no workload or service nobody", "there are data/db, shop/orders, shop/web"],
  [{ namespace: "shpo" }, "there is no namespace shpo", "did you mean shop?"],
])("%j: %s", (wanted, message, fix) => {
  report(all);
  expect(() => graph.edges({ windowMs: 10_000, ...wanted })).toThrow(expect.objectContaining({ code: "not_found", message, fix }));
});

test.each([{ service: "orders" }, { service: "db.data" }, { namespace: "data" }, { service: "(unknown hosts)" }])(
  "%j before any request",
  (wanted) => {
    expect(graph.edges({ windowMs: 10_000, ...wanted }).edges).toEqual([]);
  },
);

test("TCP connections that are open make an edge live, though nothing happens on it", () => {
  const tags = tagsOf("shop/web", "data/db", "tcp");
  open = [labelsOf("istio_tcp_connections_opened_total", tags), labelsOf("istio_tcp_connections_opened_total", tags)];
  report({ "web.shop": [] });
  expect(graph.edges({ windowMs: 10_000 }).edges).toMatchObject([{ to: { name: "data/db" }, protocol: "tcp", open: 2, state: "live" }]);
});

describe("hosts without a name", () => {
  const time = "2026-01-01T00:00:00.500Z";
  const line = (authority: string, serverName: string, cluster = "PassthroughCluster") => {
    const isHttp = authority !== "-";
    const request = isHttp ? '"GET / HTTP/1.1" 200' : '"- - -" 0';
    return `[${time}] ${request} - via_upstream - "-" 0 5 1 1 "-" "-" "-" "${authority}" "203.0.113.9:443" ${cluster} 10.0.0.1:1 203.0.113.9:443 10.0.0.1:2 ${serverName} ${isHttp ? "allow_any" : "-"}`;
  };
  const log = (lines: readonly string[]) =>
    writeFileSync(join(logsDir, "shop_web_istio-proxy.log"), lines.map((text) => `${time} stdout F ${text}\n`).join(""));

  test("are read from the callers' access logs, with their ServiceEntries", () => {
    log([
      line("Api.Test:443", "-"),
      line("api.test", "-"),
      line("-", "tls.test"),
      line("-", "-"),
      line("x.test", "-", "outbound|80||x.test"),
    ]);
    report({ "web.shop": [toUnknown] });
    const { unknownHosts, serviceEntries } = graph.edges({ windowMs: 10_000 });
    const shared = { namespace: "shop", workload: "web", port: 443, last: time, refused: false };
    expect(unknownHosts).toEqual([
      { ...shared, protocol: "TCP", host: "203.0.113.9", count: 1 },
      { ...shared, protocol: "HTTP", host: "api.test", count: 2 },
      { ...shared, protocol: "TLS", host: "tls.test", count: 1 },
    ]);
    expect(serviceEntries).toMatchObject([
      { spec: { addresses: ["203.0.113.9"] } },
      { spec: { hosts: ["api.test"] } },
      { spec: { hosts: ["tls.test"], ports: [{ number: 443, protocol: "TLS" }] } },
    ]);
    expect(graph.edges({ windowMs: 10_000, namespace: "data" }).unknownHosts).toEqual([]);
  });

  test("are looked for only when an edge says that there are any", () => {
    log([line("api.test", "-")]);
    report(all);
    expect(graph.edges({ windowMs: 10_000 }).unknownHosts).toEqual([]);
  });

  test("of before the window are left out, and only a log's end is read", () => {
    log([line("early.test", "-"), ...Array.from({ length: 400 }, () => line("late.test", "-"))]);
    report({ "web.shop": [toUnknown] });
    expect(graph.edges({ windowMs: 10_000 }).unknownHosts.map(({ host }) => host)).toEqual(["late.test"]);
    nowMs += 60_000;
    report({ "web.shop": [toUnknown] });
    expect(graph.edges({ windowMs: 10_000 }).unknownHosts).toEqual([]);
  });
});
