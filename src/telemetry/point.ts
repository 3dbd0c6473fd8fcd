// What a proxy says about one series at one moment: cumulative values since the series began. Types, and the key of a series.

export type Labels = Readonly<Record<string, string>>;

export interface SeriesName {
  readonly name: string;
  readonly labels: Labels;
}

export interface CounterPoint extends SeriesName {
  readonly kind: "counter";
  readonly value: number;
}

export interface GaugePoint extends SeriesName {
  readonly kind: "gauge";
  readonly value: number;
}

/** `counts[i]` values were at most `bounds[i]` and more than the bound before; the last count is what is beyond all bounds. */
export interface Distribution {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface HistogramPoint extends SeriesName, Distribution {
  readonly kind: "histogram";
}

export type Point = CounterPoint | GaugePoint | HistogramPoint;

/** Equal for equal names and labels, whatever the labels' order; labels that are "" count as missing, as for Prometheus. */
export function seriesKey({ name, labels }: SeriesName): string {
  const pairs = Object.keys(labels)
    .filter((label) => labels[label] !== "")
    .sort()
    .flatMap((label) => [label, labels[label]]);
  return JSON.stringify([name, ...pairs]);
}

/** How many values a distribution counts. */
export function countOf({ counts }: Pick<Distribution, "counts">): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
