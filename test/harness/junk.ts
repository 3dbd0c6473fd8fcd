// Bytes that no client should send, from a seed: random ones, HTTP/1 that isn't, HTTP/2 frames, gRPC messages. An attack is what is sent on one connection.

import { gzipSync } from "node:zlib";

/** One connection's bytes, made piece by piece so that a flood costs no memory here. */
export interface Attack {
  readonly name: string;
  readonly pieces: () => Iterable<Buffer>;
}

/** Numbers below 2^32 from a seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let index = 0; index < length; index += 1) bytes[index] = this.next() & 0xff;
    return bytes;
  }

  pick<T>(items: readonly [T, ...T[]]): T {
    return items[this.below(items.length)] ?? items[0];
  }
}

/** The bytes with some changed, cut off, or repeated. */
export function mutated(dice: Dice, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let round = dice.below(8); round > 0 && copy.length > 0; round -= 1) copy[dice.below(copy.length)] = dice.next() & 0xff;
  const end = dice.below(4) === 0 ? dice.below(copy.length + 1) : copy.length;
  const start = dice.below(8) === 0 ? dice.below(end + 1) : 0;
  return dice.below(8) === 0 ? Buffer.concat([copy.subarray(start, end), copy]) : copy.subarray(start, end);
}

function* repeated(times: number, piece: (index: number) => Buffer): Generator<Buffer> {
  for (let index = 0; index < times; index += 1) yield piece(index);
}

const text = (value: string): Buffer => Buffer.from(value, "latin1");

/** HTTP/1: limits, smuggling, nesting. `times` scales the floods. */
export function httpAttacks(times: number): readonly Attack[] {
  const post = (headers: string): Buffer => text(`POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\n${headers}\r\n`);
  const json = "content-type: application/json\r\n";
  return [
    { name: "an endless request line", pieces: () => repeated(16 * times, () => Buffer.alloc(65_536, "a")) },
    { name: "an endless header", pieces: () => [text("GET / HTTP/1.1\r\nx: "), Buffer.alloc(1_000_000, "a")] },
    { name: "endless headers", pieces: () => [text("GET / HTTP/1.1\r\n"), ...repeated(20 * times, () => text("a: b\r\n".repeat(1000)))] },
    {
      name: "a body beyond the limit",
      pieces: () => [post(`${json}content-length: 900000000\r\n`), ...repeated(10 * times, () => Buffer.alloc(1_000_000, "["))],
    },
    {
      name: "endless chunks",
      pieces: () => [post(`${json}transfer-encoding: chunked\r\n`), ...repeated(10 * times, () => text("1\r\n[\r\n".repeat(10_000)))],
    },
    { name: "a chunk of 2^64", pieces: () => [post(`${json}transfer-encoding: chunked\r\n`), text("ffffffffffffffff\r\nx")] },
    { name: "two lengths", pieces: () => [post(`${json}content-length: 1\r\ncontent-length: 2\r\n`), text("{}")] },
    {
      name: "length and chunks",
      pieces: () => [post(`${json}content-length: 4\r\ntransfer-encoding: chunked\r\n`), text("0\r\n\r\nGET /x HTTP/1.1\r\n\r\n")],
    },
    { name: "deep JSON", pieces: () => [post(`${json}content-length: 2000000\r\n`), Buffer.alloc(2_000_000, "[")] },
    {
      name: "deep YAML",
      pieces: () => [post(`content-type: application/apply-patch+yaml\r\ncontent-length: 1000000\r\n`), Buffer.alloc(1_000_000, "[")],
    },
    { name: "NUL everywhere", pieces: () => [text("GET /\0 HTTP/1.1\r\n\0: \0\r\n\r\n")] },
    { name: "bare line feeds", pieces: () => [text("GET / HTTP/1.1\nhost: x\n\n")] },
    {
      name: "an upgrade",
      pieces: () => [text("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), Buffer.alloc(65_536)],
    },
    { name: "a tunnel", pieces: () => [text("CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n")] },
    { name: "an expectation", pieces: () => [post(`${json}expect: 100-continue\r\ncontent-length: 5\r\n`)] },
    {
      name: "pipelined without reading",
      pieces: () => repeated(20 * times, () => text("GET /version HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200))),
    },
    {
      name: "odd paths",
      pieces: () => [
        text(
          "GET /api/v1/namespaces/..%2f..%2f/pods/%00%ff HTTP/1.1\r\nhost: x\r\n\r\nGET //// HTTP/1.1\r\nhost: x\r\n\r\nGET /%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        ),
      ],
    },
    { name: "a path of 15 KB", pieces: () => [text(`GET /api/v1/namespaces/${"a/".repeat(7500)} HTTP/1.1\r\nhost: x\r\n\r\n`)] },
    {
      name: "wishes about prototypes",
      pieces: () => [
        post(`${json}content-length: 88\r\n`),
        text('{"__proto__":{"polluted":1},"apiVersion":"v1","kind":"ConfigMap","constructor":{"a":[]}}'),
      ],
    },
    { name: "HTTP/2", pieces: () => [preface, frame(4, 0, 0)] },
  ];
}

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

const endStream = 1;
const endHeaders = 4;
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

const open = (): Buffer => Buffer.concat([preface, frame(4, 0, 0)]);
const odd = (index: number): number => index * 2 + 1;

/** HTTP/2: floods, lies and broken frames. */
export function http2Attacks(times: number, dice: Dice): readonly Attack[] {
  const flood = (name: string, piece: (index: number) => Buffer): Attack => ({
    name,
    pieces: () => [open(), ...repeated(20 * times, piece)],
  });
  const many = (count: number, make: (index: number) => Buffer): Buffer => Buffer.concat([...repeated(count, make)]);
  const started = (index: number): Buffer => frame(1, endHeaders, odd(index), adsHeaders());
  const attacks: Attack[] = [
    flood("rapid reset", (index) =>
      many(100, (each) => Buffer.concat([started(index * 100 + each), frame(3, 0, odd(index * 100 + each), Buffer.alloc(4))])),
    ),
    flood("settings", () => many(500, () => frame(4, 0, 0, Buffer.from([0, 1, 0, 0, 16, 0])))),
    flood("pings", () => many(500, () => frame(6, 0, 0, Buffer.alloc(8)))),
    flood("priorities", (index) => many(500, (each) => frame(2, 0, odd(index * 500 + each), Buffer.alloc(5)))),
    flood("streams", (index) => many(100, (each) => started(index * 100 + each))),
    flood("empty data", (index) => Buffer.concat([index === 0 ? started(0) : Buffer.alloc(0), many(1000, () => frame(0, 0, 1))])),
    flood("window updates", () => many(500, () => frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])))),
    {
      name: "endless continuation",
      pieces: () => [
        open(),
        frame(1, 0, 1, adsHeaders()),
        ...repeated(20 * times, () => many(20, () => frame(9, 0, 1, headerField("a", "b".repeat(8000))))),
      ],
    },
    {
      name: "a header of a megabyte",
      pieces: () => [open(), ...slices(1, headerField("authorization", `Bearer ${"a".repeat(1_000_000)}`))],
    },
    {
      name: "ten thousand headers",
      pieces: () => [open(), ...slices(1, Buffer.concat([adsHeaders(), many(10_000, (index) => headerField(`h${index}`, "v"))]))],
    },
    { name: "a table of 2^30 bytes", pieces: () => [open(), frame(1, endHeaders, 1, Buffer.from([0x3f, 0xff, 0xff, 0xff, 0xff, 0x07]))] },
    { name: "an index that never ends", pieces: () => [open(), frame(1, endHeaders, 1, Buffer.alloc(1000, 0xff))] },
    { name: "a frame of 16 MB", pieces: () => [open(), frame(0, 0, 1, Buffer.alloc(100), 0xffffff)] },
    { name: "no preface", pieces: () => [frame(1, endHeaders, 1, adsHeaders())] },
    { name: "half a preface", pieces: () => [preface.subarray(0, 12)] },
    { name: "a stream of stream 0", pieces: () => [open(), frame(1, endHeaders, 0, adsHeaders())] },
    { name: "an even stream", pieces: () => [open(), frame(1, endHeaders, 2, adsHeaders())] },
    { name: "another method", pieces: () => [open(), frame(1, endHeaders | endStream, 1, adsHeaders({ ":path": "/x.Y/Z" }))] },
    {
      name: "another content type",
      pieces: () => [open(), frame(1, endHeaders | endStream, 1, adsHeaders({ "content-type": "text/html" }))],
    },
    { name: "no path", pieces: () => [open(), frame(1, endHeaders | endStream, 1, headerField(":method", "POST"))] },
  ];
  for (let round = 0; round < 10 * times; round += 1) {
    attacks.push({
      name: `random frames ${round}`,
      pieces: () => [
        open(),
        ...repeated(20, () =>
          frame(
            dice.below(12),
            dice.next() & 0xff,
            dice.below(12),
            dice.bytes(dice.below(200)),
            dice.below(4) === 0 ? dice.next() : undefined,
          ),
        ),
      ],
    });
    attacks.push({
      name: `a mutated stream ${round}`,
      pieces: () => [mutated(dice, Buffer.concat([open(), started(0), frame(0, 0, 1, grpcMessage(dice.bytes(40)))]))],
    });
  }
  return attacks;
}

/** A header block cut into HEADERS and CONTINUATION frames. */
function* slices(stream: number, block: Buffer): Generator<Buffer> {
  const size = 16_384;
  for (let start = 0; start < block.length; start += size) {
    const isLast = start + size >= block.length;
    yield frame(start === 0 ? 1 : 9, isLast ? endHeaders : 0, stream, block.subarray(start, start + size));
  }
}

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

/** Bytes of no protocol. */
export function randomAttacks(times: number, dice: Dice): readonly Attack[] {
  return [...repeated(10 * times, () => Buffer.alloc(0))].map((_, round) => ({
    name: `random ${round}`,
    pieces: () => [dice.bytes(dice.below(5000))],
  }));
}

/** Not a TLS client. */
export function tlsAttacks(times: number, dice: Dice): readonly Attack[] {
  const hello = Buffer.concat([Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), dice.bytes(600)]);
  return [
    { name: "half a hello", pieces: () => [hello.subarray(0, 40)] },
    { name: "a record of 64 KB", pieces: () => [Buffer.from([22, 3, 1, 0xff, 0xff]), Buffer.alloc(70_000)] },
    { name: "alerts", pieces: () => repeated(100 * times, () => Buffer.from([21, 3, 3, 0, 2, 1, 0])) },
    { name: "change cipher specs", pieces: () => repeated(100 * times, () => Buffer.from([20, 3, 3, 0, 1, 1])) },
    { name: "HTTP", pieces: () => [text("GET / HTTP/1.1\r\n\r\n")] },
    { name: "HTTP/2 without TLS", pieces: () => [open(), frame(1, endHeaders, 1, adsHeaders())] },
    ...[...repeated(10 * times, () => hello)].map((bytes, round) => ({
      name: `a mutated hello ${round}`,
      pieces: () => [mutated(dice, bytes)],
    })),
    ...randomAttacks(times, dice),
  ];
}
