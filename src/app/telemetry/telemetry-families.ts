// The collector's own state as metrics: what it was sent, keeps and refused. Pure.

import type { Family, FamilyType, TextSample } from "../../telemetry/prometheus/family.ts";
import type { StoreReport } from "../../telemetry/samples/sample-store.ts";
import type { TraceCounts } from "../../telemetry/traces/trace-store.ts";

export interface SignalCounts {
  reports: number;
  bytes: number;
  refused: number;
}

export interface TelemetryState {
  readonly report: StoreReport;
  readonly refusedTotals: number;
  readonly signals: Readonly<Record<string, SignalCounts>>;
  readonly openConnections: number;
  readonly refusedConnections: number;
  readonly droppedTrials: number;
  readonly proxiesAtLimit: number;
}

/** Sorted by name. */
export function telemetryFamilies(state: TelemetryState): readonly Family[] {
  const { report, signals } = state;
  const refused = report.refusals.reduce((sum, { count }) => sum + count, 0) + state.refusedTotals;
  const bySignal = (of: (counts: SignalCounts) => number) =>
    Object.entries(signals).map(([signal, counts]) => ({ labels: [["signal", signal]] as const, value: of(counts) }));
  return [
    family(
      "lateen_telemetry_connection_trials_dropped_total",
      "counter",
      "TCP connections that releases judge without what their server's proxy said, or not at all, for want of room.",
      [{ value: state.droppedTrials }],
    ),
    family("lateen_telemetry_connections", "gauge", "TCP connections that are open now, at each end that reports them.", [
      { value: state.openConnections },
    ]),
    family("lateen_telemetry_connections_refused_total", "counter", "Reports of TCP connections beyond the limit of their proxy.", [
      { value: state.refusedConnections },
    ]),
    family(
      "lateen_telemetry_proxies_at_limit",
      "gauge",
      "Proxies that may have dropped series, since they are at the limit of their stats scope.",
      [{ value: state.proxiesAtLimit }],
    ),
    family(
      "lateen_telemetry_report_bytes_total",
      "counter",
      "Bytes of proxies' reports.",
      bySignal(({ bytes }) => bytes),
    ),
    family(
      "lateen_telemetry_reports_refused_total",
      "counter",
      "Proxies' reports that couldn't be read, or were too many.",
      bySignal((counts) => counts.refused),
    ),
    family(
      "lateen_telemetry_reports_total",
      "counter",
      "Proxies' reports.",
      bySignal(({ reports }) => reports),
    ),
    family("lateen_telemetry_sample_bytes", "gauge", "Memory of the samples.", [{ value: report.bytes }]),
    family("lateen_telemetry_series", "gauge", "Series in the samples.", [{ value: report.series }]),
    family("lateen_telemetry_series_expired_total", "counter", "Series that went because nothing was counted for hours.", [
      { value: report.expired },
    ]),
    family("lateen_telemetry_sources", "gauge", "Proxies in the samples, gone ones included.", [{ value: report.sources }]),
    family("lateen_telemetry_values_refused_total", "counter", "Values of series beyond the limits, which weren't kept.", [
      { value: refused },
    ]),
  ];
}

export interface TracesState {
  readonly counts: TraceCounts;
  /** Applications' reports beyond what they may send. */
  readonly refusedReports: number;
}

/** What is kept of traces, and what there was no room for. Sorted by name. */
export function tracesFamilies({ counts, refusedReports }: TracesState): readonly Family[] {
  return [
    family("lateen_traces", "gauge", "Traces that are kept.", [{ value: counts.traces }]),
    family("lateen_traces_application_reports_refused_total", "counter", "Applications' reports of spans beyond what a pod may send.", [
      { value: refusedReports },
    ]),
    family("lateen_traces_bytes", "gauge", "Memory of the traces.", [{ value: counts.bytes }]),
    family("lateen_traces_evicted_total", "counter", "Traces that went to make room.", [{ value: counts.evicted }]),
    family("lateen_traces_spans", "gauge", "Spans of the traces.", [{ value: counts.spans }]),
    family("lateen_traces_spans_dropped_total", "counter", "Spans beyond the limit of their trace or their sender's share.", [
      { value: counts.droppedSpans },
    ]),
  ];
}

interface Value {
  readonly labels?: TextSample["labels"];
  readonly value: number;
}

function family(name: string, type: FamilyType, help: string, values: readonly Value[]): Family {
  return { name, type, help, samples: values.map(({ labels = [], value }) => ({ name, labels, value })) };
}
