// How many requests had no body: proxies that join all tags in one record the bytes of those requests only that may have one, since a histogram costs each
// as much as a counter does. There are as many others as durations were recorded more; they are counted here as what they are, values of 0. Deltas → deltas.
// A GET that sends a body and says neither its length nor its type (chunked, or by HTTP/2) is taken for one of them.

import { joinedTag } from "./composite-tags.ts";
import type { Delta, HistogramDelta, Observation } from "./exact-counters.ts";
import { countOf } from "./point.ts";
import type { StandardMetricName } from "./standard-metrics.ts";

const timed: StandardMetricName = "istio_request_duration_milliseconds";
const sized: StandardMetricName = "istio_request_bytes";

type Lists = Pick<Observation, "deltas" | "before">;

/** A series, which is in one of the lists. */
interface Placed {
  readonly list: keyof Lists;
  readonly delta: HistogramDelta;
}

/** What an observation says of the requests of one set of labels. */
interface Requests {
  readonly durations?: Placed;
  readonly bytes?: Placed;
}

/** Of one proxy; as many series as are remembered of it. */
const maxOwed = 20_000;

/**
 * Completes observations, so that there are as many values of bytes as of durations. Envoy reads all histograms of a flush at once and sends them in one
 * message; but bytes may come late all the same: when their series lay hidden, being idle, and reports were lost or nobody watched. Until then their
 * requests were counted as zeros, and none is counted twice.
 */
export class BodilessRequests {
  /** By source, then by series of bytes: how many zeros too many were counted. So many of the next are left out. */
  readonly #owed = new Map<string, Map<string, number>>();

  /** The same with a value of 0 for each request whose bytes weren't recorded; none where a proxy records those of all. */
  complete(source: string, { deltas, before }: Lists): Lists {
    const completed = { deltas: deltas.filter(isNotBytes), before: before.filter(isNotBytes) };
    for (const [key, { durations, bytes }] of requestsOf({ deltas, before })) {
      const counted = isCountedAlready(bytes, durations) ? undefined : bytes;
      const zeros = this.#zerosOf(source, key, valuesOf(durations) - valuesOf(counted));
      const isTogether = durations?.list === counted?.list;
      if (counted !== undefined) completed[counted.list].push(isTogether ? withZeros(counted.delta, zeros) : counted.delta);
      if (durations === undefined || zeros === 0 || (counted !== undefined && isTogether)) continue;
      completed[durations.list].push(withZeros({ ...empty(durations.delta), key, name: sized }, zeros));
    }
    return completed;
  }

  /** The proxy is gone for good. */
  forget(source: string): void {
    this.#owed.delete(source);
  }

  /** How many zeros to add where so many values are missing; fewer than none are missing when bytes came late. */
  #zerosOf(source: string, key: string, missing: number): number {
    const owed = this.#owed.get(source) ?? new Map<string, number>();
    const zeros = missing - (owed.get(key) ?? 0);
    if (zeros >= 0) owed.delete(key);
    else if (owed.has(key) || owed.size < maxOwed) owed.set(key, -zeros);
    if (owed.size > 0) this.#owed.set(source, owed);
    else this.#owed.delete(source);
    return Math.max(0, zeros);
  }
}

/**
 * Bytes of before the watching began that show up after their durations: the series lay hidden, and its requests are among those that were counted as
 * zeros. To add them later would look like a moment's traffic, too.
 */
function isCountedAlready(bytes: Placed | undefined, durations: Placed | undefined): boolean {
  return bytes?.list === "before" && durations?.list !== "before" && valuesOf(bytes) > valuesOf(durations);
}

function valuesOf(placed: Placed | undefined): number {
  return placed === undefined ? 0 : countOf(placed.delta);
}

function requestsOf(lists: Lists): ReadonlyMap<string, Requests> {
  const requests = new Map<string, Requests>();
  for (const list of ["before", "deltas"] as const) {
    for (const delta of lists[list]) {
      if (!isJoinedHistogram(delta)) continue;
      // A series' key begins with its name (point.ts).
      if (delta.name === timed) {
        const key = delta.key.replace(timed, sized);
        requests.set(key, { ...requests.get(key), durations: { list, delta } });
      } else if (delta.name === sized) requests.set(delta.key, { ...requests.get(delta.key), bytes: { list, delta } });
    }
  }
  return requests;
}

function isNotBytes(delta: Delta): boolean {
  return delta.name !== sized || !isJoinedHistogram(delta);
}

/** A proxy whose tags come apart records all bytes itself. */
function isJoinedHistogram(delta: Delta): delta is HistogramDelta {
  return delta.kind === "histogram" && Object.hasOwn(delta.labels, joinedTag);
}

/** All histograms of a proxy have the same bounds. */
function empty(delta: HistogramDelta): HistogramDelta {
  return { ...delta, counts: delta.counts.map(() => 0), sum: 0 };
}

/** As Envoy records them: in the first bucket that 0 isn't beyond, and nothing to the sum. */
function withZeros(delta: HistogramDelta, zeros: number): HistogramDelta {
  const first = delta.bounds.findIndex((bound) => bound >= 0);
  const bucket = first === -1 ? delta.counts.length - 1 : first;
  return { ...delta, counts: delta.counts.map((count, index) => (index === bucket ? count + zeros : count)) };
}
