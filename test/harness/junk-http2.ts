// HTTP/2: floods of frames, headers without end, frames that lie about themselves.

import { adsHeaders, endHeaders, endStream, frame, grpcMessage, headerField, open, preface } from "./http2-frames.ts";
import { type Attack, type Dice, mutated, repeated } from "./junk.ts";

const odd = (index: number): number => index * 2 + 1;

const many = (count: number, make: (index: number) => Buffer): Buffer => Buffer.concat([...repeated(count, make)]);
const started = (index: number): Buffer => frame(1, endHeaders, odd(index), adsHeaders());

/** HTTP/2: floods, lies and broken frames. */
export function http2Attacks(times: number, dice: Dice): readonly Attack[] {
  return [...floods(times), ...largeHeaders(times), ...lies, ...randomFrames(times, dice)];
}

/** Frames that cost their sender little, by the thousand. */
function floods(times: number): readonly Attack[] {
  const flood = (name: string, piece: (index: number) => Buffer): Attack => ({
    name,
    pieces: () => [open(), ...repeated(20 * times, piece)],
  });
  return [
    flood("rapid reset", (index) =>
      many(100, (each) => Buffer.concat([started(index * 100 + each), frame(3, 0, odd(index * 100 + each), Buffer.alloc(4))])),
    ),
    flood("settings", () => many(500, () => frame(4, 0, 0, Buffer.from([0, 1, 0, 0, 16, 0])))),
    flood("pings", () => many(500, () => frame(6, 0, 0, Buffer.alloc(8)))),
    flood("priorities", (index) => many(500, (each) => frame(2, 0, odd(index * 500 + each), Buffer.alloc(5)))),
    flood("streams", (index) => many(100, (each) => started(index * 100 + each))),
    flood("empty data", (index) => Buffer.concat([index === 0 ? started(0) : Buffer.alloc(0), many(1000, () => frame(0, 0, 1))])),
    flood("window updates", () => many(500, () => frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff])))),
  ];
}

function largeHeaders(times: number): readonly Attack[] {
  return [
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
  ];
}

/** Frames that aren't what they say, or come where they mustn't. */
const lies: readonly Attack[] = [
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

function randomFrames(times: number, dice: Dice): readonly Attack[] {
  const randomFrame = (): Buffer => {
    const [type, flags, stream] = [dice.below(12), dice.next() & 0xff, dice.below(12)];
    const payload = dice.bytes(dice.below(200));
    return frame(type, flags, stream, payload, dice.below(4) === 0 ? dice.next() : undefined);
  };
  const rounds = Array.from({ length: 10 * times }, (_, round): readonly Attack[] => [
    { name: `random frames ${round}`, pieces: () => [open(), ...repeated(20, randomFrame)] },
    {
      name: `a mutated stream ${round}`,
      pieces: () => [mutated(dice, Buffer.concat([open(), started(0), frame(0, 0, 1, grpcMessage(dice.bytes(40)))]))],
    },
  ]);
  return rounds.flat();
}

/** A header block cut into HEADERS and CONTINUATION frames. */
function* slices(stream: number, block: Buffer): Generator<Buffer> {
  const size = 16_384;
  for (let start = 0; start < block.length; start += size) {
    const isLast = start + size >= block.length;
    yield frame(start === 0 ? 1 : 9, isLast ? endHeaders : 0, stream, block.subarray(start, start + size));
  }
}
