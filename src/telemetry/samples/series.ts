// One series of one proxy in the store: its values per second for a quarter of an hour, per ten seconds for six hours.

import type { Delta } from "../exact-counters.ts";
import type { Distribution, Labels } from "../point.ts";
import { Column, slotsPerChunk } from "./column.ts";
import type { Memory, Precision } from "./memory.ts";

/** Seconds that are kept one by one. */
export const fineSeconds = 15 * 60;
/** Seconds of a coarse slot, and how many seconds are kept so. */
export const coarseSlotSeconds = 10;
export const coarseSeconds = 6 * 60 * 60;

export type Resolution = "fine" | "coarse";

const chunks: Readonly<Record<Resolution, number>> = {
  fine: fineSeconds / slotsPerChunk + 1,
  coarse: coarseSeconds / (coarseSlotSeconds * slotsPerChunk) + 1,
};

/** A number per slot at both resolutions. */
class Values {
  readonly fine: Column;
  readonly coarse: Column;

  constructor(precision: Precision, memory: Memory) {
    this.fine = new Column({ chunks: chunks.fine, precision }, memory);
    this.coarse = new Column({ chunks: chunks.coarse, precision }, memory);
  }

  add(second: number, value: number): void {
    this.fine.add(second, value);
    this.coarse.add(Math.floor(second / coarseSlotSeconds), value);
  }

  addCoarse(other: Values): void {
    this.coarse.addAll(other.coarse);
  }
}

/** How to add up one column. */
export type SumOf = (column: Column) => number;

export class Series {
  readonly key: string;
  readonly name: string;
  readonly labels: Labels;
  readonly #memory: Memory;
  /** A counter's values, or a histogram's sums. */
  readonly #total: Values;
  #bounds: readonly number[] = [];
  /** Only those that were ever hit. */
  #buckets: (Values | undefined)[] = [];
  #lastSecond = 0;

  constructor({ key, name, labels }: Pick<Delta, "key" | "name" | "labels">, memory: Memory) {
    this.key = key;
    this.name = name;
    this.labels = labels;
    this.#memory = memory;
    this.#total = new Values("float64", memory);
  }

  /** The last second in which anything was counted. */
  get lastSecond(): number {
    return this.#lastSecond;
  }

  get isHistogram(): boolean {
    return this.#buckets.length > 0;
  }

  add(second: number, delta: Delta): void {
    this.#lastSecond = Math.max(this.#lastSecond, second);
    if (delta.kind === "counter") {
      this.#total.add(second, delta.value);
      return;
    }
    if (!isSame(this.#bounds, delta.bounds) || this.#buckets.length === 0) {
      // Another configuration's buckets can't be added to these: the history begins anew.
      this.drop();
      this.#bounds = delta.bounds;
      this.#buckets = delta.counts.map(() => undefined);
    }
    this.#total.add(second, delta.sum);
    for (const [index, count] of delta.counts.entries()) if (count !== 0) this.#bucket(index).add(second, count);
  }

  /** Adds the coarse history of another series of the same metric; what has other buckets than this one has is left out. */
  addHistoryOf(other: Series): void {
    if (this.#buckets.length === 0) {
      this.#bounds = other.#bounds;
      this.#buckets = other.#buckets.map(() => undefined);
    }
    if (!isSame(this.#bounds, other.#bounds)) return;
    this.#lastSecond = Math.max(this.#lastSecond, other.#lastSecond);
    this.#total.addCoarse(other.#total);
    for (const [index, bucket] of other.#buckets.entries()) if (bucket !== undefined) this.#bucket(index).addCoarse(bucket);
  }

  /** A counter's sum, or the sum of a histogram's values. */
  total(resolution: Resolution, sumOf: SumOf): number {
    return sumOf(this.#total[resolution]);
  }

  /** Undefined for counters. */
  distribution(resolution: Resolution, sumOf: SumOf): Distribution | undefined {
    if (!this.isHistogram) return undefined;
    return {
      bounds: this.#bounds,
      counts: this.#buckets.map((bucket) => (bucket === undefined ? 0 : sumOf(bucket[resolution]))),
      sum: sumOf(this.#total[resolution]),
    };
  }

  /** Number of the oldest coarse chunk that takes memory. */
  get oldestCoarseChunk(): number {
    return this.#all().reduce((oldest, { coarse }) => Math.min(oldest, coarse.oldestChunk), Number.POSITIVE_INFINITY);
  }

  /** Number of the oldest minute that takes memory. */
  get oldestFineChunk(): number {
    return this.#all().reduce((oldest, { fine }) => Math.min(oldest, fine.oldestChunk), Number.POSITIVE_INFINITY);
  }

  dropFineBefore(chunk: number): void {
    for (const values of this.#all()) values.fine.dropBefore(chunk);
  }

  dropCoarseBefore(chunk: number): void {
    for (const values of this.#all()) values.coarse.dropBefore(chunk);
  }

  /** Gives back all memory. */
  drop(): void {
    this.dropCoarseBefore(Number.POSITIVE_INFINITY);
    this.dropFineBefore(Number.POSITIVE_INFINITY);
  }

  #bucket(index: number): Values {
    const known = this.#buckets[index] ?? new Values("float32", this.#memory);
    this.#buckets[index] = known;
    return known;
  }

  #all(): readonly Values[] {
    return [this.#total, ...this.#buckets.filter((bucket) => bucket !== undefined)];
  }
}

function isSame(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((bound, index) => bound === other[index]);
}
