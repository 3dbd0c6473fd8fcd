// What is slow, by what was usual of late: durations of the last traces per service and operation → whether one stands out. Pure but for its memory,
// which is bounded.

/** Last durations of one kind of trace. */
const memory = 256;
/** Below that nothing is called slow. */
const enough = 20;
const maxKinds = 2000;

export class UsualDurations {
  readonly #kinds = new Map<string, number[]>();

  /** Whether it is as long as the slowest twentieth and twice the median of the ones before it; then it counts among them. */
  isSlow(kind: string, durationUs: number): boolean {
    const before = this.#kinds.get(kind) ?? [];
    const isSlow = before.length >= enough && durationUs >= shareOf(before, 0.95) && durationUs >= 2 * shareOf(before, 0.5);
    before.push(durationUs);
    if (before.length > memory) before.shift();
    // The kind asked for longest ago goes first.
    this.#kinds.delete(kind);
    this.#kinds.set(kind, before);
    const [oldest] = this.#kinds.keys();
    if (this.#kinds.size > maxKinds && oldest !== undefined) this.#kinds.delete(oldest);
    return isSlow;
  }
}

function shareOf(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
