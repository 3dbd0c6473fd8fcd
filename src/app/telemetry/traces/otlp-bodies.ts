// Bodies of OTLP requests: read within bounds, unpacked, and made spans of. In: what strangers send.

import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { gunzip, gunzipSync } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { BadInput } from "../../../lib/errors.ts";
import { parseOtlpJson } from "../../../telemetry/traces/otlp-json.ts";
import { parseOtlpSpans } from "../../../telemetry/traces/otlp-spans.ts";
import type { ReportedSpans } from "../../../telemetry/traces/span.ts";

/** gRPC's own default for a message; SDKs send 512 spans at a time. */
const maxBody = 4 * 1024 * 1024;
const maxUnpacked = 16 * 1024 * 1024;

const unpack = promisify(gunzip);

/** A request's whole body, unpacked. @throws BadInput when it is too long, or packed in another way than gzip. */
export async function bodyOf(request: Readable, encoding = "identity"): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBody) throw new BadInput("the body is longer than 4 MiB", { fix: "send fewer spans at a time" });
    chunks.push(bytes);
  }
  const body = Buffer.concat(chunks);
  if (encoding === "identity" || encoding === "") return body;
  if (encoding !== "gzip") throw new BadInput(`content encoding ${encoding.slice(0, 20)} isn't known`, { fix: "use gzip or none" });
  return await unpack(body, { maxOutputLength: maxUnpacked }).catch((cause: unknown) => {
    throw new BadInput("the body can't be unpacked", { cause, fix: "send gzip that unpacks to at most 16 MiB" });
  });
}

/** The one message of a unary call. @throws BadInput when it isn't whole. */
export function grpcMessage(body: Uint8Array, encoding: string): Uint8Array {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length < 5 || bytes.readUInt32BE(1) !== bytes.length - 5)
    throw new BadInput("this is no gRPC message", { fix: "send one message" });
  const message = bytes.subarray(5);
  if (bytes[0] === 0) return message;
  if (encoding !== "gzip") throw new BadInput(`gRPC encoding ${encoding.slice(0, 20)} isn't known`, { fix: "use gzip or identity" });
  try {
    return gunzipSync(message, { maxOutputLength: maxUnpacked });
  } catch (cause) {
    throw new BadInput("the message can't be unpacked", { cause, fix: "send gzip that unpacks to at most 16 MiB" });
  }
}

/** Spans of a body. @throws BadInput when it is neither protobuf nor JSON of OTLP. */
export function spansOfBody(body: Uint8Array, contentType: string): readonly ReportedSpans[] {
  if (contentType !== "application/json") return parseOtlpSpans(body);
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    return parseOtlpJson(value);
  } catch (cause) {
    throw new BadInput("this is no JSON", { cause, fix: "send an ExportTraceServiceRequest as JSON" });
  }
}

/** ExportTraceServiceResponse.partial_success (1): rejected_spans (1), error_message (2). */
export function partialSuccess(rejected: number): Uint8Array {
  const inner = new BinaryWriter()
    .tag(1, WireType.Varint)
    .int64(rejected)
    .tag(2, WireType.LengthDelimited)
    .string("spans without sound ids or times, or too many at once, are left out");
  return new BinaryWriter().tag(1, WireType.LengthDelimited).bytes(inner.finish()).finish();
}
