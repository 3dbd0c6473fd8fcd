// Traces of one kind in the order in which they go when there is no room. Pure but for its state.

/** Why a trace is kept; "open" while its spans still come. */
export type TraceKeeping = "open" | "usual" | "slow" | "failed";

export interface PoolEntry {
  readonly traceId: string;
  readonly keeping: TraceKeeping;
  readonly bytes: number;
}

export class TracePool {
  readonly #keptBytes: number;
  /** Ids by keeping, oldest first. */
  readonly #order: Readonly<Record<TraceKeeping, Set<string>>> = { open: new Set(), usual: new Set(), slow: new Set(), failed: new Set() };
  #bytes = 0;
  #keptNow = 0;

  /** `keptBytes`: what slow and failed traces can push usual ones out of. */
  constructor(keptBytes: number) {
    this.#keptBytes = keptBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get open(): Iterable<string> {
    return this.#order.open;
  }

  add({ traceId, keeping, bytes }: PoolEntry): void {
    this.#order[keeping].add(traceId);
    this.grow(keeping, bytes);
  }

  delete({ traceId, keeping, bytes }: PoolEntry): void {
    this.#order[keeping].delete(traceId);
    this.grow(keeping, -bytes);
  }

  /** A trace of it has become larger by so many bytes. */
  grow(keeping: TraceKeeping, bytes: number): void {
    this.#bytes += bytes;
    if (keeping === "slow" || keeping === "failed") this.#keptNow += bytes;
  }

  /** What goes next: the oldest usual ones; slow and failed ones only once they have more than their share, or nothing else is left. */
  oldest(): string | undefined {
    const order: readonly TraceKeeping[] =
      this.#keptNow > this.#keptBytes ? ["slow", "failed", "usual", "open"] : ["usual", "slow", "failed", "open"];
    const keeping = order.find((one) => this.#order[one].size > 0);
    return keeping === undefined ? undefined : this.#order[keeping].keys().next().value;
  }
}
