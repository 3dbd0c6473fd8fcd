// Spans → an ExportTraceServiceRequest, for systems that spans are sent on to. Who a span's sender is stands in its resource, in OpenTelemetry's names.

import { create, toBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "#envoy/opentelemetry/proto/collector/trace/v1/trace_service_pb.js";
import { type KeyValue, KeyValueSchema } from "#envoy/opentelemetry/proto/common/v1/common_pb.js";
import {
  type Span as OtlpSpan,
  Span_EventSchema,
  Span_SpanKind,
  SpanSchema,
  Status_StatusCode,
} from "#envoy/opentelemetry/proto/trace/v1/trace_pb.js";
import type { Attributes, AttributeValue, Span, SpanKind } from "./span.ts";

/** The request in binary. */
export function encodeOtlpSpans(spans: readonly Span[]): Uint8Array {
  const groups = Map.groupBy(spans, ({ sender, resource }) => JSON.stringify([sender, resource]));
  const resourceSpans = [...groups.values()].map((group) => ({
    resource: { attributes: keyValues(resourceOf(group[0])) },
    scopeSpans: [{ scope: { name: "lateen" }, spans: group.map(otlpSpan) }],
  }));
  return toBinary(ExportTraceServiceRequestSchema, create(ExportTraceServiceRequestSchema, { resourceSpans }));
}

function resourceOf(span: Span | undefined): Attributes {
  if (span === undefined) return {};
  const { service, version, workload, namespace, pod, kind } = span.sender;
  const known = Object.entries({
    "service.name": service,
    "service.namespace": namespace,
    "service.version": version,
    "k8s.namespace.name": namespace,
    "k8s.deployment.name": workload,
    "k8s.pod.name": pod,
    "lateen.reporter": kind,
  }).filter(([, value]) => value !== "");
  return Object.fromEntries([...Object.entries(span.resource), ...known]);
}

const kinds: Readonly<Record<SpanKind, Span_SpanKind>> = {
  internal: Span_SpanKind.INTERNAL,
  server: Span_SpanKind.SERVER,
  client: Span_SpanKind.CLIENT,
  producer: Span_SpanKind.PRODUCER,
  consumer: Span_SpanKind.CONSUMER,
};

function otlpSpan(span: Span): OtlpSpan {
  const { isError, isMirrored, statusText } = span;
  return create(SpanSchema, {
    traceId: bytesOf(span.traceId),
    spanId: bytesOf(span.spanId),
    parentSpanId: bytesOf(span.parentId),
    name: span.name,
    kind: kinds[span.kind],
    startTimeUnixNano: nanoseconds(span.startUs),
    endTimeUnixNano: nanoseconds(span.startUs + span.durationUs),
    attributes: keyValues(isMirrored ? { ...span.attributes, "lateen.mirrored": "1" } : span.attributes),
    events: span.events.map(({ name, timeUs, attributes }) =>
      create(Span_EventSchema, { name, timeUnixNano: nanoseconds(timeUs), attributes: keyValues(attributes) }),
    ),
    ...(isError ? { status: { code: Status_StatusCode.ERROR, message: statusText } } : {}),
  });
}

function nanoseconds(microseconds: number): bigint {
  return BigInt(Math.round(microseconds)) * 1000n;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) => Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16));
}

function keyValues(attributes: Attributes): KeyValue[] {
  return Object.entries(attributes).map(([key, value]) => create(KeyValueSchema, { key, value: { value: anyValue(value) } }));
}

function anyValue(value: AttributeValue) {
  if (typeof value === "string") return { case: "stringValue", value } as const;
  if (typeof value === "boolean") return { case: "boolValue", value } as const;
  if (Number.isSafeInteger(value)) return { case: "intValue", value: BigInt(value) } as const;
  return { case: "doubleValue", value } as const;
}
