// Envoy's admin as points: what comes through, and what doesn't.

import { expect, test } from "vitest";
import { jsonPoints, textPoints } from "./admin-points.ts";

const labels = { traffic: "source;http", service: "a.b.svc.cluster.local;a;b;80", security: "unknown;;" };
const name = "istio_request_bytes.traffic.source;http.service.a.b.svc.cluster.local;a;b;80.security.unknown;;";

test("JSON: tags are cut out of the name, sums are missing", () => {
  const buckets = [
    { upper_bound: 1, interval: 0, cumulative: 2 },
    { upper_bound: 5, interval: 0, cumulative: 3 },
  ];
  const body = JSON.stringify({ stats: [{ name: "server.uptime", value: 7 }, { histograms: [{ name, buckets }] }] });
  expect(jsonPoints(body)).toEqual([
    { kind: "counter", name: "server.uptime", labels: {}, value: 7 },
    { kind: "histogram", name: "istio_request_bytes", labels, bounds: [1, 5], counts: [2, 1, 0], sum: 0 },
  ]);
});

test("JSON: a value that holds another tag's name moves the tags' borders", () => {
  const strange = "x.traffic.source;http.destination.v1.service.net;b.service.a;a;b;80.security.unknown;;";
  expect(jsonPoints(JSON.stringify({ stats: [{ name: strange, value: 1 }] }))).toMatchObject([
    { labels: { destination: "v1", service: "net;b.service.a;a;b;80" } },
  ]);
});

test("Prometheus' text: labels as they are, counts by bucket", () => {
  const tags = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  const line = (suffix: string, value: number, more = "") => `envoy_istio_request_bytes${suffix}{${tags.join(",")}${more}} ${value}`;
  const lines = [line("_bucket", 2, ',le="1"'), line("_bucket", 3, ',le="+Inf"'), line("_sum", 9.5), line("_count", 3)];
  expect(textPoints(["# TYPE envoy_istio_request_bytes histogram", ...lines, ""].join("\n"))).toEqual([
    { kind: "histogram", name: "istio_request_bytes", labels, bounds: [1], counts: [2, 1], sum: 9.5 },
  ]);
});
