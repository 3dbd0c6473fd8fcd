// How much one sender may send, a proxy or an application: a bucket of bytes per sender that fills steadily. What is beyond it is refused before it is read, so that one sender's junk
// costs the others nothing but this look. Pure but for its state.

export interface ReportLimitsOptions {
  /** Of one report; 4 MiB unless given: two thousand series with all their buckets. */
  readonly maxBytes?: number;
  /** Of one sender; 4 MiB unless given, a hundred times what a busy proxy sends. A bucket holds those of two seconds. */
  readonly bytesPerSecond?: number;
}

const mebibyte = 1024 * 1024;
/** A report, however small, costs as much as this many bytes of a larger one. */
const costPerReport = 1024;
/** Senders that are remembered before full buckets, which say nothing, are forgotten. */
const manySources = 1000;

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
    if (this.#buckets.size > manySources) this.#forgetFull(nowMs);
    return isAdmitted;
  }

  /** Nobody says when an address is nobody's any more. */
  #forgetFull(nowMs: number): void {
    const full = 2 * this.#bytesPerSecond;
    for (const [source, { left, atMs }] of this.#buckets) {
      if (left + ((nowMs - atMs) / 1000) * this.#bytesPerSecond >= full) this.#buckets.delete(source);
    }
  }

  end(source: string): void {
    this.#buckets.delete(source);
  }
}
