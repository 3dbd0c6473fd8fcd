// ExportMetricsServiceRequest bytes (OTLP), as Envoy's stat sink sends them each flush → points. Pure; HTTP or gRPC around it is the caller's.
// Bytes come from proxies: whatever they hold becomes numbers and strings, or is skipped and counted.

import { fromBinary } from "@bufbuild/protobuf";
import { ExportMetricsServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/metrics/v1/metrics_service_pb.js";
import type { AnyValue, KeyValue } from "#envoy/opentelemetry/proto/common/v1/common_pb.js";
import {
  AggregationTemporality,
  type HistogramDataPoint,
  type Metric,
  type NumberDataPoint,
} from "#envoy/opentelemetry/proto/metrics/v1/metrics_pb.js";
import { BadInput } from "../lib/errors.ts";
import type { Labels, Point } from "./point.ts";

export interface OtlpMetrics {
  /** Attributes of whoever sent it. */
  readonly resource: Labels;
  readonly points: readonly Point[];
  /** The latest moment that a point names, by the sender's clock, in ms since the epoch; 0 when none does. */
  readonly timeMs: number;
  /** When the earliest of its series began, which for Envoy is when its process did: the same in all its reports. Undefined when no point says. */
  readonly startMs: number | undefined;
  /** Points that can't be used: of other types, as differences instead of totals, or with broken numbers. */
  readonly skipped: number;
}

/**
 * Reads one request; a part per sender.
 *
 * @throws BadInput when the bytes are no such message.
 */
export function parseOtlpMetrics(bytes: Uint8Array): readonly OtlpMetrics[] {
  return decoded(bytes).resourceMetrics.map(({ resource, scopeMetrics }) => {
    const read = scopeMetrics.flatMap(({ metrics }) => metrics).flatMap(pointsOf);
    const points = read.flatMap(({ point }) => (point === undefined ? [] : [point]));
    const starts = read.flatMap(({ startMs, timeMs }) => (startMs > 0 ? [inMilliseconds(startMs, timeMs)] : []));
    return {
      resource: labelsOf(resource?.attributes ?? []),
      points,
      timeMs: read.reduce((latest, { timeMs }) => Math.max(latest, timeMs), 0),
      startMs: starts.length === 0 ? undefined : starts.reduce((earliest, start) => Math.min(earliest, start)),
      skipped: read.length - points.length,
    };
  });
}

function decoded(bytes: Uint8Array) {
  try {
    return fromBinary(ExportMetricsServiceRequestSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new BadInput("these bytes are no OTLP metrics", {
      cause,
      fix: "send an ExportMetricsServiceRequest as binary protobuf (content type application/x-protobuf)",
    });
  }
}

/** Envoy 1.40 writes microseconds where OTLP has nanoseconds (seen): a beginning in January 1970. */
function inMilliseconds(startMs: number, timeMs: number): number {
  return startMs < timeMs / 100 ? startMs * 1000 : startMs;
}

interface Read {
  readonly point: Point | undefined;
  readonly startMs: number;
  readonly timeMs: number;
}

function pointsOf({ name, data }: Metric): readonly Read[] {
  if (data.case === "gauge") return data.value.dataPoints.map((point) => read(point, numberPoint(name, "gauge", point)));
  if (data.case === "sum") {
    const { aggregationTemporality, isMonotonic, dataPoints } = data.value;
    const isCumulative = aggregationTemporality === AggregationTemporality.CUMULATIVE;
    const kind = isMonotonic ? "counter" : "gauge";
    return dataPoints.map((point) => read(point, isCumulative ? numberPoint(name, kind, point) : undefined));
  }
  if (data.case === "histogram") {
    const isCumulative = data.value.aggregationTemporality === AggregationTemporality.CUMULATIVE;
    return data.value.dataPoints.map((point) => read(point, isCumulative ? histogramPoint(name, point) : undefined));
  }
  return (data.value?.dataPoints ?? []).map((point) => read(point, undefined));
}

function read(times: { readonly startTimeUnixNano: bigint; readonly timeUnixNano: bigint }, point: Point | undefined): Read {
  return { point, startMs: Number(times.startTimeUnixNano) / 1e6, timeMs: Number(times.timeUnixNano) / 1e6 };
}

function numberPoint(name: string, kind: "counter" | "gauge", { attributes, value }: NumberDataPoint): Point | undefined {
  // Above 2^53 a count is no longer exact; no proxy lives that long.
  const number = value.case === undefined ? Number.NaN : Number(value.value);
  const isSound = Number.isFinite(number) && (kind === "gauge" || number >= 0) && isBounded(name, attributes);
  return isSound ? { kind, name, labels: labelsOf(attributes), value: number } : undefined;
}

/** Envoy's default has 19; ten times that is no proxy of ours. */
const maxBounds = 200;

function histogramPoint(name: string, { attributes, explicitBounds, bucketCounts, sum = 0 }: HistogramDataPoint): Point | undefined {
  const counts = bucketCounts.map(Number);
  const isSound =
    explicitBounds.length <= maxBounds &&
    counts.length === explicitBounds.length + 1 &&
    Number.isFinite(sum) &&
    isBounded(name, attributes) &&
    isAscending(explicitBounds);
  return isSound ? { kind: "histogram", name, labels: labelsOf(attributes), bounds: explicitBounds, counts, sum } : undefined;
}

/** Envoy's tags are six; hosts and principals are a few hundred characters. Beyond that nobody is meant to remember it. */
const maxLabels = 64;
const maxText = 8192;

function isBounded(name: string, attributes: readonly KeyValue[]): boolean {
  if (attributes.length > maxLabels || name.length > maxText) return false;
  return attributes.reduce((sum, { key, value }) => sum + key.length + textOf(value).length, 0) <= maxText;
}

function isAscending(bounds: readonly number[]): boolean {
  return bounds.every((bound, index) => Number.isFinite(bound) && (index === 0 || bound > (bounds[index - 1] ?? 0)));
}

function labelsOf(attributes: readonly KeyValue[]): Labels {
  // fromEntries makes "__proto__" an ordinary key.
  return Object.fromEntries(attributes.map(({ key, value }) => [key, textOf(value)]));
}

function textOf(value: AnyValue | undefined): string {
  const { value: inner } = value ?? {};
  switch (inner?.case) {
    case "stringValue":
      return inner.value;
    case "boolValue":
    case "intValue":
    case "doubleValue":
      return String(inner.value);
    default:
      return "";
  }
}
