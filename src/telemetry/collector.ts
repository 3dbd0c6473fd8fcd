// The parts in a row: a proxy's OTLP bytes → exact counts with Istio's labels → samples for windows, and totals for Prometheus. Pure but for its state:
// whoever receives the bytes knows which proxy they are from and what time it is.

import { BodilessRequests } from "./bodiless-requests.ts";
import { tagsOf } from "./composite-tags.ts";
import { type CounterDelta, type Delta, ExactCounters, type ExactCountersOptions, type Observation } from "./exact-counters.ts";
import { expandTags, type OwnSide, type PeerOptions } from "./expand-tags.ts";
import { parseOtlpMetrics } from "./otlp-metrics.ts";
import { type Labels, seriesKey } from "./point.ts";
import type { Family } from "./prometheus/family.ts";
import { familiesOf } from "./prometheus/merge.ts";
import { labelPairs, type ShownPoint, writePoints } from "./prometheus/write-points.ts";
import type { TextFormat } from "./prometheus/write-text.ts";
import { connectionsFailed, connectionsTried, templateLabel, templateTag, triesTotal, tryDuration } from "./proxy-reports.ts";
import { withRequestCounts } from "./request-counts.ts";
import { SampleStore, type SampleStoreOptions } from "./samples/sample-store.ts";
import { coarseSeconds } from "./samples/series.ts";
import { exportedName, ownLabels, type StandardMetricName, standardMetricOf } from "./standard-metrics.ts";
import { type KeptTotal, Totals } from "./totals.ts";

export interface CollectorOptions extends ExactCountersOptions, SampleStoreOptions, PeerOptions {
  /** Who a proxy is, by its id: the labels of its own side. Undefined while it isn't known, and then they are what it says itself. */
  readonly ownOf?: (source: string) => OwnSide | undefined;
}

export interface Received {
  /** What the proxy's reports said; one, unless the bytes held several senders'. */
  readonly observations: readonly Observation[];
  /** Points that couldn't be used. */
  readonly skipped: number;
  /** When the proxy's process began, by its own clock; undefined when it doesn't say. */
  readonly processStartMs: number | undefined;
  /** How far the proxy's clock is behind the collector's, and how long the report was on its way; undefined when it doesn't say what time it is. */
  readonly clockOffsetMs: number | undefined;
}

/** What is counted elsewhere than in a proxy's counters (connections.ts), labelled with composite tags as those are. */
export interface Counted {
  readonly deltas: readonly CounterDelta[];
  /** Counted at some time before the watching began. */
  readonly before: readonly CounterDelta[];
}

/** Labels of tags already expanded; cleared beyond this many, since peers choose some of them. */
const maxExpanded = 50_000;
/** Of one proxy, between two of its reports; as many series as its counters may have. */
const maxPending = 20_000;

export class Collector {
  readonly store: SampleStore;
  readonly #counters: ExactCounters;
  readonly #bodiless = new BodilessRequests();
  readonly #totals = new Totals();
  /** The part of the totals that logs have made: proxies' own counters are cumulative, these live here only. */
  readonly #logged = new Totals();
  /** By source, then by series: counted, and not yet in the samples. */
  readonly #pending = new Map<string, Map<string, CounterDelta>>();
  readonly #options: Pick<CollectorOptions, "peerOf" | "ownOf">;
  /** By the sender's own side, which the pods of a workload have in common, then by series. */
  readonly #expanded = new Map<string, Map<string, Labels>>();
  #expandedCount = 0;
  /** By source: the workload that its history goes to when it is gone, and who it is isn't known any more. */
  readonly #workloads = new Map<string, string>();

  constructor(options: CollectorOptions) {
    this.store = new SampleStore(options);
    this.#counters = new ExactCounters(options);
    this.#options = options;
  }

  /**
   * Takes one request of a proxy's stat sink. `source` is the proxy's id by the connection it came on, not by what it says of itself.
   *
   * @throws BadInput when the bytes are no OTLP metrics.
   */
  receive(source: string, bytes: Uint8Array, receivedMs: number): Received {
    const requests = parseOtlpMetrics(bytes);
    const observations = requests.map(({ points: all, timeMs, startMs }) => {
      const process = startMs === undefined ? {} : { process: String(startMs), ageMs: timeMs - startMs };
      // What isn't shown isn't remembered either: senders choose names.
      const points = all.filter(({ kind, name }) => kind === "gauge" || standardMetricOf(name) !== undefined);
      const observed = this.#counters.observe({ source, ...process, timeMs, receivedMs, isComplete: true, points });
      const completed = this.#bodiless.complete(source, observed);
      const [deltas, before] = [withRequestCounts(completed.deltas), withRequestCounts(completed.before)];
      const observation = { ...observed, deltas: this.#labelled(source, deltas), before: this.#labelled(source, before) };
      this.#totals.add(source, [...observation.before, ...observation.deltas], receivedMs);
      this.#record(observation);
      return observation;
    });
    const [first] = requests;
    return {
      observations,
      skipped: requests.reduce((sum, { skipped }) => sum + skipped, 0),
      processStartMs: first?.startMs,
      clockOffsetMs: first === undefined || first.timeMs === 0 ? undefined : receivedMs - first.timeMs,
    };
  }

  /** Adds what logs of a proxy say: to the totals at once, to the samples with its next report, which says for which seconds. */
  count(source: string, { deltas, before }: Counted, nowMs: number): void {
    const labelled = this.#labelled(source, deltas);
    const all = [...this.#labelled(source, before), ...labelled];
    this.#totals.add(source, all, nowMs);
    this.#logged.add(source, all, nowMs);
    const pending = this.#pending.get(source) ?? new Map<string, CounterDelta>();
    for (const delta of labelled) {
      if (delta.kind !== "counter") continue;
      const known = pending.get(delta.key);
      if (known === undefined && pending.size >= maxPending) continue;
      pending.set(delta.key, { ...delta, value: delta.value + (known?.value ?? 0) });
    }
    if (pending.size > 0) this.#pending.set(source, pending);
  }

  /** What `count` has added to the totals, for the next process. */
  keptTotals(): Iterable<KeptTotal> {
    return this.#logged.kept();
  }

  /** Goes on where the process before ended. */
  restoreTotals(kept: Iterable<KeptTotal>, nowMs: number): void {
    for (const { source, ...total } of kept) {
      for (const totals of [this.#totals, this.#logged]) totals.add(source, [{ kind: "counter", ...total }], nowMs);
    }
  }

  /** Labels of tags that are no counter's: of connections that are open now. */
  labelsOf(source: string, name: StandardMetricName, tags: Labels): Labels {
    const [labelled] = this.#labelled(source, [{ kind: "counter", key: seriesKey({ name, labels: tags }), name, labels: tags, value: 0 }]);
    return labelled?.labels ?? {};
  }

  #record(observation: Observation): void {
    if (observation.kind === "repeated") return;
    const pending = this.#pending.get(observation.source);
    this.#pending.delete(observation.source);
    this.store.record(pending === undefined ? observation : { ...observation, deltas: [...observation.deltas, ...pending.values()] });
  }

  /** Istio's series for Prometheus: of one proxy, or of all, each with labels of `labelsOf`. */
  families(options: { readonly source?: string; readonly labelsOf?: (source: string) => Labels } = {}): readonly Family[] {
    const sources = options.source === undefined ? this.#totals.sources() : [options.source];
    return familiesOf(this.#totals.points(sources, options.labelsOf), (name) => standardMetricOf(name)?.help);
  }

  /** Istio's series of all proxies as text in pieces, each with labels of `labelsOf`; without OpenMetrics' end. */
  text(format: TextFormat, labelsOf: (source: string) => Labels): Generator<string> {
    const options = { format, helpOf: (name: string) => standardMetricOf(name)?.help, hidden: hiddenLabels };
    return writePoints(shownPoints(this.#totals, labelsOf), options);
  }

  /** The proxy is gone for good; its samples stay for windows of the past. */
  end(source: string): void {
    this.#counters.forget(source);
    this.#bodiless.forget(source);
    this.#totals.forget(source);
    this.#logged.forget(source);
    this.#pending.delete(source);
    this.store.end(source, this.#workloads.get(source));
    this.#workloads.delete(source);
  }

  /** Series of a kind that the proxy shows now; those that it hides for a while included. */
  seriesOf(source: string, kind: "counter" | "histogram"): number {
    return this.#counters.countOf(source, kind);
  }

  /** Values of series beyond the limits of the totals that weren't added. */
  get refusedTotals(): number {
    return this.#totals.refused;
  }

  /** Lets go of what is too old. Call it about once a minute. */
  expire(nowMs: number): void {
    this.store.expire(nowMs);
    for (const totals of [this.#totals, this.#logged]) totals.expire(nowMs - coarseSeconds * 1000);
  }

  /** Only Istio's series, with its labels. */
  #labelled(source: string, deltas: readonly Delta[]): readonly Delta[] {
    if (deltas.length === 0) return deltas;
    const own = this.#options.ownOf?.(source);
    if (own !== undefined) this.#workloads.set(source, own.workload);
    const known = this.#expandedBy(own);
    return deltas.flatMap((delta) => {
      const metric = standardMetricOf(delta.name);
      if (metric === undefined) return [];
      const before = known.get(delta.key);
      const labels: Labels = before ?? {
        ...expandTags(metric, tagsOf(delta.labels), { peerOf: this.#options.peerOf, own }),
        ...templateOf(delta),
      };
      if (before === undefined) {
        known.set(delta.key, labels);
        this.#expandedCount += 1;
      }
      return [{ ...delta, labels }];
    });
  }

  #expandedBy(own: OwnSide | undefined): Map<string, Labels> {
    if (this.#expandedCount >= maxExpanded) {
      this.#expanded.clear();
      this.#expandedCount = 0;
    }
    const key = own === undefined ? "" : `${own.workload} ${own.principal}`;
    const known = this.#expanded.get(key) ?? new Map<string, Labels>();
    this.#expanded.set(key, known);
    return known;
  }
}

const withTemplate: ReadonlySet<string> = new Set([triesTotal, tryDuration, connectionsTried, connectionsFailed]);

/** Envoy prints "-" for endpoints that don't say it. */
function templateOf({ name, labels }: Delta): Labels {
  const template = withTemplate.has(name) && Object.hasOwn(labels, templateTag) ? labels[templateTag] : undefined;
  return template === undefined || template === "" || template === "-" ? {} : { [templateLabel]: template };
}

const hiddenLabels: ReadonlySet<string> = new Set(ownLabels);

function* shownPoints(totals: Totals, labelsOf: (source: string) => Labels): Generator<ShownPoint> {
  const texts = new Map<string, string>();
  for (const { source, point } of totals.entries()) {
    const more = texts.get(source) ?? labelPairs(labelsOf(source));
    texts.set(source, more);
    yield { name: exportedName(point.name, point.labels["mirrored"] ?? ""), point, more };
  }
}
