// Numbers by time slot in a ring that takes memory only where something isn't 0: a bucket that nobody hits costs nothing. What lies behind the
// ring's length is overwritten.

import { clear, type Memory, type Piece, type Precision, pieceLength } from "./memory.ts";

/** Slots of a piece of memory. */
export const slotsPerChunk = pieceLength;

export interface ColumnShape {
  /** How many chunks are kept; one more than the time that must be covered, since the newest is never full. */
  readonly chunks: number;
  readonly precision: Precision;
}

interface Chunk {
  number: number;
  readonly piece: Piece;
}

export class Column {
  readonly #shape: ColumnShape;
  readonly #memory: Memory;
  readonly #ring: (Chunk | undefined)[] = [];

  constructor(shape: ColumnShape, memory: Memory) {
    this.#shape = shape;
    this.#memory = memory;
  }

  add(slot: number, value: number): void {
    if (value === 0) return;
    const number = Math.floor(slot / slotsPerChunk);
    const chunk = this.#chunkFor(number);
    // What is older than the ring is long gone.
    if (chunk.number !== number) return;
    const { block, offset } = chunk.piece;
    const index = offset + (slot % slotsPerChunk);
    block[index] = (block[index] ?? 0) + value;
  }

  /** Adds what another column of the same slots holds. */
  addAll(other: Column): void {
    for (const chunk of other.#ring) {
      if (chunk === undefined) continue;
      const { block, offset } = chunk.piece;
      for (let index = 0; index < slotsPerChunk; index += 1) this.add(chunk.number * slotsPerChunk + index, block[offset + index] ?? 0);
    }
  }

  get(slot: number): number {
    const number = Math.floor(slot / slotsPerChunk);
    const chunk = this.#ring[number % this.#shape.chunks];
    return chunk?.number === number ? (chunk.piece.block[chunk.piece.offset + (slot % slotsPerChunk)] ?? 0) : 0;
  }

  /** Of the slots from `from` to before `to`. */
  sum(from: number, to: number): number {
    let total = 0;
    for (let number = Math.floor(from / slotsPerChunk); number * slotsPerChunk < to; number += 1) {
      const chunk = this.#ring[number % this.#shape.chunks];
      if (chunk?.number !== number) continue;
      const { block, offset } = chunk.piece;
      const first = number * slotsPerChunk;
      for (let slot = Math.max(from, first); slot < Math.min(to, first + slotsPerChunk); slot += 1)
        total += block[offset + slot - first] ?? 0;
    }
    return total;
  }

  /** Gives back the memory of everything before a chunk. */
  dropBefore(number: number): void {
    for (const [index, chunk] of this.#ring.entries()) {
      if (chunk === undefined || chunk.number >= number) continue;
      this.#memory.give(this.#shape.precision, chunk.piece);
      this.#ring[index] = undefined;
    }
  }

  /** Number of the oldest chunk that takes memory. */
  get oldestChunk(): number {
    return this.#ring.reduce((oldest, chunk) => Math.min(oldest, chunk?.number ?? oldest), Number.POSITIVE_INFINITY);
  }

  #chunkFor(number: number): Chunk {
    const { chunks, precision } = this.#shape;
    const known = this.#ring[number % chunks];
    if (known !== undefined) {
      if (known.number < number) {
        known.number = number;
        clear(known.piece);
      }
      return known;
    }
    const chunk = { number, piece: this.#memory.take(precision) };
    this.#ring[number % chunks] = chunk;
    return chunk;
  }
}
