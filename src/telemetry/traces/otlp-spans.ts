// An ExportTraceServiceRequest as proxies and applications send it, in binary → spans. Read by hand: what isn't asked for is skipped unread, and what one
// sender may cost is bounded. Field numbers: opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto.

import { type BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { BadInput } from "../../lib/errors.ts";
import { eachField, type Fields, maxAttributes } from "../otlp-fields.ts";
import { cut, isId, maxEvents, maxSpansOfReport, maxText, microseconds } from "./otlp-limits.ts";
import type { Attributes, AttributeValue, ReportedSpan, ReportedSpans, SpanEvent, SpanKind } from "./span.ts";

const { LengthDelimited, Varint, Bit64 } = WireType;

/**
 * Reads one request; a part per source.
 *
 * @throws BadInput when the bytes are no such message.
 */
export function parseOtlpSpans(bytes: Uint8Array): readonly ReportedSpans[] {
  const budget: Budget = { spans: maxSpansOfReport };
  try {
    const parts: ReportedSpans[] = [];
    eachField(bytes, { 1: LengthDelimited }, (_, reader) => void parts.push(resourceSpans(reader.bytes(), budget)));
    return parts;
  } catch (cause) {
    throw new BadInput("these bytes are no OTLP spans", { cause, fix: "send an ExportTraceServiceRequest" });
  }
}

interface Budget {
  spans: number;
}

/** ResourceSpans: resource = 1, scope_spans = 2. */
function resourceSpans(bytes: Uint8Array, budget: Budget): ReportedSpans {
  let resource: Attributes = {};
  let skipped = 0;
  const spans: ReportedSpan[] = [];
  eachField(bytes, { 1: LengthDelimited, 2: LengthDelimited }, (field, reader) => {
    const content = reader.bytes();
    if (field === 1) resource = attributesAt(content, 1);
    else skipped += scopeSpans(content, spans, budget);
  });
  return { resource, spans, skipped };
}

/** ScopeSpans.spans = 2: adds them; returns how many can't be used. */
function scopeSpans(bytes: Uint8Array, spans: ReportedSpan[], budget: Budget): number {
  let skipped = 0;
  eachField(bytes, { 2: LengthDelimited }, (_, reader) => {
    const content = reader.bytes();
    const span = budget.spans === 0 ? undefined : spanOf(content);
    if (span === undefined) {
      skipped += 1;
      return;
    }
    budget.spans -= 1;
    spans.push(span);
  });
  return skipped;
}

const spanFields: Fields = {
  1: LengthDelimited,
  2: LengthDelimited,
  4: LengthDelimited,
  5: LengthDelimited,
  6: Varint,
  7: Bit64,
  8: Bit64,
  9: LengthDelimited,
  11: LengthDelimited,
  15: LengthDelimited,
};

/** Span.SpanKind by number. */
const kinds: readonly SpanKind[] = ["internal", "internal", "server", "client", "producer", "consumer"];

/** trace_id = 1, span_id = 2, parent = 4, name = 5, kind = 6, start = 7, end = 8, attributes = 9, events = 11, status = 15. */
function spanOf(bytes: Uint8Array): ReportedSpan | undefined {
  const span = { traceId: "", spanId: "", parentId: "", name: "", kind: 0, startUs: 0, endUs: 0, code: 0, statusText: "" };
  const attributes: [string, AttributeValue][] = [];
  const events: SpanEvent[] = [];
  eachField(bytes, spanFields, (field, reader) => {
    if (field === 6) span.kind = reader.uint32();
    else if (field === 7) span.startUs = microseconds(bigTime(reader));
    else if (field === 8) span.endUs = microseconds(bigTime(reader));
    else {
      const content = reader.bytes();
      if (field === 1) span.traceId = hexOf(content);
      else if (field === 2) span.spanId = hexOf(content);
      else if (field === 4) span.parentId = hexOf(content);
      else if (field === 5) span.name = textOf(content);
      else if (field === 9 && attributes.length < maxAttributes) attributes.push(keyValue(content));
      else if (field === 11 && events.length < maxEvents) events.push(eventOf(content));
      else if (field === 15) [span.code, span.statusText] = statusOf(content);
    }
  });
  if (!isId(span.traceId, 32) || !isId(span.spanId, 16) || span.startUs === 0) return undefined;
  const { traceId, spanId, name, startUs, endUs, statusText } = span;
  return {
    traceId,
    spanId,
    parentId: isId(span.parentId, 16) ? span.parentId : "",
    name,
    kind: kinds[span.kind] ?? "internal",
    startUs,
    durationUs: Math.max(0, endUs - startUs),
    isError: span.code === statusError,
    statusText,
    attributes: Object.fromEntries(attributes),
    events,
  };
}

/** Status.StatusCode.STATUS_CODE_ERROR. */
export const statusError = 2;

/** Status: message = 2, code = 3. */
function statusOf(bytes: Uint8Array): [number, string] {
  const status: [number, string] = [0, ""];
  eachField(bytes, { 2: LengthDelimited, 3: Varint }, (field, reader) => {
    if (field === 3) status[0] = reader.uint32();
    else status[1] = textOf(reader.bytes());
  });
  return status;
}

/** Event: time_unix_nano = 1, name = 2, attributes = 3. */
function eventOf(bytes: Uint8Array): SpanEvent {
  let timeUs = 0;
  let name = "";
  eachField(bytes, { 1: Bit64, 2: LengthDelimited }, (field, reader) => {
    if (field === 1) timeUs = microseconds(bigTime(reader));
    else name = textOf(reader.bytes());
  });
  return { name, timeUs, attributes: attributesAt(bytes, 3) };
}

function attributesAt(bytes: Uint8Array, at: number): Attributes {
  const pairs: [string, AttributeValue][] = [];
  eachField(bytes, { [at]: LengthDelimited }, (_, reader) => {
    const content = reader.bytes();
    if (pairs.length < maxAttributes) pairs.push(keyValue(content));
  });
  // fromEntries makes "__proto__" an ordinary key.
  return Object.fromEntries(pairs);
}

/** KeyValue: key = 1, value = 2. */
function keyValue(bytes: Uint8Array): [string, AttributeValue] {
  const pair: [string, AttributeValue] = ["", ""];
  eachField(bytes, { 1: LengthDelimited, 2: LengthDelimited }, (field, reader) => {
    if (field === 1) pair[0] = textOf(reader.bytes());
    else pair[1] = anyValue(reader.bytes());
  });
  return pair;
}

const valueFields: Fields = { 1: LengthDelimited, 2: Varint, 3: Varint, 4: Bit64, 5: LengthDelimited };

/** AnyValue: string = 1, bool = 2, int = 3, double = 4, array = 5. Maps and bytes are "", lists the values they have, joined. */
function anyValue(bytes: Uint8Array): AttributeValue {
  let value: AttributeValue = "";
  eachField(bytes, valueFields, (field, reader) => {
    if (field === 1) value = textOf(reader.bytes());
    else if (field === 2) value = reader.bool();
    else if (field === 3) value = Number(reader.int64());
    else if (field === 4) value = reader.double();
    else value = listText(reader.bytes());
  });
  return value;
}

/** ArrayValue.values = 1; lists in lists aren't read, so that nothing nests. */
function listText(bytes: Uint8Array): string {
  const texts: string[] = [];
  eachField(bytes, { 1: LengthDelimited }, (_, reader) => {
    const content = reader.bytes();
    if (texts.length >= maxAttributes) return;
    eachField(content, { 1: LengthDelimited, 2: Varint, 3: Varint, 4: Bit64 }, (field, value) => {
      if (field === 1) texts.push(textOf(value.bytes()));
      else if (field === 2) texts.push(String(value.bool()));
      else if (field === 3) texts.push(String(value.int64()));
      else texts.push(String(value.double()));
    });
  });
  return cut(texts.join(","));
}

function bigTime(reader: BinaryReader): bigint {
  return BigInt(reader.fixed64());
}

const decoder = new TextDecoder();

/** Bytes that are no UTF-8 become U+FFFD. */
function textOf(bytes: Uint8Array): string {
  return cut(decoder.decode(bytes.length > maxText * 4 ? bytes.subarray(0, maxText * 4) : bytes));
}

const hexBytes: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Of ids: at most one byte more than OTLP has, so that longer ones are no ids. */
function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < Math.min(bytes.length, 17); index += 1) text += hexBytes[bytes[index] ?? 0] ?? "";
  return text;
}
