// Recent traces in bounded memory. A trace is judged once nothing of it has come for some seconds: what failed and what was slow stays longer than what was
// as usual. Spans that come later join their trace, and may make it a failed one.

import { UsualDurations } from "./slow.ts";
import type { Span } from "./span.ts";
import { summaryOf, type TraceSummary } from "./trace.ts";

/** Why a trace is kept; "open" while its spans still come. */
export type TraceKeeping = "open" | "usual" | "slow" | "failed";

export interface StoredTrace {
  readonly traceId: string;
  readonly keeping: TraceKeeping;
  readonly summary: TraceSummary;
  readonly spans: readonly Span[];
  /** Spans that there was no room for. */
  readonly dropped: number;
}

export interface TraceStoreOptions {
  /** All spans together, estimated. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Share of `maxBytes` that slow and failed traces can push usual ones out of. Default 0.75. */
  readonly keptShare?: number;
  /** How long nothing must have come before a trace is judged, in ms. Default 5 s: proxies report each second. */
  readonly quietMs?: number;
  /** Default 2,000. */
  readonly maxSpansOfTrace?: number;
}

interface Entry {
  readonly traceId: string;
  readonly spans: Map<string, Span>;
  keeping: TraceKeeping;
  bytes: number;
  lastMs: number;
  dropped: number;
  summary: TraceSummary | undefined;
}

/** What the store has done so far. */
export interface TraceCounts {
  readonly traces: number;
  readonly bytes: number;
  readonly spans: number;
  /** Spans beyond a trace's limit. */
  readonly droppedSpans: number;
  /** Traces that went to make room. */
  readonly evicted: number;
}

export class TraceStore {
  readonly #maxBytes: number;
  readonly #keptBytes: number;
  readonly #quietMs: number;
  readonly #maxSpans: number;
  /** In the order in which they began. */
  readonly #traces = new Map<string, Entry>();
  /** Ids by keeping, oldest first. */
  readonly #order: Readonly<Record<TraceKeeping, Set<string>>> = { open: new Set(), usual: new Set(), slow: new Set(), failed: new Set() };
  readonly #usual = new UsualDurations();
  #bytes = 0;
  #keptNow = 0;
  #spans = 0;
  #droppedSpans = 0;
  #evicted = 0;

  constructor({ maxBytes = 64 * 1024 * 1024, keptShare = 0.75, quietMs = 5000, maxSpansOfTrace = 2000 }: TraceStoreOptions = {}) {
    this.#maxBytes = maxBytes;
    this.#keptBytes = maxBytes * keptShare;
    this.#quietMs = quietMs;
    this.#maxSpans = maxSpansOfTrace;
  }

  /** Takes spans in; `nowMs` by the receiver's clock. */
  add(spans: readonly Span[], nowMs: number): void {
    for (const span of spans) this.#addSpan(span, nowMs);
    this.#makeRoom();
  }

  #addSpan(span: Span, nowMs: number): void {
    const entry = this.#traces.get(span.traceId) ?? this.#begin(span.traceId, nowMs);
    entry.lastMs = nowMs;
    // A report that was sent twice.
    if (entry.spans.has(span.spanId)) return;
    if (entry.spans.size >= this.#maxSpans) {
      entry.dropped += 1;
      this.#droppedSpans += 1;
      return;
    }
    entry.spans.set(span.spanId, span);
    entry.summary = undefined;
    this.#spans += 1;
    this.#grow(entry, bytesOf(span));
    if (span.isError && !span.isMirrored && entry.keeping !== "open") this.#keep(entry, "failed");
  }

  #begin(traceId: string, nowMs: number): Entry {
    const entry: Entry = { traceId, spans: new Map(), keeping: "open", bytes: 0, lastMs: nowMs, dropped: 0, summary: undefined };
    this.#traces.set(traceId, entry);
    this.#order.open.add(traceId);
    return entry;
  }

  #grow(entry: Entry, bytes: number): void {
    entry.bytes += bytes;
    this.#bytes += bytes;
    if (isKept(entry.keeping)) this.#keptNow += bytes;
  }

  #keep(entry: Entry, keeping: TraceKeeping): void {
    if (isKept(entry.keeping)) this.#keptNow -= entry.bytes;
    if (isKept(keeping)) this.#keptNow += entry.bytes;
    this.#order[entry.keeping].delete(entry.traceId);
    this.#order[keeping].add(entry.traceId);
    entry.keeping = keeping;
  }

  /** Judges the traces that have been quiet long enough; call it about once a second. */
  judge(nowMs: number): void {
    for (const traceId of [...this.#order.open]) {
      const entry = this.#traces.get(traceId);
      if (entry !== undefined && nowMs - entry.lastMs >= this.#quietMs) this.#keep(entry, this.#judgementOf(entry));
    }
    this.#makeRoom();
  }

  #judgementOf(entry: Entry): TraceKeeping {
    const { service, operation, durationUs, failedIn } = summary(entry);
    const isSlow = this.#usual.isSlow(`${service} ${operation}`, durationUs);
    if (failedIn !== "") return "failed";
    return isSlow ? "slow" : "usual";
  }

  /** The oldest usual ones go first; slow and failed ones only once they have more than their share, or nothing else is left. */
  #makeRoom(): void {
    while (this.#bytes > this.#maxBytes) {
      const order: readonly TraceKeeping[] =
        this.#keptNow > this.#keptBytes ? ["slow", "failed", "usual", "open"] : ["usual", "slow", "failed", "open"];
      const keeping = order.find((one) => this.#order[one].size > 0);
      const [oldest = ""] = keeping === undefined ? [] : this.#order[keeping];
      const entry = this.#traces.get(oldest);
      if (entry === undefined) return;
      this.#remove(entry);
    }
  }

  #remove(entry: Entry): void {
    this.#traces.delete(entry.traceId);
    this.#order[entry.keeping].delete(entry.traceId);
    this.#bytes -= entry.bytes;
    this.#spans -= entry.spans.size;
    if (isKept(entry.keeping)) this.#keptNow -= entry.bytes;
    this.#evicted += 1;
  }

  get(traceId: string): StoredTrace | undefined {
    const entry = this.#traces.get(traceId);
    return entry === undefined ? undefined : stored(entry);
  }

  /** All traces, those begun last first. */
  *newestFirst(): Generator<StoredTrace, void, undefined> {
    for (const entry of [...this.#traces.values()].reverse()) yield stored(entry);
  }

  counts(): TraceCounts {
    return {
      traces: this.#traces.size,
      bytes: this.#bytes,
      spans: this.#spans,
      droppedSpans: this.#droppedSpans,
      evicted: this.#evicted,
    };
  }
}

function isKept(keeping: TraceKeeping): boolean {
  return keeping === "slow" || keeping === "failed";
}

function summary(entry: Entry): TraceSummary {
  entry.summary ??= summaryOf(entry.traceId, entry.spans.values());
  return entry.summary;
}

function stored(entry: Entry): StoredTrace {
  const { traceId, keeping, dropped, spans } = entry;
  return {
    traceId,
    keeping,
    dropped,
    get summary() {
      return summary(entry);
    },
    get spans() {
      return [...spans.values()];
    },
  };
}

/** About what V8 needs for it: two bytes a character at worst, and some hundred for the objects. */
function bytesOf({ name, attributes, resource, events, statusText }: Span): number {
  const texts = (record: Readonly<Record<string, unknown>>): number =>
    Object.entries(record).reduce((sum, [key, value]) => sum + 48 + 2 * (key.length + (typeof value === "string" ? value.length : 0)), 0);
  const ofEvents = events.reduce((sum, event) => sum + 100 + 2 * event.name.length + texts(event.attributes), 0);
  return 600 + 2 * (name.length + statusText.length) + texts(attributes) + texts(resource) + ofEvents;
}
