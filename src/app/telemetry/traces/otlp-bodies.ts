// Bodies of OTLP requests: read within bounds, unpacked, and made spans of. In: what strangers send.

import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { BadInput, Unavailable } from "../../../lib/errors.ts";
import { parseOtlpJson } from "../../../telemetry/traces/otlp-json.ts";
import { parseOtlpSpans } from "../../../telemetry/traces/otlp-spans.ts";
import type { ReportedSpans } from "../../../telemetry/traces/span.ts";

/** gRPC's own default for a message; SDKs send 512 spans at a time. */
const maxBody = 4 * 1024 * 1024;
/** As much as an unpacked one. */
const maxUnpacked = maxBody;

const unpack = promisify(gunzip);

/** Room for bodies that aren't whole yet: requests cost a sender nothing, so that many at once could fill the memory. */
export class BodyRoom {
  readonly #maxBytes: number;
  readonly #maxOfSender: number;
  readonly #bySender = new Map<string, number>();
  #bytes = 0;

  /** Bytes of all senders together and of one; 64 MiB and 8 MiB unless given. */
  constructor({ maxBytes = 64 * 1024 * 1024, maxOfSender = 2 * maxBody } = {}) {
    this.#maxBytes = maxBytes;
    this.#maxOfSender = maxOfSender;
  }

  /** Takes room. @throws Unavailable when there is none. */
  take(sender: string, bytes: number): void {
    const own = (this.#bySender.get(sender) ?? 0) + bytes;
    if (own > this.#maxOfSender || this.#bytes + bytes > this.#maxBytes) {
      throw new Unavailable("too many spans are on their way at once", { fix: "send fewer at a time" });
    }
    this.#bytes += bytes;
    this.#bySender.set(sender, own);
  }

  /** Gives room back. */
  give(sender: string, bytes: number): void {
    const own = (this.#bySender.get(sender) ?? 0) - bytes;
    this.#bytes -= bytes;
    if (own > 0) this.#bySender.set(sender, own);
    else this.#bySender.delete(sender);
  }
}

/** What a sender may still cost: takes so many bytes of it. @throws Unavailable when that is too much. */
export type Charge = (bytes: number) => void;

/** Unpacks what came as `encoding` says. @throws BadInput when it is too long, or packed in another way than gzip; what `charge` throws. */
export async function unpacked(body: Uint8Array, encoding: string, charge: Charge): Promise<Uint8Array> {
  charge(body.length);
  if (encoding === "identity" || encoding === "") return body;
  if (encoding !== "gzip") throw new BadInput(`encoding ${encoding.slice(0, 20)} isn't known`, { fix: "use gzip or none" });
  const length = lengthOfGzip(body);
  if (length > maxUnpacked) throw new BadInput("the body is longer than 4 MiB when unpacked", { fix: "send fewer spans at a time" });
  charge(length);
  // What says less than it is stops there, so that nobody's bombs cost more than was paid for.
  return await unpack(body, { maxOutputLength: Math.max(1, length) }).catch((cause: unknown) => {
    throw new BadInput("the body can't be unpacked", { cause, fix: "send gzip of one member" });
  });
}

/** What a member says of its length (RFC 1952, ISIZE: the last four bytes). */
function lengthOfGzip(body: Uint8Array): number {
  if (body.length < 18) throw new BadInput("the body can't be unpacked", { fix: "send gzip of one member" });
  return new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(body.length - 4, true);
}

export interface BodyOptions {
  readonly sender: string;
  readonly room: BodyRoom;
}

/** A request's whole body. @throws BadInput when it is too long; Unavailable without room for it. */
export async function bodyOf(request: Readable, { sender, room }: BodyOptions): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      const bytes = Buffer.from(chunk);
      if (size + bytes.length > maxBody) throw new BadInput("the body is longer than 4 MiB", { fix: "send fewer spans at a time" });
      room.take(sender, bytes.length);
      size += bytes.length;
      chunks.push(bytes);
    }
    return Buffer.concat(chunks);
  } finally {
    room.give(sender, size);
  }
}

/** The one message of a unary call, with how it is packed. @throws BadInput when it isn't whole. */
export function grpcMessage(body: Uint8Array, encoding: string): { readonly message: Uint8Array; readonly encoding: string } {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.length < 5 || bytes.readUInt32BE(1) !== bytes.length - 5)
    throw new BadInput("this is no gRPC message", { fix: "send one message" });
  return { message: bytes.subarray(5), encoding: bytes[0] === 0 ? "identity" : encoding };
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
