// DNS messages as bytes <-> values, on dns-packet. Pure. Malformed input gives undefined, never an exception.

import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";

/** The one question of a query; `name` in lower case without trailing dot. */
export interface DnsQuestion {
  readonly name: string;
  /** Record type as text: `A`, `AAAA`, `SRV`, `UNKNOWN_65`. */
  readonly type: string;
}

export interface DnsQuery {
  readonly id: number;
  readonly flags: number;
  readonly question: DnsQuestion;
  /** The question as it came: answers repeat its spelling (some resolvers check it). */
  readonly asked: string;
  /** Largest UDP answer the client takes (EDNS0, RFC 6891; else 512). */
  readonly udpSizeBytes: number;
}

/** Response codes (RFC 1035 §4.1.1). */
export const ResponseCode = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4 } as const;

export type DnsRecord =
  | { readonly type: "A" | "AAAA" | "PTR"; readonly name: string; readonly data: string }
  | { readonly type: "SRV"; readonly name: string; readonly target: string; readonly port: number };

export interface DnsReply {
  readonly responseCode: number;
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
}

/** Seconds our own answers may be cached: short, since addresses follow the mesh (Istio's DNS proxy uses 30, Kubernetes' CoreDNS 5). */
export const ttlSeconds = 5;

const responseFlag = 0x8000;
const opcodeMask = 0x7800;
const headerBytes = 12;

function udpSizeOf(packet: Packet): number {
  for (const record of packet.additionals ?? []) {
    if (record.type === "OPT") return Math.min(Math.max(record.udpPayloadSize, 512), 4096);
  }
  return 512;
}

/** Query bytes -> the query; undefined for responses, other opcodes, several questions, and malformed bytes. */
export function parseDnsQuery(bytes: Uint8Array): DnsQuery | undefined {
  if (bytes.length < headerBytes) return undefined;
  try {
    const packet = decode(Buffer.from(bytes));
    const flags = packet.flags ?? 0;
    const question = packet.questions?.[0];
    if (packet.type !== "query" || (flags & opcodeMask) !== 0 || question === undefined || packet.questions?.length !== 1) return undefined;
    const name = question.name.toLowerCase().replace(/\.$/, "");
    const asked = question.name;
    return { id: packet.id ?? 0, flags, question: { name, type: question.type }, asked, udpSizeBytes: udpSizeOf(packet) };
  } catch {
    return undefined;
  }
}

function recordOf(record: DnsRecord, query: DnsQuery): Answer {
  const name = record.name === query.question.name ? query.asked : record.name;
  if (record.type !== "SRV") return { type: record.type, name, ttl: ttlSeconds, data: record.data };
  return { type: "SRV", name, ttl: ttlSeconds, data: { port: record.port, target: record.target, priority: 0, weight: 1 } };
}

function questionBytes(queryBytes: Uint8Array): number {
  let offset = headerBytes;
  while (offset < queryBytes.length && queryBytes[offset] !== 0) offset += (queryBytes[offset] ?? 0) + 1;
  return Math.min(offset + 5, queryBytes.length);
}

/** A reply without records: header and question of the query, with a response code and TC when cut. Works for any question type. */
function bareReply(queryBytes: Uint8Array, responseCode: number, truncated: boolean): Buffer {
  const reply = Buffer.from(queryBytes.subarray(0, questionBytes(queryBytes)));
  const kept = reply.readUInt16BE(2) & RECURSION_DESIRED;
  reply.writeUInt16BE(responseFlag | kept | RECURSION_AVAILABLE | (truncated ? TRUNCATED_RESPONSE : 0) | responseCode, 2);
  reply.writeUInt16BE(1, 4);
  reply.fill(0, 6, headerBytes);
  return reply;
}

/** Our answer to a query as bytes. */
export function encodeDnsReply(queryBytes: Uint8Array, query: DnsQuery, reply: DnsReply): Buffer {
  if (reply.answers.length === 0) return bareReply(queryBytes, reply.responseCode, false);
  const packet = encode({
    type: "response",
    id: query.id,
    flags: (query.flags & RECURSION_DESIRED) | RECURSION_AVAILABLE | AUTHORITATIVE_ANSWER | reply.responseCode,
    answers: reply.answers.map((record) => recordOf(record, query)),
    additionals: reply.additionals.map((record) => recordOf(record, query)),
  });
  // dns-packet can't write question types it has no name for, so the question is copied as it came.
  const question = queryBytes.subarray(headerBytes, questionBytes(queryBytes));
  const bytes = Buffer.concat([packet.subarray(0, headerBytes), question, packet.subarray(headerBytes)]);
  bytes.writeUInt16BE(1, 4);
  return bytes;
}

/** The answer when resolving failed (RFC 1035: server failure). */
export function serverFailure(queryBytes: Uint8Array): Buffer {
  return bareReply(queryBytes, ResponseCode.serverFailure, false);
}

/** Fits a reply into a UDP answer: as it is, or cut to the question with TC so that the client comes back by TCP. */
export function fitUdp(queryBytes: Uint8Array, reply: Uint8Array, udpSizeBytes: number): Uint8Array {
  return reply.length <= udpSizeBytes ? reply : bareReply(queryBytes, ResponseCode.noError, true);
}
