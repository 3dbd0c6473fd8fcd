// HTTP/2 frames and gRPC messages by hand, right or wrong, for clients that no library would be.

import { text } from "./junk.ts";

/** The connection preface of HTTP/2 (RFC 9113 §3.4). */
export const preface = text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** One HTTP/2 frame; a `length` other than the payload's is a lie. */
export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0), length = payload.length): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length & 0xffffff, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([header, payload]);
}

/** A header field without compression and index (RFC 7541 §6.2.2). */
export function headerField(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), hpackText(name), hpackText(value)]);
}

function hpackText(value: string): Buffer {
  const bytes: number[] = [];
  const length = Buffer.byteLength(value, "latin1");
  if (length < 127) bytes.push(length);
  else {
    bytes.push(127);
    for (let rest = length - 127; ; rest = Math.floor(rest / 128)) {
      bytes.push(rest >= 128 ? (rest % 128) + 128 : rest);
      if (rest < 128) break;
    }
  }
  return Buffer.concat([Buffer.from(bytes), text(value)]);
}

/** Flags of frames (RFC 9113 §6). */
export const endStream = 1;
export const endHeaders = 4;
const deltaPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/** The headers of an ADS stream, with more. */
export function adsHeaders(more: Readonly<Record<string, string>> = {}): Buffer {
  const all = {
    ":method": "POST",
    ":scheme": "http",
    ":path": deltaPath,
    ":authority": "x",
    te: "trailers",
    "content-type": "application/grpc",
    ...more,
  };
  return Buffer.concat(Object.entries(all).map(([name, value]) => headerField(name, value)));
}

/** What a client says first: the preface and its settings. */
export const open = (): Buffer => Buffer.concat([preface, frame(4, 0, 0)]);

/** A length-prefixed gRPC message; a `length` other than the payload's is a lie. */
export function grpcMessage(
  payload: Buffer,
  { length = payload.length, compressed = 0 }: { length?: number; compressed?: number } = {},
): Buffer {
  const header = Buffer.alloc(5);
  header[0] = compressed;
  header.writeUInt32BE(length >>> 0, 1);
  return Buffer.concat([header, payload]);
}
