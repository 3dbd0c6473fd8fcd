// What is counted of connections in one go → one difference per series.

import type { CounterDelta } from "./exact-counters.ts";
import { type Labels, seriesKey } from "./point.ts";
import type { connectionsFailed, connectionsTried } from "./proxy-reports.ts";
import type { StandardMetricName } from "./standard-metrics.ts";

/** A name that connections as trials are counted under. */
export type TrialMetric = typeof connectionsTried | typeof connectionsFailed;

/** Sums by series. */
export class ConnectionSums {
  readonly #byKey = new Map<string, CounterDelta>();

  add(name: StandardMetricName | TrialMetric, labels: Labels, value: number): void {
    if (value === 0) return;
    const key = seriesKey({ name, labels });
    this.#byKey.set(key, { kind: "counter", key, name, labels, value: value + (this.#byKey.get(key)?.value ?? 0) });
  }

  /** One per series that has grown, in the order of their first addition. */
  list(): readonly CounterDelta[] {
    return [...this.#byKey.values()];
  }
}
