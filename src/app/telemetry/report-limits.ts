// How much one proxy may send: a bucket of bytes per sender that fills steadily. What is beyond it is refused before it is read, so that one sender's junk
// costs the others nothing but this look. Pure but for its state.

export interface ReportLimitsOptions {
  /** Of one report; 4 MiB unless given: two thousand series with all their buckets. */
  readonly maxBytes?: number;
  /** Of one proxy; 4 MiB unless given, a hundred times what a busy one sends. */
  readonly bytesPerSecond?: number;
}

const mebibyte = 1024 * 1024;
/** A report, however small, costs as much as this many bytes of a larger one. */
const costPerReport = 1024;

export class ReportLimits {
  readonly #maxBytes: number;
  readonly #bytesPerSecond: number;
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor({ maxBytes = 4 * mebibyte, bytesPerSecond = 4 * mebibyte }: ReportLimitsOptions = {}) {
    this.#maxBytes = maxBytes;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Whether the report may be read; what is in the bucket is then less. */
  admits(source: string, bytes: number, nowMs: number): boolean {
    const full = 2 * this.#bytesPerSecond;
    const { left, atMs } = this.#buckets.get(source) ?? { left: full, atMs: nowMs };
    const filled = Math.min(full, left + ((nowMs - atMs) / 1000) * this.#bytesPerSecond);
    const cost = bytes + costPerReport;
    const isAdmitted = bytes <= this.#maxBytes && cost <= filled;
    this.#buckets.set(source, { left: isAdmitted ? filled - cost : filled, atMs: nowMs });
    return isAdmitted;
  }

  end(source: string): void {
    this.#buckets.delete(source);
  }
}
