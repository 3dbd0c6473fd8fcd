// gRPC messages that lie about their length or unpack to too much, and protobuf nested without end, on an ADS stream.

import { gzipSync } from "node:zlib";
import { adsHeaders, endHeaders, frame, grpcMessage, open } from "./http2-frames.ts";
import { type Attack, type Dice, mutated, repeated, text } from "./junk.ts";

/** Lengths inside lengths, as deep as 16 KB allow. */
function nested(tag: number): Buffer {
  let bytes = Buffer.alloc(0);
  while (bytes.length < 16_000) bytes = Buffer.concat([Buffer.of(tag), varint(bytes.length), bytes]);
  return bytes;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) return Buffer.from(bytes);
  }
}

const field = (number: number, payload: Buffer): Buffer => Buffer.concat([varint(number * 8 + 2), varint(payload.length), payload]);

const typeField = field(2, text("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"));

interface Caller {
  readonly nodeId: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An attack on a stream that was opened as it should be. */
type OnStream = (name: string, pieces: () => Iterable<Buffer>, more?: Readonly<Record<string, string>>) => Attack;

/** gRPC lengths and protobuf nesting on an ADS stream. `headers` open it, `nodeId` is whom it claims to be. */
export function grpcAttacks(times: number, dice: Dice, { nodeId, headers = {} }: Caller): readonly Attack[] {
  const stream: OnStream = (name, pieces, more = {}) => ({
    name,
    pieces: function* () {
      yield open();
      yield frame(1, endHeaders, 1, adsHeaders({ ...headers, ...more }));
      for (const piece of pieces()) for (let at = 0; at < piece.length; at += 16_384) yield frame(0, 0, 1, piece.subarray(at, at + 16_384));
    },
  });
  const node = field(1, field(1, text(nodeId)));
  const first = grpcMessage(Buffer.concat([node, typeField]));
  return [
    ...lengthAttacks(stream, times),
    ...nestingAttacks(stream, first),
    ...endlessAttacks(stream, first, { times, dice }),
    stream("text that is none", () => [grpcMessage(Buffer.concat([node, field(2, Buffer.alloc(100, 0xff))]))]),
    stream("no node", () => [grpcMessage(typeField)]),
    stream("a timeout that is none", () => [first], { "grpc-timeout": "99999999999999H" }),
    stream("nothing", () => []),
    ...randomAttacks(stream, first, { times, dice }),
  ];
}

/** Lengths and compressions that lie. */
function lengthAttacks(stream: OnStream, times: number): readonly Attack[] {
  const bomb = (size: number): Buffer => gzipSync(Buffer.alloc(size, 0x1a));
  return [
    stream("a message of 4 GB", () => [grpcMessage(Buffer.alloc(10), { length: 0xffffffff })]),
    stream("a message that never ends", () => [
      grpcMessage(Buffer.alloc(10), { length: 15_000_000 }),
      ...repeated(8 * times, () => Buffer.alloc(65_536)),
    ]),
    stream("compressed by nothing known", () => [grpcMessage(Buffer.alloc(10), { compressed: 1 })], { "grpc-encoding": "snappy" }),
    stream("compressed without saying how", () => [grpcMessage(Buffer.alloc(10), { compressed: 1 })]),
    stream("a compression flag of 255", () => [grpcMessage(Buffer.alloc(10), { compressed: 255 })]),
    stream("a bomb", () => [grpcMessage(bomb(40_000_000), { compressed: 1 })], { "grpc-encoding": "gzip" }),
    stream("half a bomb", () => [grpcMessage(bomb(1_000_000).subarray(0, 500), { compressed: 1 })], { "grpc-encoding": "gzip" }),
    stream("empty messages", () => repeated(20 * times, () => Buffer.concat([...repeated(500, () => grpcMessage(Buffer.alloc(0)))]))),
  ];
}

function nestingAttacks(stream: OnStream, first: Buffer): readonly Attack[] {
  return [
    stream("groups in groups", () => [grpcMessage(Buffer.alloc(1_000_000, 0x0b))]),
    stream("nested nodes", () => [grpcMessage(nested(0x0a))]),
    stream("nested strings", () => [first, grpcMessage(nested(0x1a))]),
    stream("nested unknown fields", () => [first, grpcMessage(nested(0x7a))]),
  ];
}

interface Size {
  readonly times: number;
  readonly dice: Dice;
}

/** Good messages, too many of them. */
function endlessAttacks(stream: OnStream, first: Buffer, { times, dice }: Size): readonly Attack[] {
  return [
    stream("names without end", () => [
      first,
      ...repeated(40 * times, (index) => grpcMessage(Buffer.concat([typeField, names(1000, index * 1000)]))),
    ]),
    stream("types without end", () => [
      first,
      ...repeated(10 * times, () => Buffer.concat([...repeated(500, () => grpcMessage(field(2, dice.bytes(20).subarray(0, 20))))])),
    ]),
    stream("nonces that were never given", () => [
      first,
      ...repeated(10 * times, () =>
        Buffer.concat([
          ...repeated(200, () => grpcMessage(Buffer.concat([typeField, field(6, dice.bytes(8)), field(7, field(2, dice.bytes(30)))]))),
        ]),
      ),
    ]),
  ];
}

function randomAttacks(stream: OnStream, first: Buffer, { times, dice }: Size): readonly Attack[] {
  const rounds = Array.from({ length: 10 * times }, (_, round) => [
    stream(`random bytes ${round}`, () => [dice.bytes(dice.below(3000))]),
    stream(`random messages ${round}`, () => repeated(10, () => grpcMessage(dice.bytes(dice.below(100))))),
    stream(`mutated messages ${round}`, () => [
      first,
      mutated(dice, grpcMessage(Buffer.concat([typeField, names(3, round), field(6, text("1"))]))),
    ]),
  ]);
  return rounds.flat();
}

/** Names of resources to subscribe to. */
function names(count: number, from: number): Buffer {
  return Buffer.concat([...repeated(count, (index) => field(3, text(`outbound|80||s${from + index}.${"x".repeat(40)}`)))]);
}
