// For which seconds a proxy's values are known: what tells a zero from a gap. A report covers the seconds since the one before it; one that
// covers several says their sum, not when within them.

/**
 * Longest span, in seconds, that counts in part where a window's edge cuts it: a report that came late or was lost. Of longer ones nobody knows what
 * was when: they count in windows that hold them whole, and are gaps elsewhere.
 */
const divisibleSpan = 3;

/** Marks a second within a longer span: its value lies at the span's end. */
const inner = 65_535;

export interface CoverageWindow {
  /** 1 for each second of the window that is covered. */
  readonly seconds: Uint8Array;
  /** Ends of spans that the window's edges cut: their values count with these factors, wherever they lie. */
  readonly cuts: readonly { readonly slot: number; readonly factor: number }[];
}

/** The seconds of one proxy; slot n lies between n and n+1 seconds since the epoch. */
export class Coverage {
  readonly #length: number;
  /** 0: a gap; n: the end of a span of n seconds; `inner`. */
  readonly #spans: Uint16Array;
  #last = Number.NEGATIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;
  #first = Number.POSITIVE_INFINITY;

  /** @param length - seconds that are kept. */
  constructor(length: number) {
    this.#length = length;
    this.#spans = new Uint16Array(length);
  }

  /**
   * Marks what a report covers; returns the slot for its values and how many seconds before and with it are newly covered. Reports come about once
   * a second, not at it: one follows the other slot by slot as long as that isn't wrong by more than a second.
   */
  cover(fromMs: number, toMs: number): { readonly slot: number; readonly span: number } {
    const nominal = Math.round(toMs / 1000) - 1;
    const next = this.#last + 1;
    const isRegular = Math.abs(toMs - fromMs - 1000) <= 500 && Math.abs((next + 1) * 1000 - toMs) <= 1000;
    const slot = isRegular ? next : Math.max(nominal, this.#last);
    // A report that begins where the one before ended leaves no gap, wherever the slots lie.
    const start = fromMs <= this.#lastMs ? this.#last : Math.min(Math.round(fromMs / 1000) - 1, slot);
    const before = Math.max(start, this.#last, slot - this.#length);
    this.#lastMs = toMs;
    const span = isRegular ? 1 : slot - before;
    this.#advance(slot);
    if (span > 0) {
      for (let second = slot - span + 1; second < slot; second += 1) this.#spans[second % this.#length] = inner;
      this.#spans[slot % this.#length] = span;
      this.#first = Math.min(this.#first, slot - span + 1);
    }
    return { slot, span };
  }

  /** Covers what another one covers; where both do, this one's reports stand. */
  addAll(other: Coverage): void {
    if (!Number.isFinite(other.#last)) return;
    this.#advance(other.#last);
    for (let slot = Math.max(other.#first, other.#last - this.#length + 1); slot <= other.#last; slot += 1)
      if (this.#at(slot) === 0 && other.#at(slot) > 0) this.#spans[slot % this.#length] = other.#at(slot);
    this.#first = Math.min(this.#first, other.#first);
    this.#lastMs = Math.max(this.#lastMs, other.#lastMs);
  }

  /** The latest slot; -Infinity before the first report. */
  get last(): number {
    return this.#last;
  }

  /** Whether a report covers the slot, alone or with others; its value lies at the end of what the report covers. */
  covers(slot: number): boolean {
    return this.#at(slot) > 0;
  }

  /** The first slot ever covered; Infinity before. */
  get first(): number {
    return this.#first;
  }

  /** Of the slots from `from` to before `to`. */
  window(from: number, to: number): CoverageWindow {
    const seconds = new Uint8Array(Math.max(0, to - from));
    const cuts: { slot: number; factor: number }[] = [];
    const cut = (end: number) => {
      const span = this.#at(end);
      const first = Math.max(from, end - span + 1);
      const last = Math.min(to - 1, end);
      const isDivisible = span <= divisibleSpan;
      cuts.push({ slot: end, factor: isDivisible ? (last - first + 1) / span : 0 });
      if (!isDivisible) seconds.fill(0, first - from, last - from + 1);
    };
    for (let slot = from; slot < to; slot += 1) if (this.#at(slot) > 0) seconds[slot - from] = 1;
    const firstEnd = this.#endOf(from);
    if (firstEnd - this.#at(firstEnd) + 1 < from) cut(firstEnd);
    const lastEnd = this.#endOf(to - 1);
    if (lastEnd >= to && lastEnd !== cuts[0]?.slot) cut(lastEnd);
    return { seconds, cuts };
  }

  /** The end of the span that a slot lies in; the slot itself where none does. */
  #endOf(slot: number): number {
    let end = slot;
    while (this.#at(end) === inner) end += 1;
    return end;
  }

  #at(slot: number): number {
    return slot > this.#last || slot <= this.#last - this.#length ? 0 : (this.#spans[slot % this.#length] ?? 0);
  }

  #advance(slot: number): void {
    // The first report finds everything clear.
    const start = Number.isFinite(this.#last) ? Math.max(this.#last + 1, slot - this.#length + 1) : slot;
    for (let cleared = start; cleared <= slot; cleared += 1) this.#spans[cleared % this.#length] = 0;
    this.#last = Math.max(this.#last, slot);
  }
}
