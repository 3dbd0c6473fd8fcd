// Everything that proxies report, sorted to where it is kept: metrics to the collector, logs to whoever counts or watches connections, spans to the traces.
// In: OTLP bytes with the sender's identity. Out: what the API, the graph and the releases read.

import type { Diagnostic } from "../../api/diagnostic.ts";
import { MeshError, Unavailable } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Mesh } from "../../model/mesh.ts";
import { Collector, type Counted } from "../../telemetry/collector.ts";
import { connectionLogName } from "../../telemetry/connection-log.ts";
import { Connections, connectionRecordOf } from "../../telemetry/connections.ts";
import { messageCountsOf, messageLogName } from "../../telemetry/message-log.ts";
import { type OtlpLogRecord, parseOtlpLogs } from "../../telemetry/otlp-logs.ts";
import type { Labels } from "../../telemetry/point.ts";
import type { Family } from "../../telemetry/prometheus/family.ts";
import { maxCountersOfProxy, maxHistogramsOfProxy, reportFlushMs, statsEvictionMs } from "../../telemetry/proxy-reports.ts";
import type { SampleStoreOptions } from "../../telemetry/samples/sample-store.ts";
import type { ExportSignal } from "../../xds/proxy-exports.ts";
import { KeptConnections } from "./kept-connections.ts";
import { ReportLimits } from "./report-limits.ts";
import { type SignalCounts, telemetryFamilies } from "./telemetry-families.ts";
import { type StatsLimits, telemetryFindings } from "./telemetry-findings.ts";
import { WorkloadDirectory } from "./workload-directory.ts";

export interface MeshTelemetryOptions {
  /** The newest mesh: who a proxy is, and who its peers are. */
  readonly mesh: () => Pick<Mesh, "proxies" | "settings"> | undefined;
  readonly logger: Logger;
  /** Of the proxies' stats scope, which drops what is beyond without a word; what proxies are configured with unless given. */
  readonly statsLimits?: StatsLimits;
  /** Other limits of samples than the usual ones. */
  readonly samples?: Pick<SampleStoreOptions, "maxSeries" | "maxBytes">;
  /** File in which open connections outlive the process; they don't without one. */
  readonly keptPath?: string;
  /** Milliseconds since the Unix epoch that never jump; the start's time and a monotonic clock unless given. */
  readonly nowMs?: () => number;
}

/** Takes the records of one log of one proxy. */
export type TakeLog = (proxyId: string, records: readonly OtlpLogRecord[], nowMs: number) => void;
/** Takes a proxy's spans, an ExportTraceServiceRequest. @throws BadInput when the bytes are none. */
export type TakeTraces = (proxyId: string, bytes: Uint8Array, nowMs: number) => void;

/** Looks for proxies that are gone. */
const sweepMs = 2000;
const expireMs = 60_000;
/** A kill of the process loses at most so much of connections that end meanwhile. */
const keepMs = 1000;

export class MeshTelemetry {
  readonly collector: Collector;
  readonly directory: WorkloadDirectory;
  readonly connections: Connections;
  /** When the collecting began. */
  readonly sinceMs: number;
  readonly #startMs = Date.now() - performance.now();
  readonly #options: MeshTelemetryOptions;
  readonly #limits = new ReportLimits();
  readonly #logs = new Map<string, TakeLog>();
  readonly #clockOffsets = new Map<string, number>();
  readonly #reportedMs = new Map<string, number>();
  readonly #counts: Record<ExportSignal, SignalCounts> = { metrics: counts(), logs: counts(), traces: counts() };
  /** Proxies whose reports were refused, with the last reason. */
  readonly #refused = new Map<string, { readonly atMs: number; readonly reason: string }>();
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #kept: KeptConnections | undefined;
  /** Proxies of the process before, until the mesh says which are still there. */
  #restored: readonly string[];
  #takeTraces: TakeTraces | undefined;
  #tracesFamilies: () => readonly Family[] = () => [];
  #refusedConnections = 0;

  constructor(options: MeshTelemetryOptions) {
    this.#options = options;
    this.directory = new WorkloadDirectory({ mesh: options.mesh });
    this.sinceMs = this.nowMs();
    const { sinceMs } = this;
    this.collector = new Collector({
      ...options.samples,
      sinceMs,
      peerOf: (sans) => this.directory.peerOf(sans),
      ownOf: (source) => this.directory.ownOf(source),
      evictionMs: statsEvictionMs,
      flushMs: reportFlushMs,
    });
    this.connections = new Connections({ sinceMs, addressOf: (source) => this.directory.proxyOf(source)?.address });
    this.#kept = options.keptPath === undefined ? undefined : new KeptConnections(options.keptPath, options.logger);
    this.#restored = this.#kept?.restore(this, sinceMs) ?? [];
    this.onLog(connectionLogName, (proxyId, records, nowMs) => this.#takeConnections(proxyId, records, nowMs));
    this.onLog(messageLogName, (proxyId, records, nowMs) => this.#count(proxyId, { deltas: messageCountsOf(records), before: [] }, nowMs));
    this.#timers = [
      setInterval(() => this.#sweep(), sweepMs),
      setInterval(() => this.collector.expire(this.nowMs()), expireMs),
      setInterval(() => this.#kept?.save(this), keepMs),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  /** Milliseconds since the Unix epoch that never jump: the start's time and a monotonic clock. */
  nowMs(): number {
    return this.#options.nowMs?.() ?? this.#startMs + performance.now();
  }

  /** Gives the records of a log, by the name its loggers bear, to whoever reads it. */
  onLog(name: string, take: TakeLog): void {
    this.#logs.set(name, take);
  }

  /** Gives spans to whoever keeps them. */
  onTraces(take: TakeTraces): void {
    this.#takeTraces = take;
  }

  /** Shows what the traces count of themselves beside the collector's own metrics. */
  showTraces(families: () => readonly Family[]): void {
    this.#tracesFamilies = families;
  }

  /** Takes a proxy's report. @throws MeshError bad_request when the bytes are no OTLP, Unavailable when it sends too much. */
  take(proxyId: string, signal: ExportSignal, bytes: Uint8Array): void {
    const nowMs = this.nowMs();
    const counted = this.#counts[signal];
    counted.reports += 1;
    counted.bytes += bytes.length;
    this.#sweep();
    // Nobody would ever end what is counted for it.
    if (this.#options.mesh() !== undefined && this.directory.proxyOf(proxyId) === undefined) {
      counted.refused += 1;
      throw new Unavailable("the mesh has no such proxy");
    }
    if (!this.#limits.admits(proxyId, bytes.length, nowMs)) {
      this.#refuse(proxyId, signal, "it sends more than a proxy may");
      throw new Unavailable("more than a proxy may send");
    }
    try {
      this.#read(proxyId, { signal, bytes, nowMs });
    } catch (error) {
      const { code, message } = MeshError.from(error);
      this.#refuse(proxyId, signal, message);
      if (code === "invalid") throw new MeshError("bad_request", message, { cause: error });
      this.#options.logger.error("a proxy's report could not be read", { proxy: proxyId, signal, error: message });
      throw error;
    }
  }

  /** What the limits have cost: a proxy's at its stats scope, the collector's own, refused reports. */
  findings(): readonly Diagnostic[] {
    return telemetryFindings({
      collector: this.collector,
      directory: this.directory,
      statsLimits: this.#options.statsLimits ?? { counters: maxCountersOfProxy, histograms: maxHistogramsOfProxy },
      refused: this.#refused,
      refusedConnections: this.#refusedConnections,
      droppedTrials: this.connections.droppedTrials,
      nowMs: this.nowMs(),
    });
  }

  /** The collector's own metrics, for Prometheus. */
  families(): readonly Family[] {
    const atLimit = this.findings().filter(({ code }) => code === "LTN0904").length;
    const own = telemetryFamilies({
      report: this.collector.store.report(),
      refusedTotals: this.collector.refusedTotals,
      signals: this.#counts,
      openConnections: [...this.connections.open()].length,
      refusedConnections: this.#refusedConnections,
      droppedTrials: this.connections.droppedTrials,
      proxiesAtLimit: atLimit,
    });
    return [...own, ...this.#tracesFamilies()];
  }

  /** Open TCP connections, each with Istio's labels. */
  *openConnections(): Generator<{ readonly source: string; readonly labels: Labels }> {
    for (const { source, tags } of this.connections.open()) {
      yield { source, labels: this.collector.labelsOf(source, "istio_tcp_connections_opened_total", tags) };
    }
  }

  /** When any proxy reported last, and which didn't for longer than `silentMs`. */
  reporting(silentMs: number): { readonly newestMs: number | undefined; readonly silent: readonly string[]; readonly total: number } {
    const nowMs = this.nowMs();
    this.#sweep();
    const ids = [...this.directory.ids()].filter((id) => this.directory.isLiving(id));
    const silent = ids.filter((id) => nowMs - (this.#reportedMs.get(id) ?? Number.NEGATIVE_INFINITY) > silentMs).toSorted();
    const newestMs = this.#reportedMs.size === 0 ? undefined : Math.max(...this.#reportedMs.values());
    return { newestMs, silent, total: ids.length };
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#kept?.save(this);
  }

  #read(
    proxyId: string,
    { signal, bytes, nowMs }: { readonly signal: ExportSignal; readonly bytes: Uint8Array; readonly nowMs: number },
  ): void {
    if (signal === "metrics") this.#takeMetrics(proxyId, bytes, nowMs);
    else if (signal === "traces") this.#takeTraces?.(proxyId, bytes, nowMs);
    else for (const { logName, records } of parseOtlpLogs(bytes)) this.#logs.get(logName)?.(proxyId, records, nowMs);
  }

  #takeMetrics(proxyId: string, bytes: Uint8Array, nowMs: number): void {
    const { observations, processStartMs, clockOffsetMs } = this.collector.receive(proxyId, bytes, nowMs);
    this.#reportedMs.set(proxyId, nowMs);
    if (clockOffsetMs !== undefined) this.#clockOffsets.set(proxyId, clockOffsetMs);
    const isAnother = observations.some(({ kind }) => kind === "restarted") && processStartMs !== undefined;
    const over = [...(isAnother ? this.connections.restarted(proxyId, processStartMs) : []), ...this.connections.heard(proxyId, nowMs)];
    this.#count(proxyId, { deltas: over, before: [] }, nowMs);
  }

  #takeConnections(proxyId: string, all: readonly OtlpLogRecord[], nowMs: number): void {
    const records = all.map(connectionRecordOf).filter((record) => record !== undefined);
    const clockOffsetMs = this.#clockOffsets.get(proxyId) ?? 0;
    const { refused, ...counted } = this.connections.observe({ source: proxyId, records, receivedMs: nowMs, clockOffsetMs });
    this.#refusedConnections += refused;
    this.#count(proxyId, counted, nowMs);
  }

  #count(proxyId: string, counted: Counted, nowMs: number): void {
    if (counted.deltas.length + counted.before.length === 0) return;
    this.collector.count(proxyId, counted, nowMs);
    this.#kept?.changed();
  }

  #refuse(proxyId: string, signal: ExportSignal, reason: string): void {
    this.#counts[signal].refused += 1;
    this.#refused.set(proxyId, { atMs: this.nowMs(), reason });
  }

  #sweep(): void {
    for (const id of this.directory.refresh(this.nowMs())) this.#end(id);
    if (this.#restored.length === 0 || this.#options.mesh() === undefined) return;
    for (const id of this.#restored) if (this.directory.proxyOf(id) === undefined) this.#end(id);
    this.#restored = [];
  }

  /** The pod is gone, and its grace is over. */
  #end(proxyId: string): void {
    this.collector.end(proxyId);
    this.connections.end(proxyId);
    this.#limits.end(proxyId);
    this.#clockOffsets.delete(proxyId);
    this.#reportedMs.delete(proxyId);
    this.#refused.delete(proxyId);
  }
}

function counts(): SignalCounts {
  return { reports: 0, bytes: 0, refused: 0 };
}
