// Samples for the release engine, from what callers' proxies have counted.

import { expect, test } from "vitest";
import { latencyEdgesMs } from "../../release/judging.ts";
import { Collector } from "../../telemetry/collector.ts";
import type { Delta } from "../../telemetry/exact-counters.ts";
import type { Labels } from "../../telemetry/point.ts";
import { connectionsFailed, connectionsTried, triesTotal, tryDuration } from "../../telemetry/proxy-reports.ts";
import { ReleaseTraffic } from "./release-traffic.ts";

const start = 1_800_000_000;
const release = { metadata: { namespace: "shop" }, spec: { service: "orders" } };

function labels(version: string, code: string): Labels {
  const host = "orders.shop.svc.cluster.local";
  return { reporter: "source", destination_service: host, destination_version: version, response_code: code, response_flags: "-" };
}

function counted(name: string, of: Labels, value: number): Delta {
  return { kind: "counter", key: name + JSON.stringify(of), name, labels: of, value };
}

test("tries per version and second with the judge's buckets, and the rate of requests", () => {
  const collector = new Collector({ sinceMs: 0, peerOf: () => undefined });
  const world = { nowMs: (start + 1) * 1000 };
  const traffic = new ReleaseTraffic({ collector, nowMs: () => world.nowMs });
  const counts = [...latencyEdgesMs.map((edge) => (edge === 10 ? 30 : 0)), 0];
  const took: Delta = {
    kind: "histogram",
    key: "took",
    name: tryDuration,
    labels: labels("v2", "200"),
    bounds: latencyEdgesMs,
    counts,
    sum: 300,
  };
  const deltas = [
    counted(triesTotal, labels("v1", "200"), 90),
    counted(triesTotal, labels("v2", "200"), 8),
    counted(triesTotal, labels("v2", "503"), 2),
    counted(triesTotal, labels("v2", "404"), 1),
    counted("istio_requests_total", labels("v2", "200"), 27),
    counted("istio_requests_total", labels("v2", "503"), 3),
    took,
  ];
  collector.store.record({ kind: "next", source: "web", fromMs: start * 1000, toMs: (start + 1) * 1000, deltas });
  expect(traffic.secondsOf(release, start - 1)).toEqual([
    {
      second: start,
      arms: { v1: { requests: 90, errors: 0, clientErrors: 0 }, v2: { requests: 11, errors: 2, clientErrors: 1, latency: counts } },
    },
  ]);
  expect(traffic.secondsOf({ ...release, spec: { service: "other" } }, start - 1)).toEqual([{ second: start, arms: {} }]);
  expect(traffic.trafficOf(release)).toEqual({ requestsPerSecond: 30, errorRate: 0.1 });
  expect(traffic.trafficOf({ ...release, spec: { service: "other" } })).toEqual({ requestsPerSecond: 0, errorRate: 0 });
  collector.store.record({
    kind: "next",
    source: "web",
    fromMs: (start + 1) * 1000,
    toMs: (start + 2) * 1000,
    deltas: [counted(triesTotal, { ...labels("v2", "200"), mirrored: "true" }, 5)],
  });
  world.nowMs += 1000;
  expect(traffic.secondsOf(release, start)).toEqual([{ second: start + 1, arms: {} }]);
  const shadow = { ...release, spec: { service: "orders", steps: [{ mirror: { percent: 10 } }] } };
  expect(traffic.secondsOf(shadow, start)).toMatchObject([{ second: start + 1, arms: { v2: { requests: 5 } } }]);
  const template = { ...labels("v2", "200"), destination_template: "abc" };
  const next = { fromMs: (start + 2) * 1000, toMs: (start + 3) * 1000, deltas: [counted(triesTotal, template, 4)] };
  collector.store.record({ kind: "next", source: "web", ...next });
  world.nowMs += 1000;
  const ofSpec = (spec: object) => traffic.secondsOf({ ...release, spec: { service: "orders", ...spec } }, start + 1)[0]?.arms;
  expect(ofSpec({ strategy: "rolling" })).toMatchObject({ "v2/abc": { requests: 4 } });
  expect(ofSpec({ steps: [{ rollout: { type: "recreate" } }] })).toMatchObject({ "v2/abc": { requests: 4 } });
  expect(ofSpec({ strategy: "rolling", steps: [{}] })).toMatchObject({ v2: { requests: 4 } });
});

test("connections per version and second, and their rate where there are no requests", () => {
  const collector = new Collector({ sinceMs: 0, peerOf: () => undefined });
  const traffic = new ReleaseTraffic({ collector, nowMs: () => (start + 1) * 1000 });
  const of = (version: string, reporter = "source") => ({ ...labels(version, ""), reporter });
  const deltas = [
    counted("istio_tcp_connections_opened_total", of("v1"), 30),
    counted(connectionsTried, of("v1"), 20),
    counted("istio_tcp_connections_opened_total", of("v2"), 10),
    counted(connectionsTried, of("v2"), 5),
    counted(connectionsFailed, of("v2"), 4),
    // Whoever wasn't chosen isn't blamed, and servers' own counts are of the same connections.
    counted(connectionsFailed, of("unknown"), 1),
    counted("istio_tcp_connections_opened_total", of("v2", "destination"), 10),
  ];
  collector.store.record({ kind: "next", source: "web", fromMs: start * 1000, toMs: (start + 1) * 1000, deltas });
  const none = { requests: 0, errors: 0, clientErrors: 0 };
  expect(traffic.secondsOf(release, start - 1)).toEqual([
    {
      second: start,
      arms: {
        v1: { ...none, connections: { opened: 30, tried: 20, failed: 0 } },
        v2: { ...none, connections: { opened: 10, tried: 5, failed: 4 } },
      },
    },
  ]);
  expect(traffic.trafficOf(release)).toEqual({ unit: "connections", requestsPerSecond: 40, errorRate: 0.16 });
});
