// From a real Envoy's requests to windows, edges and Prometheus' text, through all parts; then a restart of either side.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ExportMetricsServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.js";
import { AggregationTemporality, type MetricSchema } from "#envoy/opentelemetry/proto/metrics/v1/metrics_pb.js";
import { eventually } from "../../test/harness/eventually.ts";
import { Collector } from "./collector.ts";
import { joinedTag, joinTags } from "./composite-tags.ts";
import { EdgeTable } from "./graph/traffic-edges.ts";
import { parseText } from "./prometheus/parse-text.ts";
import { writeText } from "./prometheus/write-text.ts";
import { windowOf } from "./samples/window.ts";
import { startStatsEnvoy } from "./testing/stats-envoy.ts";

const peerOf = () => undefined;

function textOf(collector: Collector): string {
  return [...writeText(collector.families({ labelsOf: (pod) => ({ pod }) }), "prometheus")].join("");
}

test("what a real Envoy counted and sent by gRPC is in windows, edges and Prometheus' text", async () => {
  await using envoy = await startStatsEnvoy({ transport: "grpc" });
  const collector = new Collector({ sinceMs: Date.now() - 60_000, peerOf });
  const beganMs = Date.now() - 2000;
  for (let index = 0; index < 19; index += 1) await envoy.get("/status/200");
  await envoy.get("/status/503");
  let taken = 0;
  const byCode = () => {
    const query = { name: "istio_requests_total", by: ["response_code"], fromMs: beganMs, toMs: Date.now() + 2000 };
    return windowOf(collector.store, query).map(({ group, sum }) => [group["response_code"], sum]);
  };
  await eventually(() => {
    for (const post of envoy.posts.slice(taken)) collector.receive("orders-1.shop", post, Date.now());
    taken = envoy.posts.length;
    return textOf(collector).includes("istio_response_bytes_count") && byCode().length === 2;
  });
  expect(byCode()).toEqual([
    ["200", 19],
    ["503", 1],
  ]);
  const [edge, ...others] = new EdgeTable(collector.store).edges({
    fromMs: beganMs,
    toMs: Date.now() + 2000,
    gateways: new Set(),
    services: new Set(),
  });
  expect(others).toEqual([]);
  expect(edge).toMatchObject({
    to: { name: "shop/orders-v2" },
    requests: 20,
    failed: 1,
    encryption: "none",
    port: 80,
    reporter: "destination",
  });
  expect(textOf(collector)).toContain(
    'istio_requests_total{reporter="destination",source_workload="unknown",source_canonical_service="unknown",source_canonical_revision="unknown",source_workload_namespace="unknown",source_principal="unknown",source_app="unknown",source_version="unknown",source_cluster="unknown",destination_workload="orders-v2",destination_workload_namespace="shop",destination_principal="unknown",destination_app="orders",destination_version="v2",destination_service="orders.shop.svc.cluster.local",destination_canonical_service="orders",destination_canonical_revision="v2",destination_service_name="orders",destination_service_namespace="shop",destination_cluster="Kubernetes",request_protocol="http",response_code="200",response_flags="-",connection_security_policy="none",pod="orders-1.shop"} 19\n',
  );
  expect(parseText(textOf(collector)).broken).toBe(0);
});

type Tags = Readonly<Record<string, string>>;

function bytesOf(metric: MessageInitShape<typeof MetricSchema>): Uint8Array {
  return toBinary(
    ExportMetricsServiceRequestSchema,
    create(ExportMetricsServiceRequestSchema, { resourceMetrics: [{ scopeMetrics: [{ metrics: [metric] }] }] }),
  );
}

function times(seconds: number, startedSeconds = 1_800_000_000) {
  return {
    startTimeUnixNano: BigInt(startedSeconds) * 1_000_000_000n,
    timeUnixNano: BigInt(1_800_000_000 + seconds) * 1_000_000_000n,
  };
}

/** A request like Envoy's, of one counter. */
function sent(seconds: number, value: number, more: { readonly startedSeconds?: number; readonly traffic?: string } = {}): Uint8Array {
  const { startedSeconds, traffic = "source;http" } = more;
  return bytesOf({
    name: "istio_requests_total",
    data: {
      case: "sum",
      value: {
        isMonotonic: true,
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPoints: [
          {
            ...times(seconds, startedSeconds),
            attributes: [{ key: "traffic", value: { value: { case: "stringValue", value: traffic } } }],
            value: { case: "asInt", value: BigInt(value) },
          },
        ],
      },
    },
  });
}

const nowMs = (seconds: number) => (1_800_000_000 + seconds) * 1000;

function totalOf(collector: Collector, name = "istio_requests_total"): number | undefined {
  const family = parseText(textOf(collector)).families.find((candidate) => candidate.name === name);
  return family?.samples.reduce((sum, { value }) => sum + value, 0);
}

test("Prometheus' totals go on when a proxy restarts, and when the collector does", () => {
  const collector = new Collector({ sinceMs: nowMs(0), peerOf });
  collector.receive("a", sent(1, 10), nowMs(1));
  collector.receive("a", sent(2, 15), nowMs(2));
  collector.receive("a", sent(4, 3, { startedSeconds: 1_800_000_003 }), nowMs(4));
  expect(totalOf(collector)).toBe(18);
  const next = new Collector({ sinceMs: nowMs(10), peerOf });
  next.receive("a", sent(11, 100), nowMs(11));
  next.receive("a", sent(12, 104), nowMs(12));
  expect(totalOf(next)).toBe(104);
  const query = { name: "istio_requests_total", fromMs: nowMs(0), toMs: nowMs(20) };
  expect(windowOf(next.store, query)).toMatchObject([{ sum: 4, seconds: 1 }]);
});

test("durations by joined tags also say how many requests there were, and had no body; a proxy that counts them itself isn't asked twice", () => {
  const timed = (tags: Tags, ...counts: number[]): Uint8Array => {
    const attributes = Object.entries(tags).map(([key, value]) => ({ key, value: { value: { case: "stringValue" as const, value } } }));
    const dataPoints = [{ ...times(counts.length), attributes, explicitBounds: [5, 10], bucketCounts: counts.map(BigInt), sum: 1 }];
    const value = { aggregationTemporality: AggregationTemporality.CUMULATIVE, dataPoints };
    return bytesOf({ name: "istio_request_duration_milliseconds", data: { case: "histogram", value } });
  };
  const joined = { [joinedTag]: joinTags({ traffic: "source;http", response: "200;-" }) };
  const collector = new Collector({ sinceMs: nowMs(0), peerOf });
  collector.receive("a", timed(joined, 7, 2, 1), nowMs(3));
  expect([totalOf(collector), collector.seriesOf("a", "counter")]).toEqual([10, 0]);
  const sizes = { name: "istio_request_bytes", fromMs: nowMs(0), toMs: nowMs(20) };
  const zeros = { sum: 10, distribution: { bounds: [5, 10], counts: [10, 0, 0], sum: 0 } };
  expect(windowOf(collector.store, sizes)).toMatchObject([zeros]);
  collector.receive("b", timed({ traffic: "source;http" }, 4, 0, 0), nowMs(3));
  expect(totalOf(collector)).toBe(10);
});

test("copies of requests are under names of their own", () => {
  const collector = new Collector({ sinceMs: nowMs(0), peerOf });
  collector.receive("a", sent(1, 10), nowMs(1));
  collector.receive("b", sent(1, 7, { traffic: "source;http;1" }), nowMs(1));
  expect([totalOf(collector), totalOf(collector, "lateen_mirrored_requests_total")]).toEqual([10, 7]);
});

test("a proxy that is gone leaves Prometheus, not the past; in the end that goes too", () => {
  const collector = new Collector({ sinceMs: nowMs(0), peerOf });
  collector.receive("a", sent(1, 10), nowMs(1));
  collector.end("a");
  expect(totalOf(collector)).toBeUndefined();
  expect(windowOf(collector.store, { name: "istio_requests_total", fromMs: nowMs(0), toMs: nowMs(5) })).toMatchObject([
    { sum: 10, missing: 0 },
  ]);
  collector.expire(nowMs(7 * 3600));
  expect(collector.store.report()).toMatchObject({ series: 0, sources: 0, bytes: 0 });
});
