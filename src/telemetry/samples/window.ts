// Questions to the store: what was counted in a window, by label; rates and quantiles of it. A gap is never a zero: what isn't known is
// undefined, and how much is missing is said.

import type { Distribution, Labels } from "../point.ts";
import type { Column } from "./column.ts";
import type { CoverageWindow } from "./coverage.ts";
import type { SampleStore, StoredSource } from "./sample-store.ts";
import { coarseSlotSeconds, fineSeconds, type Resolution, type Series } from "./series.ts";

/** One of the values, or what a function takes; a missing label is "". */
export type Matcher = string | readonly string[] | ((value: string) => boolean);

export interface WindowQuery {
  readonly name: string;
  /** All must hold. Copies of requests are left out unless `mirrored` is matched. */
  readonly match?: Readonly<Record<string, Matcher>>;
  /** What a label alone can't say: a series counts where this holds too. */
  readonly where?: (labels: Labels) => boolean;
  /** Labels by which rows are made; `proxy` is the proxy's id. */
  readonly by?: readonly string[];
  /** From this moment to before `toMs`; whole seconds, and whole ten seconds where the start is older than a quarter of an hour. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of histograms: what their values add up to, without looking at the buckets; not said unless asked for. */
  readonly onlyTotals?: boolean;
}

export interface WindowRow {
  readonly group: Labels;
  /** What was counted; of histograms how many values, or what they add up to for `onlyTotals`. */
  readonly sum: number;
  /** Seconds of the window of which at least one proxy of the row reported. */
  readonly seconds: number;
  /** Seconds that were not reported, of all proxies of the row together, though they ran. */
  readonly missing: number;
  /** sum per second; undefined where no second is known. */
  readonly perSecond: number | undefined;
  /** Of histograms, unless only totals were asked for. */
  readonly distribution: Distribution | undefined;
  /** Ids of the row's proxies. */
  readonly proxies: readonly string[];
}

/** What was counted in a window; rows sorted by their labels in the order of `by`. */
export function windowOf(store: SampleStore, query: WindowQuery): readonly WindowRow[] {
  return rowsOf(selectionOf(store, query), rangeOf(store, newestOf(store), query), query.onlyTotals);
}

/** The series of one proxy that a question is about, each with its row. */
interface Selected {
  readonly source: StoredSource;
  readonly series: readonly { readonly series: Series; readonly key: string; readonly group: Labels }[];
}

function selectionOf(store: SampleStore, { name, match, where = () => true, by = [] }: WindowQuery): readonly Selected[] {
  return [...store.sources()].flatMap((source) => {
    const matching = [...(source.byName.get(name) ?? [])].filter(({ labels }) => isMatch(labels, match) && where(labels));
    if (matching.length === 0) return [];
    const series = matching.map((one) => {
      const values = by.map((label) => (label === "proxy" ? source.id : labelOf(one.labels, label)));
      return {
        series: one,
        key: JSON.stringify(values),
        group: Object.fromEntries(by.map((label, index) => [label, values[index] ?? ""])),
      };
    });
    return [{ source, series }];
  });
}

function rowsOf(selection: readonly Selected[], range: Range, onlyTotals = false): readonly WindowRow[] {
  const rows = new Map<string, Row>();
  for (const { source, series } of selection) {
    const window = source.coverage.window(range.from, range.to);
    const sumOf = (column: Column) => sumIn(column, range, window);
    for (const { series: one, key, group } of series) {
      const row = rows.get(key) ?? new Row(group, range);
      rows.set(key, row);
      row.addSource(source, window);
      if (onlyTotals) row.addTotal(one.total(range.resolution, sumOf));
      else row.addSeries(one, sumOf);
    }
  }
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row.result());
}

/** Seconds since the epoch, from `from` to before `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
  readonly resolution: Resolution;
}

/** The newest second that any proxy covers; -Infinity before the first report. */
export function newestOf(store: SampleStore): number {
  let newest = Number.NEGATIVE_INFINITY;
  for (const { coverage } of store.sources()) newest = Math.max(newest, coverage.last);
  return newest;
}

/** The seconds of a window, and how finely they are still kept. */
export function rangeOf(store: SampleStore, newest: number, { fromMs, toMs }: Pick<WindowQuery, "fromMs" | "toMs">): Range {
  const wanted = Math.round(fromMs / 1000);
  const isFine = newest - wanted < fineSeconds && wanted >= store.fineFromSecond;
  const from = Math.max(wanted, isFine ? store.finestFromSecond : (store.shortenedToSecond ?? 0));
  const to = Math.max(from, Math.round(toMs / 1000));
  if (isFine) return { from, to, resolution: "fine" };
  const start = Math.floor(from / coarseSlotSeconds) * coarseSlotSeconds;
  return { from: start, to: Math.max(start, Math.ceil(to / coarseSlotSeconds) * coarseSlotSeconds), resolution: "coarse" };
}

/** What a column holds of a range, cut where a report covers more than it. */
export function sumIn(column: Column, { from, to, resolution }: Range, { cuts }: CoverageWindow): number {
  // Spans that are cut lie in one coarse slot of many: too little to matter there.
  if (resolution === "coarse") return column.sum(from / coarseSlotSeconds, to / coarseSlotSeconds);
  return cuts.reduce(
    (sum, { slot, factor }) => {
      const counted = slot < to ? 1 : 0;
      return sum + column.get(slot) * (factor - counted);
    },
    column.sum(from, to),
  );
}

function isMatch(labels: Labels, match: WindowQuery["match"] = {}): boolean {
  if (!Object.hasOwn(match, "mirrored") && labelOf(labels, "mirrored") !== "") return false;
  return Object.entries(match).every(([label, matcher]) => {
    const value = labelOf(labels, label);
    if (typeof matcher === "function") return matcher(value);
    return typeof matcher === "string" ? value === matcher : matcher.includes(value);
  });
}

function labelOf(labels: Labels, label: string): string {
  return Object.hasOwn(labels, label) ? (labels[label] ?? "") : "";
}

class Row {
  readonly #group: Labels;
  readonly #range: Range;
  readonly #seconds: Uint8Array;
  readonly #proxies = new Set<string>();
  #sum = 0;
  #missing = 0;
  #distribution: Distribution | undefined;

  constructor(group: Labels, range: Range) {
    this.#group = group;
    this.#range = range;
    this.#seconds = new Uint8Array(range.to - range.from);
  }

  addSource({ id, coverage, endedSecond, isMerged }: StoredSource, { seconds }: CoverageWindow): void {
    if (this.#proxies.has(id)) return;
    this.#proxies.add(id);
    const { from, to } = this.#range;
    const end = Math.min(to, (endedSecond ?? to) + 1);
    for (let index = 0; index < seconds.length; index += 1) {
      const second = from + index;
      if (seconds[index] === 1) this.#seconds[index] = 1;
      else if (!isMerged && second >= coverage.first && second < end) this.#missing += 1;
    }
  }

  addTotal(total: number): void {
    this.#sum += total;
  }

  addSeries(series: Series, sumOf: (column: Column) => number): void {
    const { resolution } = this.#range;
    const distribution = series.distribution(resolution, sumOf);
    if (distribution === undefined) {
      this.#sum += series.total(resolution, sumOf);
      return;
    }
    // Buckets of another configuration can't be added; the first one's stand.
    const merged = this.#distribution === undefined ? distribution : mergedDistribution(this.#distribution, distribution);
    if (merged === undefined) return;
    this.#distribution = merged;
    this.#sum = merged.counts.reduce((sum, count) => sum + count, 0);
  }

  result(): WindowRow {
    const seconds = this.#seconds.reduce((sum, second) => sum + second, 0);
    return {
      group: this.#group,
      sum: this.#sum,
      seconds,
      missing: this.#missing,
      perSecond: seconds === 0 ? undefined : this.#sum / seconds,
      distribution: this.#distribution,
      proxies: [...this.#proxies].toSorted(),
    };
  }
}

/** Undefined when their buckets differ. */
export function mergedDistribution(one: Distribution, other: Distribution): Distribution | undefined {
  const isSame = one.bounds.length === other.bounds.length && one.bounds.every((bound, index) => bound === other.bounds[index]);
  if (!isSame) return undefined;
  const counts = one.counts.map((count, index) => count + (other.counts[index] ?? 0));
  return { bounds: one.bounds, counts, sum: one.sum + other.sum };
}

/**
 * The value that a share `q` (0..1) of all is below, as Prometheus' histogram_quantile estimates it: evenly spread within the bucket, and the highest
 * bound for what is beyond all. Undefined for an empty distribution.
 */
export function quantileOf({ bounds, counts }: Distribution, q: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const rank = Math.min(1, Math.max(0, q)) * total;
  let below = 0;
  for (const [index, count] of counts.entries()) {
    const bound = bounds[index];
    if (bound === undefined) break;
    if (below + count >= rank && count > 0) {
      const lower = bounds[index - 1] ?? Math.min(0, bound);
      return lower + (bound - lower) * ((rank - below) / count);
    }
    below += count;
  }
  return bounds.at(-1);
}
