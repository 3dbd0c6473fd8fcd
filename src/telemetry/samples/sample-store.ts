// What proxies counted, second by second, in bounded memory: observations in, windows out (window.ts). Series beyond the limits are refused and
// reported; when memory is short, the old history gets shorter for all alike, so that no sum is silently too small.

import type { Delta, Observation } from "../exact-counters.ts";
import { type Labels, seriesKey } from "../point.ts";
import { slotsPerChunk } from "./column.ts";
import { Coverage } from "./coverage.ts";
import { Memory } from "./memory.ts";
import { coarseSeconds, coarseSlotSeconds, fineSeconds, Series } from "./series.ts";

export interface SampleStoreOptions {
  /** Of all proxies; 60,000 unless given: 5,000 edges that both ends count, with three histograms, are 40,000. */
  readonly maxSeries?: number;
  /** Of one proxy, so that one can't take the others' room; 20,000 unless given: a gateway of 1,000 services has 4,000. */
  readonly maxSeriesPerSource?: number;
  /** Of the samples, beyond which old ones go early; 256 MiB unless given. */
  readonly maxBytes?: number;
}

/** A proxy's series and the seconds in which it reported. */
export interface StoredSource {
  readonly id: string;
  readonly coverage: Coverage;
  readonly series: ReadonlyMap<string, Series>;
  /** The same by the metric's name. */
  readonly byName: ReadonlyMap<string, ReadonlySet<Series>>;
  /** It is gone; its history stays until it is too old. */
  readonly endedSecond: number | undefined;
  /** The history of several that are gone: between one's end and another's start nothing is missing. */
  readonly isMerged: boolean;
}

interface Source extends StoredSource {
  readonly series: Map<string, Series>;
  readonly byName: Map<string, Set<Series>>;
  endedSecond: number | undefined;
  heir: string | undefined;
}

/** Series that weren't kept. */
export interface Refusal {
  readonly source: string;
  readonly name: string;
  /** Times that a value was refused. */
  readonly count: number;
  /** Labels of the first of them. */
  readonly example: Labels;
}

export interface StoreReport {
  readonly sources: number;
  readonly series: number;
  /** Of samples. */
  readonly bytes: number;
  readonly refusals: readonly Refusal[];
  /** Series that went since nothing was counted for longer than is kept. */
  readonly expired: number;
  /** Before this second the history was given up for want of memory or of room for series; undefined while all is kept. */
  readonly shortenedToSecond: number | undefined;
}

/** Proxies choose names: the list of what was refused is bounded too. */
const maxRefusals = 1000;

export class SampleStore {
  readonly #maxSeries: number;
  readonly #maxSeriesPerSource: number;
  readonly #maxBytes: number;
  readonly #memory = new Memory();
  readonly #sources = new Map<string, Source>();
  readonly #refusals = new Map<string, Refusal>();
  #series = 0;
  #expired = 0;
  #shortenedToSecond: number | undefined;
  #finestFromSecond = 0;
  #fineFromSecond = 0;
  #shortestUntil = Number.NEGATIVE_INFINITY;

  constructor({ maxSeries = 60_000, maxSeriesPerSource = 20_000, maxBytes = 256 * 1024 * 1024 }: SampleStoreOptions = {}) {
    this.#maxSeries = maxSeries;
    this.#maxSeriesPerSource = maxSeriesPerSource;
    this.#maxBytes = maxBytes;
  }

  /** Adds what was counted between two reports. Labels are kept as they are: expand tags before. */
  record({ kind, source: id, fromMs, toMs, deltas }: Pick<Observation, "kind" | "source" | "fromMs" | "toMs" | "deltas">): void {
    if (kind === "repeated") return;
    const source = this.#sourceOf(id);
    const { slot } = source.coverage.cover(fromMs, toMs);
    for (const delta of deltas) this.#seriesOf(source, delta)?.add(slot, delta);
    if (this.#memory.bytes > this.#maxBytes) this.#shorten(slot);
  }

  /**
   * The proxy is gone: seconds from now on aren't missing. Once nothing is kept second by second of it, its history goes to `heir`, a name that it
   * shares with its like (the pods of a workload): however many come and go, they take the room of one.
   */
  end(id: string, heir?: string): void {
    const source = this.#sources.get(id);
    if (source === undefined) return;
    source.endedSecond = source.coverage.last;
    source.heir = heir;
  }

  /** Removes what is too old, series and proxies of which nothing is left included. Call it about once a minute. */
  expire(nowMs: number): void {
    const now = nowMs / 1000;
    const oldest = now - coarseSeconds;
    const oldestFine = Math.floor((now - fineSeconds) / slotsPerChunk);
    this.#fineFromSecond = oldestFine * slotsPerChunk;
    for (const source of this.#sources.values()) {
      for (const series of source.series.values()) {
        series.dropFineBefore(oldestFine);
        series.dropCoarseBefore(chunkOf(oldest));
        if (series.lastSecond >= oldest) continue;
        this.#remove(source, series);
        this.#expired += 1;
      }
      const hasEndedLongAgo = source.endedSecond !== undefined && source.endedSecond < now - fineSeconds - slotsPerChunk;
      if (hasEndedLongAgo && source.heir !== undefined) this.#merge(source, source.heir);
      if (source.series.size === 0 && source.coverage.last < oldest) this.#sources.delete(source.id);
    }
  }

  #merge(gone: Source, heir: string): void {
    // No proxy's id: those are pods' and have no blanks.
    const merged = this.#sources.get(`ended: ${heir}`) ?? newSource(`ended: ${heir}`, { isMerged: true });
    this.#sources.set(merged.id, merged);
    merged.coverage.addAll(gone.coverage);
    merged.endedSecond = merged.coverage.last;
    for (const series of gone.series.values()) {
      const key = seriesKey(series);
      const known = merged.series.get(key) ?? this.#add(merged, { key, name: series.name, labels: series.labels });
      known.addHistoryOf(series);
      this.#remove(gone, series);
    }
    this.#sources.delete(gone.id);
  }

  #remove(source: Source, series: Series): void {
    series.drop();
    source.series.delete(series.key);
    source.byName.get(series.name)?.delete(series);
    this.#series -= 1;
  }

  #add(source: Source, name: Pick<Delta, "key" | "name" | "labels">): Series {
    const series = new Series(name, this.#memory);
    source.series.set(series.key, series);
    source.byName.set(series.name, (source.byName.get(series.name) ?? new Set()).add(series));
    this.#series += 1;
    return series;
  }

  sources(): Iterable<StoredSource> {
    return this.#sources.values();
  }

  /** Before this second the history was given up for want of memory; undefined while all is kept. */
  get shortenedToSecond(): number | undefined {
    return this.#shortenedToSecond;
  }

  /** What is older than this second is kept in steps of ten seconds only. */
  get fineFromSecond(): number {
    return this.#fineFromSecond;
  }

  /** From this second on everything that is kept second by second is there, as far as it isn't too old. */
  get finestFromSecond(): number {
    return this.#finestFromSecond;
  }

  report(): StoreReport {
    return {
      sources: this.#sources.size,
      series: this.#series,
      bytes: this.#memory.bytes,
      refusals: [...this.#refusals.values()],
      expired: this.#expired,
      shortenedToSecond: this.#shortenedToSecond,
    };
  }

  #sourceOf(id: string): Source {
    const known = this.#sources.get(id);
    if (known !== undefined) {
      known.endedSecond = undefined;
      known.heir = undefined;
      return known;
    }
    const source = newSource(id, { isMerged: false });
    this.#sources.set(id, source);
    return source;
  }

  #seriesOf(source: Source, delta: Delta): Series | undefined {
    const known = source.series.get(delta.key);
    if (known !== undefined) return known;
    // At its own limit a proxy is refused, whatever others would give up.
    const isOverItsOwn = source.series.size >= this.#maxSeriesPerSource;
    if (!isOverItsOwn && this.#series >= this.#maxSeries) this.#giveUpGone();
    if (isOverItsOwn || this.#series >= this.#maxSeries) {
      this.#refuse(source.id, delta);
      return undefined;
    }
    return this.#add(source, delta);
  }

  /**
   * Room for proxies that live: the one that has been gone longest is given up, and with it everything before its end, since sums over that time would
   * be too small. So the order is that of what it costs windows: first the histories of workloads, which end more than a quarter of an hour ago, where
   * nobody asks by seconds; then pods of the last quarter of an hour; never one that lives, whose newest series are what is judged and looked at. To refuse
   * those for the sake of old hours would hide a version that has just come.
   */
  #giveUpGone(): void {
    const gone = [...this.#sources.values()].flatMap((source) =>
      source.endedSecond === undefined ? [] : [{ source, endedSecond: source.endedSecond }],
    );
    const [longest] = gone.toSorted((a, b) => a.endedSecond - b.endedSecond);
    if (longest === undefined) return;
    const { source, endedSecond } = longest;
    for (const series of source.series.values()) series.drop();
    this.#series -= source.series.size;
    this.#sources.delete(source.id);
    this.#giveUpBefore(endedSecond + 1, { bySeconds: true });
  }

  #refuse(source: string, { name, labels }: Delta): void {
    const key = JSON.stringify([source, name]);
    const known = this.#refusals.get(key);
    if (known === undefined && this.#refusals.size >= maxRefusals) return;
    this.#refusals.set(key, { source, name, count: (known?.count ?? 0) + 1, example: known?.example ?? labels });
  }

  /**
   * Gives up the oldest ten minutes of history that anybody has; where nothing is left of that, the oldest minute of what is kept second by second. The
   * last two minutes stay whatever they take: they are what is looked at.
   */
  #shorten(newestSecond: number): void {
    if (newestSecond < this.#shortestUntil) return;
    const all = [...this.#sources.values()].flatMap(({ series }) => [...series.values()]);
    const oldestOf = (chunk: (series: Series) => number) =>
      all.reduce((oldest, series) => Math.min(oldest, chunk(series)), Number.POSITIVE_INFINITY);
    const oldest = oldestOf(({ oldestCoarseChunk }) => oldestCoarseChunk);
    if (oldest < chunkOf(newestSecond)) {
      for (const series of all) series.dropCoarseBefore(oldest + 1);
      this.#giveUpBefore((oldest + 1) * slotsPerChunk * coarseSlotSeconds, { bySeconds: false });
      return;
    }
    const minute = oldestOf(({ oldestFineChunk }) => oldestFineChunk);
    const now = Math.floor(newestSecond / slotsPerChunk);
    if (minute >= now - 1) {
      // Nothing is left to give up before the next minute begins.
      this.#shortestUntil = (now + 1) * slotsPerChunk;
      return;
    }
    for (const series of all) series.dropFineBefore(minute + 1);
    this.#giveUpBefore((minute + 1) * slotsPerChunk, { bySeconds: true });
  }

  /** `bySeconds`: what was kept second by second is gone too. */
  #giveUpBefore(second: number, { bySeconds }: { readonly bySeconds: boolean }): void {
    this.#shortenedToSecond = Math.max(this.#shortenedToSecond ?? 0, second);
    if (bySeconds) this.#finestFromSecond = Math.max(this.#finestFromSecond, second);
  }
}

function newSource(id: string, { isMerged }: Pick<Source, "isMerged">): Source {
  return {
    id,
    coverage: new Coverage(coarseSeconds),
    series: new Map(),
    byName: new Map(),
    endedSecond: undefined,
    heir: undefined,
    isMerged,
  };
}

function chunkOf(second: number): number {
  return Math.floor(second / coarseSlotSeconds / slotsPerChunk);
}
