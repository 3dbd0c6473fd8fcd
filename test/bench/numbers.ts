// Medians and spreads of measured values. Pure.

export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly p99: number;
  /** Half of the values lie this close together: the distance between the quartiles. */
  readonly quartileDistance: number;
}

/** The value that `percent` % of the values do not exceed (nearest rank); NaN without values. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Everything one wants to know of a list of measurements, with `digits` decimals. */
export function summaryOf(values: readonly number[], digits = 2): Summary {
  const round = (value: number) => rounded(value, digits);
  return {
    count: values.length,
    median: round(median(values)),
    min: round(percentile(values, 0)),
    max: round(percentile(values, 100)),
    p99: round(percentile(values, 99)),
    quartileDistance: round(percentile(values, 75) - percentile(values, 25)),
  };
}

export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}
