// Cumulative values of proxies → what was counted between two reports, exactly: never less than 0, nothing twice. Proxies restart, drop idle series,
// and reports come twice, late or not at all. State per proxy and series; pure otherwise: times come with the reports.

import type { Distribution, GaugePoint, HistogramPoint, Point, SeriesName } from "./point.ts";
import { seriesKey } from "./point.ts";

/** All values of one proxy at one moment, or a part of them. */
export interface Report {
  /** Id of the proxy. */
  readonly source: string;
  /** Names the process, for instance by its start time: another one counts from 0. Without it a restart is seen only where a value became smaller. */
  readonly process?: string;
  /** How long the process had lived; with it the first report of a young one is counted. */
  readonly ageMs?: number;
  /** When the values were read, by the proxy's clock; parts of one reading bear the same. */
  readonly timeMs: number;
  /** When it came, by the collector's clock: samples lie there, since proxies' clocks jump. This one mustn't: take the start's time plus a monotonic clock. */
  readonly receivedMs: number;
  /** It has all series that the proxy shows: one that is missing is idle, and may be dropped. */
  readonly isComplete: boolean;
  readonly points: readonly Point[];
}

export interface CounterDelta extends SeriesName {
  readonly kind: "counter";
  readonly key: string;
  readonly value: number;
}

export interface HistogramDelta extends SeriesName, Distribution {
  readonly kind: "histogram";
  readonly key: string;
}

export type Delta = CounterDelta | HistogramDelta;

/**
 * What a report says. first: nothing was known of the proxy; baseline: it had counted before anybody watched, so that its values only begin the counting;
 * restarted: another process than before, what the old one counted after its last report is lost; repeated: nothing new.
 */
export type ObservationKind = "first" | "baseline" | "next" | "restarted" | "repeated";

export interface Observation {
  readonly kind: ObservationKind;
  readonly source: string;
  /** The deltas were counted after fromMs and until toMs, by the collector's clock; equal when nothing was counted. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Only what changed. */
  readonly deltas: readonly Delta[];
  /** Of a baseline, and of series that were hidden then: what had been counted before, whenever that was. */
  readonly before: readonly Delta[];
  readonly gauges: readonly GaugePoint[];
  /** Series beyond the limit: not counted. */
  readonly refused: number;
}

export interface ExactCountersOptions {
  /** When the watching began, by the collector's clock: what older processes counted before isn't known to lie in time. */
  readonly sinceMs: number;
  /** Of one proxy; 20,000 unless given: Envoy's stats scopes are limited to a quarter of that. */
  readonly maxSeriesPerSource?: number;
  /**
   * `stats_eviction_interval` of the proxies; undefined when they drop nothing. At each interval Envoy hides what is idle from its reports, and at
   * the next one it drops what still is (seen, 1.40): a series that comes back within an interval goes on, a later one counts from 0.
   */
  readonly evictionMs?: number;
  /** `stats_flush_interval`, by which an interval is told from the next; 1 s unless given. */
  readonly flushMs?: number;
  /** Older reports that come within this time are late ones; a clock that jumped back further is believed. 10 s unless given. */
  readonly reorderMs?: number;
}

interface Known {
  readonly timeMs: number;
  readonly value: number | Distribution;
}

interface Source {
  process: string | undefined;
  /** Of the process before: its late reports mean nothing. */
  deadProcess: string | undefined;
  timeMs: number;
  fromMs: number;
  receivedMs: number;
  isBaseline: boolean;
  /** When a report came after others were lost: whether a series was dropped meanwhile nobody can tell. */
  gapMs: number;
  /** Time of the baseline, by the proxy's clock; undefined when it was watched from the beginning. */
  readonly baselineMs: number | undefined;
  series: Map<string, Known>;
}

/** Enough for reports that are on their way when their proxy ends. */
const maxEnded = 10_000;

/** The counting of all proxies. */
export class ExactCounters {
  readonly #sinceMs: number;
  readonly #maxSeries: number;
  readonly #reorderMs: number;
  readonly #evictionMs: number;
  readonly #flushMs: number;
  readonly #sources = new Map<string, Source>();
  /** Processes that ended, by proxy: a report of theirs that was still on its way would count everything again. */
  readonly #ended = new Map<string, string | undefined>();

  constructor({
    sinceMs,
    maxSeriesPerSource = 20_000,
    reorderMs = 10_000,
    evictionMs = Number.POSITIVE_INFINITY,
    flushMs = 1000,
  }: ExactCountersOptions) {
    this.#sinceMs = sinceMs;
    this.#maxSeries = maxSeriesPerSource;
    this.#reorderMs = reorderMs;
    this.#evictionMs = evictionMs;
    this.#flushMs = flushMs;
  }

  observe(report: Report): Observation {
    const known = this.#sources.get(report.source);
    const kind = this.#kindOf(report, known);
    if (kind === "repeated") return observationOf(report, kind, known);
    const source = kind === "next" && known !== undefined ? known : this.#begin(report, kind, known);
    // A report without counters doesn't name its process.
    source.process ??= report.process;
    if (source.timeMs !== report.timeMs) {
      if (Math.abs(report.timeMs - source.timeMs) > 1.5 * this.#flushMs) source.gapMs = report.timeMs;
      source.fromMs = source.receivedMs;
      source.receivedMs = Math.max(source.receivedMs, report.receivedMs);
      source.timeMs = report.timeMs;
      source.isBaseline = false;
    }
    return { ...observationOf(report, kind, source), ...this.#count(source, report) };
  }

  /** The proxy is gone for good; what still comes of its last process means nothing. */
  forget(source: string): void {
    const known = this.#sources.get(source);
    if (known === undefined) return;
    this.#sources.delete(source);
    this.#ended.delete(source);
    this.#ended.set(source, known.process);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > maxEnded && oldest !== undefined) this.#ended.delete(oldest);
  }

  /** How many series of a kind a proxy has now. */
  countOf(source: string, kind: "counter" | "histogram"): number {
    let count = 0;
    for (const { value } of this.#sources.get(source)?.series.values() ?? []) {
      if ((typeof value === "number") === (kind === "counter")) count += 1;
    }
    return count;
  }

  /** How many series are remembered. */
  get seriesCount(): number {
    return [...this.#sources.values()].reduce((sum, { series }) => sum + series.size, 0);
  }

  #kindOf(report: Report, known: Source | undefined): ObservationKind {
    const { process, ageMs, timeMs, receivedMs, points } = report;
    if (known === undefined && this.#ended.has(report.source) && this.#ended.get(report.source) === process) return "repeated";
    if (known === undefined) return ageMs !== undefined && receivedMs - ageMs >= this.#sinceMs ? "first" : "baseline";
    if (process !== undefined && process === known.deadProcess) return "repeated";
    if (process !== undefined && known.process !== undefined && process !== known.process) return "restarted";
    if (timeMs < known.timeMs && known.timeMs - timeMs <= this.#reorderMs) return "repeated";
    const isSame =
      timeMs === known.timeMs && points.every((point) => point.kind === "gauge" || known.series.get(seriesKey(point))?.timeMs === timeMs);
    return isSame && points.length > 0 ? "repeated" : "next";
  }

  #begin({ source, process, ageMs, timeMs, receivedMs }: Report, kind: ObservationKind, known: Source | undefined): Source {
    const isBaseline = kind === "baseline";
    const startedMs = isBaseline ? receivedMs : receivedMs - (ageMs ?? 0);
    const fresh: Source = {
      process,
      deadProcess: known?.process,
      timeMs,
      fromMs: Math.max(startedMs, known?.receivedMs ?? startedMs),
      receivedMs,
      isBaseline,
      gapMs: 0,
      baselineMs: isBaseline ? timeMs : undefined,
      series: new Map(),
    };
    this.#sources.set(source, fresh);
    return fresh;
  }

  /**
   * Whether a series that shows up for the first time may be one that was hidden when the watching began: then it shows all it ever counted. What was hidden
   * at an interval of the process is dropped at the next one, when it stays idle; a process younger than an interval hides nothing.
   */
  #isDoubtful({ baselineMs }: Source, { timeMs, ageMs, receivedMs }: Report): boolean {
    if (baselineMs === undefined || !Number.isFinite(this.#evictionMs)) return false;
    if (ageMs === undefined) return timeMs < baselineMs + 2 * this.#evictionMs;
    // It began while somebody watched, and only its first report didn't say so.
    if (receivedMs - ageMs >= this.#sinceMs) return false;
    const intervals = Math.floor((baselineMs - (timeMs - ageMs) + this.#flushMs) / this.#evictionMs);
    return intervals > 0 && ageMs < (intervals + 1) * this.#evictionMs + 5 * this.#flushMs;
  }

  #count(source: Source, report: Report): Pick<Observation, "deltas" | "before" | "refused"> {
    const { points, timeMs, isComplete } = report;
    const isDoubtful = this.#isDoubtful(source, report);
    const deltas: Delta[] = [];
    const before: Delta[] = [];
    let refused = 0;
    for (const point of points) {
      if (point.kind === "gauge") continue;
      const key = seriesKey(point);
      const remembered = source.series.get(key);
      if (remembered?.timeMs === timeMs) continue;
      const last = remembered === undefined || this.#isDropped(source, remembered) ? undefined : remembered;
      if (remembered === undefined && source.series.size >= this.#maxSeries) {
        refused += 1;
        continue;
      }
      source.series.set(key, { timeMs, value: point.kind === "counter" ? point.value : distributionOf(point) });
      const delta = deltaOf(key, point, last?.value);
      if (delta === undefined) continue;
      const isOld = source.isBaseline || (isDoubtful && remembered === undefined);
      (isOld ? before : deltas).push(delta);
    }
    if (isComplete) {
      for (const [key, known] of source.series) {
        if (this.#isDropped(source, known)) source.series.delete(key);
      }
    }
    return { deltas, before, refused };
  }

  /** It was missing from all reports for longer than the proxy keeps what it hides; where reports were lost that time begins anew. */
  #isDropped({ timeMs, gapMs }: Source, known: Known): boolean {
    return timeMs - Math.max(known.timeMs, gapMs) > this.#evictionMs + this.#flushMs / 2;
  }
}

function observationOf(report: Report, kind: ObservationKind, source: Source | undefined): Observation {
  const toMs = source?.receivedMs ?? report.receivedMs;
  const isNothing = kind === "repeated" || kind === "baseline";
  return {
    kind,
    source: report.source,
    fromMs: isNothing ? toMs : (source?.fromMs ?? toMs),
    toMs,
    deltas: [],
    before: [],
    gauges: kind === "repeated" ? [] : report.points.filter((point) => point.kind === "gauge"),
    refused: 0,
  };
}

function deltaOf(key: string, point: Exclude<Point, GaugePoint>, last: Known["value"] | undefined): Delta | undefined {
  const { name, labels } = point;
  if (point.kind === "counter") {
    const before = typeof last === "number" && last <= point.value ? last : 0;
    return point.value === before ? undefined : { kind: "counter", key, name, labels, value: point.value - before };
  }
  const before = typeof last === "object" && isContinued(last, point) ? last : undefined;
  const counts = point.counts.map((count, index) => count - (before?.counts[index] ?? 0));
  if (counts.every((count) => count === 0)) return undefined;
  // Envoy estimates a histogram's sum from its bins: it may become a little smaller.
  const sum = Math.max(0, point.sum - (before?.sum ?? 0));
  return { kind: "histogram", key, name, labels, bounds: point.bounds, counts, sum };
}

/** The same buckets, and none of them smaller: otherwise it began anew. */
function isContinued(last: Distribution, { bounds, counts }: HistogramPoint): boolean {
  const isSame = last.bounds.length === bounds.length && last.bounds.every((bound, index) => bound === bounds[index]);
  return isSame && last.counts.every((count, index) => count <= (counts[index] ?? 0));
}

function distributionOf({ bounds, counts, sum }: HistogramPoint): Distribution {
  return { bounds, counts, sum };
}
