// What the limits of telemetry have cost, as findings: whoever reads numbers must know where they are too small. Pure.

import { codes } from "../../api/codes.ts";
import type { Diagnostic } from "../../api/diagnostic.ts";
import type { Collector } from "../../telemetry/collector.ts";
import type { WorkloadDirectory } from "./workload-directory.ts";

/** So many series one proxy may have. */
export interface StatsLimits {
  readonly counters: number;
  readonly histograms: number;
}

export interface TelemetryLimits {
  readonly collector: Collector;
  readonly directory: WorkloadDirectory;
  readonly statsLimits: StatsLimits;
  readonly refused: ReadonlyMap<string, { readonly atMs: number; readonly reason: string }>;
  readonly refusedConnections: number;
  readonly droppedTrials: number;
  readonly nowMs: number;
}

/** A report that was refused longer ago is no longer news. */
const newsMs = 10 * 60_000;

/** Sorted by code, then by pod. */
export function telemetryFindings(limits: TelemetryLimits): readonly Diagnostic[] {
  return [...proxiesAtLimit(limits), ...refusedSeries(limits), ...shortHistory(limits), ...refusedReports(limits)];
}

function proxiesAtLimit({ collector, directory, statsLimits }: TelemetryLimits): readonly Diagnostic[] {
  return [...directory.ids()].toSorted().flatMap((id) => {
    const counters = collector.seriesOf(id, "counter");
    const histograms = collector.seriesOf(id, "histogram");
    if (counters < statsLimits.counters && histograms < statsLimits.histograms) return [];
    const [count, limit, what] =
      counters >= statsLimits.counters ? [counters, statsLimits.counters, "counters"] : [histograms, statsLimits.histograms, "histograms"];
    return [
      finding("LTN0904", podName(id), `its proxy has ${count} ${what}, the limit is ${limit}: new series of requests are not counted`),
    ];
  });
}

function refusedSeries({ collector, directory, refusedConnections, droppedTrials }: TelemetryLimits): readonly Diagnostic[] {
  const living = new Set(directory.ids());
  const byProxy = Map.groupBy(
    collector.store.report().refusals.filter(({ source }) => living.has(source)),
    ({ source }) => source,
  );
  const series = [...byProxy]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, refusals]) => {
      const names = refusals.map(({ name }) => name).toSorted();
      return finding("LTN0905", podName(id), `samples of ${names.join(", ")} are not kept: there are too many series`);
    });
  const uncounted = finding("LTN0905", "", "some TCP connections are not counted yet: a proxy has more than are followed at once");
  const unjudged = finding(
    "LTN0905",
    "",
    "releases don't judge some TCP connections: more end at once without an answer than are kept until both proxies have spoken",
  );
  return [...series, ...(refusedConnections === 0 ? [] : [uncounted]), ...(droppedTrials === 0 ? [] : [unjudged])];
}

function shortHistory({ collector }: TelemetryLimits): readonly Diagnostic[] {
  const second = collector.store.shortenedToSecond;
  if (second === undefined) return [];
  return [finding("LTN0906", "", `samples before ${new Date(second * 1000).toISOString()} were given up for want of room`)];
}

function refusedReports({ refused, nowMs }: TelemetryLimits): readonly Diagnostic[] {
  return [...refused]
    .filter(([, { atMs }]) => nowMs - atMs < newsMs)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { reason }]) => finding("LTN0907", podName(id), `a report of its proxy was refused: ${reason}`));
}

function finding(code: "LTN0904" | "LTN0905" | "LTN0906" | "LTN0907", resource: string, message: string): Diagnostic {
  const { severity, fix } = codes[code];
  return { code, severity, resource, path: "", message, fix };
}

/** "Pod shop/web-1" of "web-1.shop": namespaces have no dot. */
function podName(proxyId: string): string {
  const cut = proxyId.lastIndexOf(".");
  return `Pod ${proxyId.slice(cut + 1)}/${proxyId.slice(0, cut)}`;
}
