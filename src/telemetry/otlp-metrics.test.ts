// OTLP as a real Envoy sends it, and as nobody should.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ExportMetricsServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.js";
import type { MetricSchema } from "#envoy/opentelemetry/proto/metrics/v1/metrics_pb.js";
import { AggregationTemporality } from "#envoy/opentelemetry/proto/metrics/v1/metrics_pb.js";
import { eventually } from "../../test/harness/eventually.ts";
import { BadInput } from "../lib/errors.ts";
import { tagsOf } from "./composite-tags.ts";
import { type Delta, ExactCounters, type Report } from "./exact-counters.ts";
import { expandTags } from "./expand-tags.ts";
import { type OtlpMetrics, parseOtlpMetrics } from "./otlp-metrics.ts";
import { countOf } from "./point.ts";
import { standardMetricOf } from "./standard-metrics.ts";
import { startStatsEnvoy } from "./testing/stats-envoy.ts";

function reportOf({ timeMs, startMs, points }: OtlpMetrics): Report {
  const process = startMs === undefined ? {} : { process: `${startMs}`, ageMs: timeMs - startMs };
  return { source: "orders-1.shop", ...process, timeMs, receivedMs: timeMs, isComplete: true, points };
}

/** Sums by metric and response code, of labels as Istio has them. */
function sums(deltas: readonly Delta[]): Readonly<Record<string, number>> {
  const result: Record<string, number> = {};
  for (const delta of deltas) {
    const metric = standardMetricOf(delta.name);
    if (metric === undefined) throw new Error(`${delta.name} isn't Istio's`);
    const labels = expandTags(metric, tagsOf(delta.labels), { peerOf: () => undefined });
    expect(labels).toMatchObject({
      reporter: "destination",
      destination_workload: "orders-v2",
      source_workload: "unknown",
      destination_port: "80",
    });
    const name = `${delta.name} ${labels.response_code}`;
    result[name] = (result[name] ?? 0) + (delta.kind === "counter" ? delta.value : countOf(delta));
  }
  return result;
}

test("after N requests a real Envoy's reports say N, with nothing lost when it drops idle series", async () => {
  await using envoy = await startStatsEnvoy({ evictionInterval: "0.3s" });
  const startedMs = Date.now();
  // A flush that comes late on a busy machine must not pass for a lost one.
  const counters = new ExactCounters({ sinceMs: startedMs - 60_000, flushMs: 500, evictionMs: 300 });
  const deltas: Delta[] = [];
  const kinds = new Set<string>();
  let taken = 0;
  let tracked = 0;
  const take = () => {
    for (const post of envoy.posts.slice(taken)) {
      for (const metrics of parseOtlpMetrics(post)) {
        expect(metrics.skipped).toBe(0);
        // A process that says when it began, and it isn't 1970.
        if (metrics.startMs !== undefined) expect(Math.abs(metrics.startMs - startedMs)).toBeLessThan(60_000);
        const observation = counters.observe(reportOf(metrics));
        kinds.add(observation.kind);
        deltas.push(...observation.deltas);
        tracked = counters.seriesCount;
      }
    }
    taken = envoy.posts.length;
  };
  const ask = async (code: number, times: number) => {
    for (let index = 0; index < times; index++) expect(await envoy.get(`/status/${code}`)).toBe(code);
  };
  const saw = (name: string, value: number) =>
    eventually(() => {
      take();
      return sums(deltas)[name] === value;
    });
  await ask(200, 30);
  await ask(503, 7);
  await saw("istio_response_bytes 503", 7);
  await eventually(() => {
    take();
    return tracked === 0;
  });
  await ask(200, 41);
  await ask(404, 1);
  await saw("istio_response_bytes 404", 1);
  const of = (name: string) => ({ [`${name} 200`]: 71, [`${name} 404`]: 1, [`${name} 503`]: 7 });
  expect(sums(deltas)).toEqual({
    // As often as the histograms' values: how many requests there were is read from those.
    ...of("istio_request_messages_total"),
    ...of("istio_request_duration_milliseconds"),
    ...of("istio_response_bytes"),
  });
  expect([...kinds]).not.toContain("restarted");
});

type MetricInit = MessageInitShape<typeof MetricSchema>;

function parse(...metrics: readonly MetricInit[]): OtlpMetrics | undefined {
  const message = create(ExportMetricsServiceRequestSchema, { resourceMetrics: [{ scopeMetrics: [{ metrics: [...metrics] }] }] });
  return parseOtlpMetrics(toBinary(ExportMetricsServiceRequestSchema, message))[0];
}

const cumulative = AggregationTemporality.CUMULATIVE;

function sumMetric(points: readonly { readonly key?: string; readonly value: number }[], aggregationTemporality = cumulative): MetricInit {
  const dataPoints = points.map(({ key = "k", value }) => ({
    timeUnixNano: 5_000_000_000_000_000_000n,
    attributes: [{ key, value: { value: { case: "stringValue" as const, value: "v" } } }],
    value: { case: "asDouble" as const, value },
  }));
  return { name: "n", data: { case: "sum", value: { isMonotonic: true, aggregationTemporality, dataPoints } } };
}

function histogramMetric(explicitBounds: number[], bucketCounts: bigint[]): MetricInit {
  const dataPoints = [{ explicitBounds, bucketCounts, sum: 1 }];
  return { name: "h", data: { case: "histogram", value: { aggregationTemporality: cumulative, dataPoints } } };
}

describe("what can't be used is skipped and counted", () => {
  test.each([
    ["not a number", sumMetric([{ value: Number.NaN }])],
    ["negative", sumMetric([{ value: -1 }])],
    ["differences", sumMetric([{ value: 1 }], AggregationTemporality.DELTA)],
    ["buckets without bounds", histogramMetric([], [1n, 2n])],
    ["bounds in disorder", histogramMetric([5, 1], [1n, 2n, 3n])],
    [
      "too many buckets",
      histogramMetric(
        Array.from({ length: 201 }, (_, index) => index),
        Array.from({ length: 202 }, () => 1n),
      ),
    ],
    ["a summary", { name: "s", data: { case: "summary" as const, value: { dataPoints: [{ count: 1n }] } } }],
  ])("%s", (_, metric) => {
    expect(parse(metric)).toMatchObject({ points: [], skipped: 1 });
  });

  test("bytes that are no message", () => {
    expect(() => parseOtlpMetrics(new TextEncoder().encode("<html>"))).toThrow(BadInput);
  });
});

test("values within values without end don't end the process", () => {
  // AnyValue.array_value.values[0].array_value… as bytes, from the inside out.
  const headers: number[][] = [];
  let size = 0;
  const wrap = (field: number) => {
    const header = [(field << 3) | 2];
    for (let rest = size; ; rest >>>= 7) {
      header.push(rest > 127 ? (rest & 127) | 128 : rest);
      if (rest <= 127) break;
    }
    size += header.length;
    headers.push(header);
  };
  for (let depth = 0; depth < 20_000; depth += 1) for (const field of [1, 5]) wrap(field);
  // KeyValue.value, Resource.attributes, ResourceMetrics.resource, ExportMetricsServiceRequest.resource_metrics
  for (const field of [2, 1, 1, 1]) wrap(field);
  const bytes = Uint8Array.from(headers.toReversed().flat());
  expect(() => parseOtlpMetrics(bytes)).toThrow(BadInput);
});

test("hostile names are data", () => {
  const point = parse(sumMetric([{ key: "__proto__", value: 3 }]))?.points[0];
  expect(Object.keys(point?.labels ?? {})).toEqual(["__proto__"]);
  expect(Object.getPrototypeOf(point?.labels ?? {})).toBe(Object.prototype);
});
