// Bytes for a TLS listener that no TLS client would send.

import { adsHeaders, endHeaders, frame, open } from "./http2-frames.ts";
import { type Attack, type Dice, mutated, randomAttacks, repeated, text } from "./junk.ts";

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
