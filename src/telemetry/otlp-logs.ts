// An ExportLogsServiceRequest as a proxy's OpenTelemetry access loggers send it (gRPC or HTTP, the message is the same) → records with their attributes
// as text. Read by hand: what isn't asked for is skipped unread, and what one sender may cost is bounded. Field numbers: opentelemetry/proto/logs/v1.

import { WireType } from "@bufbuild/protobuf/wire";
import { BadInput } from "../lib/errors.ts";
import { eachField, type Fields, maxAttributes } from "./otlp-fields.ts";
import type { Labels } from "./point.ts";

export interface OtlpLogRecord {
  /** By the sender's clock, in ms since the epoch; 0 when it doesn't say. */
  readonly timeMs: number;
  /** Text of the body; "" for none and for other types. */
  readonly body: string;
  /** Numbers and booleans as text; lists and maps as "". */
  readonly attributes: Labels;
  /** Hexadecimal; "" for none. */
  readonly traceId: string;
  readonly spanId: string;
}

export interface OtlpLogs {
  /** Attributes of whoever sent it; Envoy names its logger here. */
  readonly resource: Labels;
  /** `log_name` of Envoy's logger; "" when it doesn't say. */
  readonly logName: string;
  readonly records: readonly OtlpLogRecord[];
  /** Records beyond the limit. */
  readonly skipped: number;
}

/** Of one request; Envoy sends a log's buffer at 16 KiB, some hundred records. */
const maxRecords = 20_000;
/** Bytes of one value: Envoy's limit for all headers of a request is 60 KiB. */
const maxText = 64 * 1024;

/**
 * Reads one request; a part per sender.
 *
 * @throws BadInput when the bytes are no such message.
 */
export function parseOtlpLogs(bytes: Uint8Array): readonly OtlpLogs[] {
  const budget: Budget = { records: maxRecords };
  try {
    const parts: OtlpLogs[] = [];
    eachField(bytes, { 1: WireType.LengthDelimited }, (_, reader) => void parts.push(resourceLogs(reader.bytes(), budget)));
    return parts;
  } catch (cause) {
    throw new BadInput("these bytes are no OTLP logs", { cause, fix: "send an ExportLogsServiceRequest as binary protobuf" });
  }
}

interface Budget {
  records: number;
}

const { LengthDelimited, Varint, Bit64 } = WireType;

/** ResourceLogs: resource = 1, scope_logs = 2. */
function resourceLogs(bytes: Uint8Array, budget: Budget): OtlpLogs {
  let resource: Labels = {};
  let skipped = 0;
  const records: OtlpLogRecord[] = [];
  eachField(bytes, { 1: LengthDelimited, 2: LengthDelimited }, (field, reader) => {
    if (field === 1) resource = resourceAttributes(reader.bytes());
    else skipped += scopeLogs(reader.bytes(), records, budget);
  });
  return { resource, logName: Object.hasOwn(resource, "log_name") ? (resource["log_name"] ?? "") : "", records, skipped };
}

/** ScopeLogs.log_records = 2: adds them; returns how many there was no room for. */
function scopeLogs(bytes: Uint8Array, records: OtlpLogRecord[], budget: Budget): number {
  let skipped = 0;
  eachField(bytes, { 2: LengthDelimited }, (_, reader) => {
    const content = reader.bytes();
    if (budget.records === 0) {
      skipped += 1;
      return;
    }
    budget.records -= 1;
    records.push(logRecord(content));
  });
  return skipped;
}

const recordFields: Fields = { 1: Bit64, 5: LengthDelimited, 6: LengthDelimited, 9: LengthDelimited, 10: LengthDelimited };

/** time_unix_nano = 1, body = 5, attributes = 6, trace_id = 9, span_id = 10. */
function logRecord(bytes: Uint8Array): OtlpLogRecord {
  const record = { timeMs: 0, body: "", traceId: "", spanId: "" };
  const attributes: [string, string][] = [];
  eachField(bytes, recordFields, (field, reader) => {
    if (field === 1) {
      record.timeMs = Number(reader.fixed64()) / 1e6;
      return;
    }
    const content = reader.bytes();
    if (field === 5) record.body = anyValue(content);
    else if (field === 9) record.traceId = hexOf(content);
    else if (field === 10) record.spanId = hexOf(content);
    else if (attributes.length < maxAttributes) attributes.push(keyValue(content));
  });
  // fromEntries makes "__proto__" an ordinary key.
  return { ...record, attributes: Object.fromEntries(attributes) };
}

/** Resource.attributes = 1. */
function resourceAttributes(bytes: Uint8Array): Labels {
  const attributes: [string, string][] = [];
  eachField(bytes, { 1: LengthDelimited }, (_, reader) => {
    const content = reader.bytes();
    if (attributes.length < maxAttributes) attributes.push(keyValue(content));
  });
  return Object.fromEntries(attributes);
}

/** key = 1, value = 2. */
function keyValue(bytes: Uint8Array): [string, string] {
  const pair: [string, string] = ["", ""];
  eachField(bytes, { 1: LengthDelimited, 2: LengthDelimited }, (field, reader) => {
    if (field === 1) pair[0] = textOf(reader.bytes());
    else pair[1] = anyValue(reader.bytes());
  });
  return pair;
}

/** string_value = 1, bool_value = 2, int_value = 3, double_value = 4; the nested ones aren't read. */
function anyValue(bytes: Uint8Array): string {
  let text = "";
  eachField(bytes, { 1: LengthDelimited, 2: Varint, 3: Varint, 4: Bit64 }, (field, reader) => {
    if (field === 1) text = textOf(reader.bytes());
    else if (field === 2) text = String(reader.bool());
    else if (field === 3) text = String(reader.int64());
    else text = String(reader.double());
  });
  return text;
}

const decoder = new TextDecoder();

/** Bytes that are no UTF-8 become U+FFFD. */
function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes.length > maxText ? bytes.subarray(0, maxText) : bytes);
}

/** Of ids: at most the 16 bytes that OTLP has. */
function hexOf(bytes: Uint8Array): string {
  return [...bytes.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
