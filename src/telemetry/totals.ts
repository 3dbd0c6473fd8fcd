// Deltas → totals that only grow, per proxy, for Prometheus: a proxy that restarts or drops an idle series resets nothing that a dashboard sees.

import type { Delta } from "./exact-counters.ts";
import type { Labels, Point, SeriesName } from "./point.ts";
import { exportedName, ownLabels } from "./standard-metrics.ts";

interface Total {
  point: Point;
  lastMs: number;
}

export interface KeptTotal extends SeriesName {
  readonly source: string;
  readonly key: string;
  readonly value: number;
}

export class Totals {
  readonly #sources = new Map<string, Map<string, Total>>();
  readonly #maxPerSource: number;
  #refused = 0;

  /** @param maxPerSource - Series of one proxy, dropped ones within the last hours included. */
  constructor(maxPerSource = 20_000) {
    this.#maxPerSource = maxPerSource;
  }

  /** Times that a value of a series beyond the limit was refused. */
  get refused(): number {
    return this.#refused;
  }

  /** Adds what a proxy counted; labels as the store has them. */
  add(source: string, deltas: readonly Delta[], nowMs: number): void {
    if (deltas.length === 0) return;
    const totals = this.#sources.get(source) ?? new Map<string, Total>();
    this.#sources.set(source, totals);
    for (const delta of deltas) {
      const known = totals.get(delta.key)?.point;
      if (known === undefined && totals.size >= this.#maxPerSource) {
        this.#refused += 1;
        continue;
      }
      totals.set(delta.key, { point: sumOf(known, delta), lastMs: nowMs });
    }
  }

  /**
   * All totals of some proxies as Prometheus sees them: without our own labels, copies of requests under their own names. `labelsOf` adds labels that tell
   * proxies apart (pod, namespace), without which equal series of several proxies are meant to be added up.
   */
  *points(sources: Iterable<string>, labelsOf: (source: string) => Labels = () => ({})): Generator<Point> {
    for (const source of sources) {
      const more = labelsOf(source);
      for (const { point } of this.#sources.get(source)?.values() ?? []) {
        const labels: Record<string, string> = { ...point.labels, ...more };
        const name = exportedName(point.name, labels["mirrored"] ?? "");
        for (const label of ownLabels) delete labels[label];
        yield { ...point, name, labels };
      }
    }
  }

  /** The same for quick writing: the points as they are, their labels the very objects that were added. */
  *entries(): Generator<{ readonly source: string; readonly point: Point }> {
    for (const [source, totals] of this.#sources) for (const { point } of totals.values()) yield { source, point };
  }

  /** Counters as they were added. */
  *kept(): Generator<KeptTotal> {
    for (const [source, totals] of this.#sources) {
      for (const [key, { point }] of totals) {
        if (point.kind !== "counter") continue;
        const { name, labels, value } = point;
        yield { source, key, name, labels, value };
      }
    }
  }

  sources(): Iterable<string> {
    return this.#sources.keys();
  }

  /** Removes series that nothing was added to since `beforeMs`. */
  expire(beforeMs: number): void {
    for (const totals of this.#sources.values()) {
      for (const [key, { lastMs }] of totals) if (lastMs < beforeMs) totals.delete(key);
    }
  }

  /** The proxy is gone: Prometheus marks its series as stale. */
  forget(source: string): void {
    this.#sources.delete(source);
  }
}

function sumOf(known: Point | undefined, { name, labels, ...delta }: Delta): Point {
  if (delta.kind === "counter") {
    return { kind: "counter", name, labels, value: delta.value + (known?.kind === "counter" ? known.value : 0) };
  }
  const { bounds, counts, sum } = delta;
  const isSame =
    known?.kind === "histogram" && known.bounds.length === bounds.length && known.bounds.every((bound, index) => bound === bounds[index]);
  if (!isSame) return { kind: "histogram", name, labels, bounds, counts, sum };
  return {
    kind: "histogram",
    name,
    labels,
    bounds,
    counts: counts.map((count, index) => count + (known.counts[index] ?? 0)),
    sum: sum + known.sum,
  };
}
