// Latencies in bounded memory: counts per logarithmic bucket -> percentiles that are at most 1 % off. Pure but for its own counters.

const smallestMs = 0.01;
const growth = 1.02;
const logGrowth = Math.log(growth);
/** 10 µs to over 60 s. */
const bucketCount = 800;

export class LatencyHistogram {
  readonly #counts = new Uint32Array(bucketCount);
  #total = 0;

  get count(): number {
    return this.#total;
  }

  record(ms: number): void {
    const bucket = Math.floor(Math.log(Math.max(ms, smallestMs) / smallestMs) / logGrowth);
    const index = Math.min(bucketCount - 1, bucket);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total += 1;
  }

  add(other: LatencyHistogram): void {
    other.#counts.forEach((count, index) => {
      this.#counts[index] = (this.#counts[index] ?? 0) + count;
    });
    this.#total += other.#total;
  }

  /** Milliseconds that `percent` % of the values do not exceed (nearest rank); undefined without values. */
  percentile(percent: number): number | undefined {
    if (this.#total === 0) return undefined;
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#total));
    let seen = 0;
    const index = this.#counts.findIndex((count) => {
      seen += count;
      return seen >= rank;
    });
    return smallestMs * growth ** (index + 0.5);
  }
}
