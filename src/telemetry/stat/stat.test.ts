// Golden numbers of samples: by what people ask for, with gaps that are no zeros.

import { describe, expect, test } from "vitest";
import { parseParty } from "../party.ts";
import type { Labels } from "../point.ts";
import { SampleStore } from "../samples/sample-store.ts";
import { newestTrafficMs, type StatQuery, statRows } from "./stat.ts";

const nowMs = 1_800_000_000_000;
const window = { fromMs: nowMs, toMs: nowMs + 10_000 };

const web: Labels = {
  reporter: "source",
  source_workload: "web-v1",
  source_canonical_service: "web",
  source_workload_namespace: "shop",
  destination_service: "orders.shop.svc.cluster.local",
  destination_service_name: "orders",
  destination_service_namespace: "shop",
  destination_workload: "orders-v2",
  destination_workload_namespace: "shop",
  destination_canonical_service: "orders",
  destination_version: "v2",
  request_protocol: "http",
  response_code: "200",
  response_flags: "-",
};

function counted(labels: Labels, value: number, name = "istio_requests_total") {
  return { kind: "counter", key: JSON.stringify([name, labels]), name, labels, value } as const;
}

function took(labels: Labels, counts: readonly number[]) {
  const name = "istio_request_duration_milliseconds";
  return { kind: "histogram", key: JSON.stringify([name, labels]), name, labels, bounds: [10, 100], counts, sum: 1 } as const;
}

/** A store in which each proxy counted its deltas in the last of ten seconds; of the proxies in `silent` the first five are missing. */
function storeOf(reports: Readonly<Record<string, readonly (ReturnType<typeof counted> | ReturnType<typeof took>)[]>>): SampleStore {
  const store = new SampleStore();
  for (const [source, deltas] of Object.entries(reports)) {
    for (let second = 0; second < 10; second += 1) {
      const fromMs = nowMs + second * 1000;
      store.record({ kind: "next", source, fromMs, toMs: fromMs + 1000, deltas: second === 9 ? deltas : [] });
    }
  }
  return store;
}

function rows(store: SampleStore, query: Partial<StatQuery> = {}) {
  return statRows(store, { by: "service", reporter: "client", ...window, open: [], ...query });
}

test("a service's rate, success and latency", () => {
  const failed = { ...web, response_code: "503", response_flags: "UC" };
  const missing = { ...web, response_code: "404" };
  const store = storeOf({
    "web-1.shop": [counted(web, 90), counted(failed, 5), counted(missing, 5), took(web, [50, 50, 0])],
    "orders-1.shop": [counted({ ...web, reporter: "destination" }, 95)],
  });
  expect(rows(store)).toEqual([
    {
      labels: {
        destination_service: "orders.shop.svc.cluster.local",
        destination_service_name: "orders",
        destination_service_namespace: "shop",
      },
      reporter: "client",
      requests: 100,
      requestsPerSecond: 10,
      failed: 5,
      successShare: 0.95,
      latency: { p50: 10, p95: 91, p99: expect.closeTo(98.2, 5) },
      tcpReceivedPerSecond: undefined,
      tcpSentPerSecond: undefined,
      openConnections: 0,
      state: "live",
      seconds: 10,
      missing: 0,
    },
  ]);
  expect(rows(store, { reporter: "server" })).toMatchObject([{ requests: 95, reporter: "server" }]);
});

test("what only servers saw stands there as theirs", () => {
  const store = storeOf({ "orders-1.shop": [counted({ ...web, reporter: "destination", source_workload: "unknown" }, 3)] });
  expect(rows(store)).toMatchObject([{ requests: 3, reporter: "server" }]);
});

test("what a client tells of isn't told again by its server, under another name or with another code", () => {
  const elsewhere = { destination_service: "old.shop.svc.cluster.local", destination_service_name: "old" };
  const store = storeOf({
    "web-1.shop": [counted({ ...web, response_code: "504", response_flags: "UT" }, 5)],
    "orders-1.shop": [
      counted({ ...web, ...elsewhere, reporter: "destination", response_code: "0", response_flags: "DC" }, 5),
      counted({ ...web, ...elsewhere, reporter: "destination", source_workload: "unknown", source_workload_namespace: "unknown" }, 2),
    ],
  });
  const told = (by: StatQuery["by"]) =>
    rows(store, { by }).map(({ labels, reporter, requests }) => [labels["destination_service_name"], reporter, requests]);
  expect(told("service")).toEqual([
    ["old", "server", 2],
    ["orders", "client", 5],
  ]);
  expect(told("edge")).toEqual([
    ["orders", "client", 5],
    ["old", "server", 2],
  ]);
  expect(rows(store, { reporter: "server" })).toMatchObject([{ requests: 7 }]);
});

test("by version, caller and edge", () => {
  const v1 = { ...web, destination_version: "v1", destination_workload: "orders-v1" };
  const store = storeOf({ "web-1.shop": [counted(web, 1), counted(v1, 9), counted({ ...v1, response_code: "500" }, 2)] });
  expect(rows(store, { by: "version" }).map(({ labels, requests }) => [labels["destination_version"], requests])).toEqual([
    ["v1", 11],
    ["v2", 1],
  ]);
  expect(rows(store, { by: "source" })).toMatchObject([{ labels: { source_workload: "web-v1" }, requests: 12, failed: 2 }]);
  expect(rows(store, { by: "edge" }).map(({ labels, requests }) => [labels["response_code"], requests])).toEqual([
    ["200", 9],
    ["500", 2],
    ["200", 1],
  ]);
});

test("TCP has bytes and connections, and no rate of requests", () => {
  const tcp: Labels = { ...web, request_protocol: "tcp", response_code: "" };
  const store = storeOf({
    "web-1.shop": [
      counted(tcp, 2, "istio_tcp_connections_opened_total"),
      counted(tcp, 500, "istio_tcp_received_bytes_total"),
      counted(tcp, 70, "istio_tcp_sent_bytes_total"),
    ],
  });
  expect(rows(store, { open: [tcp, { ...tcp, reporter: "destination" }] })).toMatchObject([
    { requestsPerSecond: undefined, tcpReceivedPerSecond: 50, tcpSentPerSecond: 7, openConnections: 1, state: "live" },
  ]);
});

test("nothing in the window is idle, nobody's report a gap", () => {
  const store = storeOf({ "web-1.shop": [counted(web, 1)] });
  expect(rows(store, { fromMs: nowMs, toMs: nowMs + 9000 })).toMatchObject([
    { state: "idle", requestsPerSecond: 0, successShare: undefined },
  ]);
  expect(rows(store, { fromMs: nowMs + 20_000, toMs: nowMs + 30_000 })).toMatchObject([
    { state: "gap", requestsPerSecond: undefined, seconds: 0, missing: 10 },
  ]);
  expect(newestTrafficMs(store)).toBe(nowMs + 10_000);
  expect(newestTrafficMs(new SampleStore())).toBeUndefined();
});

test("copies of requests are left out", () => {
  expect(rows(storeOf({ "web-1.shop": [counted({ ...web, mirrored: "true" }, 5)] }))).toEqual([]);
});

describe("what is asked for", () => {
  const store = storeOf({ "web-1.shop": [counted(web, 1)] });
  const party = (text: string, namespace?: string) => parseParty(text, namespace);
  test.each<[string, Partial<StatQuery>, number]>([
    ["namespace", { namespace: "shop" }, 1],
    ["another namespace", { namespace: "other" }, 0],
    ["name", { name: "orders" }, 1],
    ["workload's name", { by: "workload", name: "orders-v2" }, 1],
    ["name with namespace", { name: "orders.shop" }, 1],
    ["a workload's name isn't its service's", { name: "orders-v2" }, 0],
    ["a service's workload by the application", { by: "workload", name: "orders" }, 1],
    ["part of a name", { name: "order" }, 0],
    ["from app", { from: party("web", "shop") }, 1],
    ["from workload", { from: party("deploy/web-v1", "shop") }, 1],
    ["from a deployment isn't from the application of that name", { from: party("deploy/web", "shop") }, 0],
    ["from service, as the caller's application is called", { from: party("svc/shop/web") }, 1],
    ["from service isn't from the workload of that name", { from: party("svc/web-v1") }, 0],
    ["to service isn't to the workload of that name", { to: party("svc/orders-v2") }, 0],
    ["to workload isn't to the service of that name", { to: party("workload/shop/orders") }, 0],
    ["to a deployment", { to: party("deployment/shop/orders-v2") }, 1],
    ["from another namespace", { from: party("other/web") }, 0],
    ["from nobody", { from: party("db", "shop") }, 0],
    ["to service", { to: party("svc/orders", "shop") }, 1],
    ["to host", { to: party("orders.shop.svc.cluster.local", "elsewhere") }, 1],
    ["to workload", { to: party("shop/orders-v2") }, 1],
    ["to another", { to: party("payments", "shop") }, 0],
    ["a caller's name", { by: "source", name: "web", namespace: "shop" }, 1],
  ])("%s", (_, query, count) => {
    expect(rows(store, query)).toHaveLength(count);
  });
});
