// Bytes that no client should send, from a seed. An attack is what is sent on one connection; files beside this one have those of each protocol.

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

/** So many pieces, made as they are sent. */
export function* repeated(times: number, piece: (index: number) => Buffer): Generator<Buffer> {
  for (let index = 0; index < times; index += 1) yield piece(index);
}

/** Bytes of a text of Latin-1. */
export const text = (value: string): Buffer => Buffer.from(value, "latin1");

/** Bytes of no protocol. */
export function randomAttacks(times: number, dice: Dice): readonly Attack[] {
  return [...repeated(10 * times, () => Buffer.alloc(0))].map((_, round) => ({
    name: `random ${round}`,
    pieces: () => [dice.bytes(dice.below(5000))],
  }));
}
