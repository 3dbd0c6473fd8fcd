// An ExportTraceServiceRequest in OTLP's JSON, as applications may send it → spans. In: what JSON.parse made, of strangers. Differs from protobuf's own
// JSON in that ids are hexadecimal and enums are numbers (opentelemetry-proto, docs/specification.md).

import { maxAttributes } from "../otlp-fields.ts";
import { cut, isId, maxEvents, maxSpansOfReport, microseconds } from "./otlp-limits.ts";
import { statusError } from "./otlp-spans.ts";
import type { Attributes, AttributeValue, ReportedSpan, ReportedSpans, SpanEvent, SpanKind } from "./span.ts";

/** Reads one request; a part per source. What isn't as it should be is left out. */
export function parseOtlpJson(request: unknown): readonly ReportedSpans[] {
  let room = maxSpansOfReport;
  return listAt(request, "resourceSpans").map((part) => {
    const found = listAt(part, "scopeSpans").flatMap((scope) => listAt(scope, "spans"));
    const spans = found.slice(0, room).flatMap((span) => spanOf(span) ?? []);
    room -= spans.length;
    return { resource: attributesAt(fieldOf(part, "resource")), spans, skipped: found.length - spans.length };
  });
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const field: unknown = Reflect.get(value, name);
  return field;
}

function listAt(value: unknown, name: string): readonly unknown[] {
  const list = fieldOf(value, name);
  return Array.isArray(list) ? list : [];
}

function textAt(value: unknown, name: string): string {
  const text = fieldOf(value, name);
  return typeof text === "string" ? cut(text) : "";
}

/** 64-bit numbers are texts in protobuf's JSON; some senders write numbers. */
function timeAt(value: unknown, name: string): number {
  const time = fieldOf(value, name);
  if (typeof time === "string" && /^\d{1,20}$/.test(time)) return microseconds(BigInt(time));
  return typeof time === "number" && Number.isSafeInteger(Math.floor(time / 1000)) && time > 0
    ? microseconds(BigInt(Math.floor(time / 1000)) * 1000n)
    : 0;
}

const kindNames: readonly SpanKind[] = ["internal", "internal", "server", "client", "producer", "consumer"];

function kindOf(value: unknown): SpanKind {
  if (typeof value === "number") return kindNames[value] ?? "internal";
  const name = typeof value === "string" ? value.replace("SPAN_KIND_", "").toLowerCase() : "";
  return kindNames.find((kind) => kind === name) ?? "internal";
}

function spanOf(value: unknown): ReportedSpan | undefined {
  const [traceId, spanId, parent] = ["traceId", "spanId", "parentSpanId"].map((name) => textAt(value, name).toLowerCase());
  const startUs = timeAt(value, "startTimeUnixNano");
  if (traceId === undefined || spanId === undefined || parent === undefined) return undefined;
  if (!isId(traceId, 32) || !isId(spanId, 16) || startUs === 0) return undefined;
  const status = fieldOf(value, "status");
  const code = fieldOf(status, "code");
  return {
    traceId,
    spanId,
    parentId: isId(parent, 16) ? parent : "",
    name: textAt(value, "name"),
    kind: kindOf(fieldOf(value, "kind")),
    startUs,
    durationUs: Math.max(0, timeAt(value, "endTimeUnixNano") - startUs),
    isError: code === statusError || code === "STATUS_CODE_ERROR",
    statusText: textAt(status, "message"),
    attributes: attributesAt(value),
    events: listAt(value, "events").slice(0, maxEvents).map(eventOf),
  };
}

function eventOf(value: unknown): SpanEvent {
  return { name: textAt(value, "name"), timeUs: timeAt(value, "timeUnixNano"), attributes: attributesAt(value) };
}

function attributesAt(value: unknown): Attributes {
  const pairs = listAt(value, "attributes").slice(0, maxAttributes);
  // fromEntries makes "__proto__" an ordinary key.
  return Object.fromEntries(pairs.map((pair) => [textAt(pair, "key"), attributeValue(fieldOf(pair, "value"))]));
}

function attributeValue(value: unknown): AttributeValue {
  for (const name of ["stringValue", "boolValue", "doubleValue"] as const) {
    const found = fieldOf(value, name);
    if (typeof found === "string") return cut(found);
    if (typeof found === "boolean" || typeof found === "number") return found;
  }
  const integer = fieldOf(value, "intValue");
  if (typeof integer === "number") return integer;
  if (typeof integer === "string" && /^-?\d{1,19}$/.test(integer)) return Number(integer);
  const list = listAt(fieldOf(value, "arrayValue"), "values").slice(0, maxAttributes);
  // Lists in lists aren't read, so that nothing nests.
  return cut(list.map((item) => (fieldOf(item, "arrayValue") === undefined ? String(attributeValue(item)) : "")).join(","));
}
