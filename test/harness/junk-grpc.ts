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

/** gRPC lengths and protobuf nesting on an ADS stream. `headers` open it, `nodeId` is whom it claims to be. */
export function grpcAttacks(
  times: number,
  dice: Dice,
  { nodeId, headers = {} }: { readonly nodeId: string; readonly headers?: Readonly<Record<string, string>> },
): readonly Attack[] {
  const node = field(1, field(1, text(nodeId)));
  const type = field(2, text("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"));
  const first = grpcMessage(Buffer.concat([node, type]));
  const stream = (name: string, pieces: () => Iterable<Buffer>, more: Readonly<Record<string, string>> = {}): Attack => ({
    name,
    pieces: function* () {
      yield open();
      yield frame(1, endHeaders, 1, adsHeaders({ ...headers, ...more }));
      for (const piece of pieces()) for (let at = 0; at < piece.length; at += 16_384) yield frame(0, 0, 1, piece.subarray(at, at + 16_384));
    },
  });
  const bomb = (size: number): Buffer => gzipSync(Buffer.alloc(size, 0x1a));
  const names = (count: number, from: number): Buffer =>
    Buffer.concat([...repeated(count, (index) => field(3, text(`outbound|80||s${from + index}.${"x".repeat(40)}`)))]);
  const attacks = [
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
    stream("groups in groups", () => [grpcMessage(Buffer.alloc(1_000_000, 0x0b))]),
    stream("nested nodes", () => [grpcMessage(nested(0x0a))]),
    stream("nested strings", () => [first, grpcMessage(nested(0x1a))]),
    stream("nested unknown fields", () => [first, grpcMessage(nested(0x7a))]),
    stream("names without end", () => [
      first,
      ...repeated(40 * times, (index) => grpcMessage(Buffer.concat([type, names(1000, index * 1000)]))),
    ]),
    stream("types without end", () => [
      first,
      ...repeated(10 * times, () => Buffer.concat([...repeated(500, () => grpcMessage(field(2, dice.bytes(20).subarray(0, 20))))])),
    ]),
    stream("nonces that were never given", () => [
      first,
      ...repeated(10 * times, () =>
        Buffer.concat([
          ...repeated(200, () => grpcMessage(Buffer.concat([type, field(6, dice.bytes(8)), field(7, field(2, dice.bytes(30)))]))),
        ]),
      ),
    ]),
    stream("text that is none", () => [grpcMessage(Buffer.concat([node, field(2, Buffer.alloc(100, 0xff))]))]),
    stream("no node", () => [grpcMessage(type)]),
    stream("a timeout that is none", () => [first], { "grpc-timeout": "99999999999999H" }),
    stream("nothing", () => []),
  ];
  for (let round = 0; round < 10 * times; round += 1) {
    attacks.push(stream(`random bytes ${round}`, () => [dice.bytes(dice.below(3000))]));
    attacks.push(stream(`random messages ${round}`, () => repeated(10, () => grpcMessage(dice.bytes(dice.below(100))))));
    attacks.push(
      stream(`mutated messages ${round}`, () => [
        first,
        mutated(dice, grpcMessage(Buffer.concat([type, names(3, round), field(6, text("1"))]))),
      ]),
    );
  }
  return attacks;
}
