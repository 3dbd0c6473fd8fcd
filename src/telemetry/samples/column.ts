// Numbers by time slot in a ring that takes memory only where something isn't 0: a bucket that nobody hits costs nothing. What lies behind the
// ring's length is overwritten.

/** Slots of a piece of memory. */
export const slotsPerChunk = 60;

/** Memory of a whole store, counted where it is taken. */
export interface Memory {
  bytes: number;
}

export interface ColumnShape {
  /** How many chunks are kept; one more than the time that must be covered, since the newest is never full. */
  readonly chunks: number;
  /** float32 halves the memory and is exact for counts below 16.7 million per slot. */
  readonly precision: "float64" | "float32";
}

interface Chunk {
  number: number;
  readonly values: Float64Array | Float32Array;
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
    const index = slot % slotsPerChunk;
    chunk.values[index] = (chunk.values[index] ?? 0) + value;
  }

  get(slot: number): number {
    const number = Math.floor(slot / slotsPerChunk);
    const chunk = this.#ring[number % this.#shape.chunks];
    return chunk?.number === number ? (chunk.values[slot % slotsPerChunk] ?? 0) : 0;
  }

  /** Of the slots from `from` to before `to`. */
  sum(from: number, to: number): number {
    let total = 0;
    for (let number = Math.floor(from / slotsPerChunk); number * slotsPerChunk < to; number += 1) {
      const chunk = this.#ring[number % this.#shape.chunks];
      if (chunk?.number !== number) continue;
      const first = number * slotsPerChunk;
      for (let slot = Math.max(from, first); slot < Math.min(to, first + slotsPerChunk); slot += 1)
        total += chunk.values[slot - first] ?? 0;
    }
    return total;
  }

  /** Gives back the memory of everything before a chunk. */
  dropBefore(number: number): void {
    for (const [index, chunk] of this.#ring.entries()) {
      if (chunk === undefined || chunk.number >= number) continue;
      this.#memory.bytes -= chunk.values.byteLength;
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
        known.values.fill(0);
      }
      return known;
    }
    const values = precision === "float64" ? new Float64Array(slotsPerChunk) : new Float32Array(slotsPerChunk);
    this.#memory.bytes += values.byteLength;
    const chunk = { number, values };
    this.#ring[number % chunks] = chunk;
    return chunk;
  }
}
