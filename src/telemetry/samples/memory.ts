// Memory for many short rows of numbers: pieces of one length, cut from large blocks. An array of its own for each row would cost as much again as
// its numbers, and a freed piece is used again before more is taken.

/** Numbers of a piece. */
export const pieceLength = 60;
const piecesPerBlock = 1024;

/** Where a piece lies: `block[offset]` to `block[offset + pieceLength - 1]`. */
export interface Piece {
  readonly block: Float64Array | Float32Array;
  readonly offset: number;
}

/** Pieces of one precision. */
class Pool {
  readonly #newBlock: () => Float64Array | Float32Array;
  readonly #free: Piece[] = [];
  #next = piecesPerBlock;
  #block: Float64Array | Float32Array;

  constructor(newBlock: () => Float64Array | Float32Array) {
    this.#newBlock = newBlock;
    this.#block = newBlock();
  }

  /** A piece of zeros. */
  take(): Piece {
    const known = this.#free.pop();
    if (known !== undefined) {
      clear(known);
      return known;
    }
    if (this.#next >= piecesPerBlock) {
      this.#block = this.#newBlock();
      this.#next = 0;
    }
    const piece = { block: this.#block, offset: this.#next * pieceLength };
    this.#next += 1;
    return piece;
  }

  give(piece: Piece): void {
    this.#free.push(piece);
  }
}

/** float32 halves the memory and is exact for counts below 16.7 million. */
export type Precision = "float64" | "float32";

/** The memory of a whole store, counted where it is taken. */
export class Memory {
  readonly #pools: Readonly<Record<Precision, Pool>> = {
    float64: new Pool(() => new Float64Array(piecesPerBlock * pieceLength)),
    float32: new Pool(() => new Float32Array(piecesPerBlock * pieceLength)),
  };
  #bytes = 0;

  /** Of the pieces that are in use. */
  get bytes(): number {
    return this.#bytes;
  }

  take(precision: Precision): Piece {
    const piece = this.#pools[precision].take();
    this.#bytes += bytesOf(piece);
    return piece;
  }

  give(precision: Precision, piece: Piece): void {
    this.#pools[precision].give(piece);
    this.#bytes -= bytesOf(piece);
  }
}

export function clear({ block, offset }: Piece): void {
  block.fill(0, offset, offset + pieceLength);
}

function bytesOf({ block }: Piece): number {
  return pieceLength * block.BYTES_PER_ELEMENT;
}
