// Recent traces in bounded memory. A trace is judged once nothing of it has come for some seconds: what failed and what was slow stays longer than what was
// as usual. Spans that come later join their trace, and may make it a failed one. Applications may send what they like, so that their spans have limits of
// their own: each sender has a share, and traces that no proxy knows of never push out one that a proxy reported.

import { hasFailed } from "./name-spans.ts";
import { SenderShares, shareOf } from "./sender-shares.ts";
import { UsualDurations } from "./slow.ts";
import type { Span } from "./span.ts";
import { summaryOf, type TraceSummary } from "./trace.ts";
import { type TraceKeeping, TracePool } from "./trace-pool.ts";

export interface StoredTrace {
  readonly traceId: string;
  readonly keeping: TraceKeeping;
  /** Whether a proxy reported any of its spans; otherwise only applications did, who may report what they like. */
  readonly isOfProxies: boolean;
  readonly summary: TraceSummary;
  readonly spans: readonly Span[];
  /** Spans that there was no room for. */
  readonly dropped: number;
}

export interface TraceStoreOptions {
  /** All spans together, estimated. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Share of `maxBytes` for traces that proxies know of; applications' own traces have what these leave. Default 0.75. */
  readonly proxiesShare?: number;
  /** Share of `maxBytes` for the spans of one application; its oldest go beyond it. Default 0.125: half of what is left for all. */
  readonly senderShare?: number;
  /** Share of either part that slow and failed traces can push usual ones out of. Default 0.75. */
  readonly keptShare?: number;
  /** How long nothing must have come before a trace is judged, in ms. Default 5 s: proxies report each second. */
  readonly quietMs?: number;
  /** Default 2,000. */
  readonly maxSpansOfTrace?: number;
}

interface Entry {
  readonly traceId: string;
  readonly spans: Map<string, Span>;
  /** Proxies' or applications' own. */
  pool: TracePool;
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
  /** Spans beyond a trace's limit or their sender's share. */
  readonly droppedSpans: number;
  /** Traces that went to make room. */
  readonly evicted: number;
}

export class TraceStore {
  readonly #maxBytes: number;
  readonly #proxiesBytes: number;
  readonly #quietMs: number;
  readonly #maxSpans: number;
  /** In the order in which they began. */
  readonly #traces = new Map<string, Entry>();
  readonly #ofProxies: TracePool;
  readonly #ofApplications: TracePool;
  readonly #shares: SenderShares;
  readonly #usual = new UsualDurations();
  #spans = 0;
  #droppedSpans = 0;
  #evicted = 0;

  constructor({
    maxBytes = 64 * 1024 * 1024,
    proxiesShare = 0.75,
    senderShare = 0.125,
    keptShare = 0.75,
    quietMs = 5000,
    maxSpansOfTrace = 2000,
  }: TraceStoreOptions = {}) {
    this.#maxBytes = maxBytes;
    this.#proxiesBytes = maxBytes * proxiesShare;
    this.#ofProxies = new TracePool(this.#proxiesBytes * keptShare);
    this.#ofApplications = new TracePool((maxBytes - this.#proxiesBytes) * keptShare);
    this.#shares = new SenderShares(maxBytes * senderShare);
    this.#quietMs = quietMs;
    this.#maxSpans = maxSpansOfTrace;
  }

  get #bytes(): number {
    return this.#ofProxies.bytes + this.#ofApplications.bytes;
  }

  /** Takes spans in; `nowMs` by the receiver's clock. */
  add(spans: readonly Span[], nowMs: number): void {
    for (const span of spans) this.#addSpan(span, nowMs);
    this.#makeRoom();
  }

  #addSpan(span: Span, nowMs: number): void {
    const entry = this.#traces.get(span.traceId) ?? this.#begin(span.traceId);
    entry.lastMs = nowMs;
    // A report that was sent twice.
    if (entry.spans.has(span.spanId)) return;
    const bytes = bytesOf(span);
    if (entry.spans.size >= this.#maxSpans || !this.#makeRoomOf(shareOf(span), entry, bytes)) {
      this.#drop(entry, 1);
      return;
    }
    entry.spans.set(span.spanId, span);
    entry.summary = undefined;
    this.#spans += 1;
    this.#grow(entry, bytes);
    if (shareOf(span) !== "") this.#shares.add(shareOf(span), span.traceId, bytes);
    else if (entry.pool !== this.#ofProxies) this.#move(entry, { pool: this.#ofProxies });
    if (hasFailed(span) && !span.isMirrored && entry.keeping !== "open") this.#move(entry, { keeping: "failed" });
  }

  /** Whether a span of this sender still fits into its share: the sender's oldest go for it, but none of the same trace. */
  #makeRoomOf(sender: string, entry: Entry, bytes: number): boolean {
    for (;;) {
      const oldest = sender === "" ? undefined : this.#shares.oldestBeyond(sender, bytes);
      if (oldest === undefined) return true;
      if (oldest === entry.traceId) return false;
      this.#strip(oldest, sender);
    }
  }

  /** Takes the sender's spans out of a trace. */
  #strip(traceId: string, sender: string): void {
    const entry = this.#traces.get(traceId);
    const gone = [...(entry?.spans.values() ?? [])].filter((span) => shareOf(span) === sender);
    this.#shares.remove(sender, traceId);
    if (entry === undefined) return;
    if (gone.length === entry.spans.size) {
      this.#remove(entry);
      return;
    }
    for (const span of gone) {
      entry.spans.delete(span.spanId);
      this.#grow(entry, -bytesOf(span));
    }
    this.#spans -= gone.length;
    entry.summary = undefined;
    this.#drop(entry, gone.length);
  }

  #drop(entry: Entry, spans: number): void {
    entry.dropped += spans;
    this.#droppedSpans += spans;
  }

  #begin(traceId: string): Entry {
    const pool = this.#ofApplications;
    const entry: Entry = { traceId, spans: new Map(), pool, keeping: "open", bytes: 0, lastMs: 0, dropped: 0, summary: undefined };
    this.#traces.set(traceId, entry);
    pool.add(entry);
    return entry;
  }

  #grow(entry: Entry, bytes: number): void {
    entry.bytes += bytes;
    entry.pool.grow(entry.keeping, bytes);
  }

  #move(
    entry: Entry,
    { pool = entry.pool, keeping = entry.keeping }: { readonly pool?: TracePool; readonly keeping?: TraceKeeping },
  ): void {
    entry.pool.delete(entry);
    entry.pool = pool;
    entry.keeping = keeping;
    pool.add(entry);
  }

  /** Judges the traces that have been quiet long enough; call it about once a second. */
  judge(nowMs: number): void {
    for (const traceId of [...this.#ofProxies.open, ...this.#ofApplications.open]) {
      const entry = this.#traces.get(traceId);
      if (entry !== undefined && nowMs - entry.lastMs >= this.#quietMs) this.#move(entry, { keeping: this.#judgementOf(entry) });
    }
    this.#makeRoom();
  }

  #judgementOf(entry: Entry): TraceKeeping {
    const { service, operation, durationUs, failedIn } = summary(entry);
    const isSlow = this.#usual.isSlow(`${service} ${operation}`, durationUs);
    if (failedIn !== "") return "failed";
    return isSlow ? "slow" : "usual";
  }

  /** Proxies' traces go only for proxies' traces; applications' own have what is left, and that is never less than their part. */
  #makeRoom(): void {
    while (this.#ofProxies.bytes > this.#proxiesBytes && this.#removeOldest(this.#ofProxies));
    while (this.#bytes > this.#maxBytes && this.#removeOldest(this.#ofApplications));
  }

  #removeOldest(pool: TracePool): boolean {
    const entry = this.#traces.get(pool.oldest() ?? "");
    if (entry !== undefined) this.#remove(entry);
    return entry !== undefined;
  }

  #remove(entry: Entry): void {
    this.#traces.delete(entry.traceId);
    entry.pool.delete(entry);
    for (const sender of new Set([...entry.spans.values()].map(shareOf))) this.#shares.remove(sender, entry.traceId);
    this.#spans -= entry.spans.size;
    this.#evicted += 1;
  }

  get(traceId: string): StoredTrace | undefined {
    const entry = this.#traces.get(traceId);
    return entry === undefined ? undefined : this.#stored(entry);
  }

  /** All traces, those begun last first. */
  *newestFirst(): Generator<StoredTrace, void, undefined> {
    for (const entry of [...this.#traces.values()].reverse()) yield this.#stored(entry);
  }

  #stored(entry: Entry): StoredTrace {
    const { traceId, keeping, dropped, spans } = entry;
    return {
      traceId,
      keeping,
      isOfProxies: entry.pool === this.#ofProxies,
      dropped,
      get summary() {
        return summary(entry);
      },
      get spans() {
        return [...spans.values()];
      },
    };
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

function summary(entry: Entry): TraceSummary {
  entry.summary ??= summaryOf(entry.traceId, entry.spans.values());
  return entry.summary;
}

/** About what V8 needs for it: two bytes a character at worst, and some hundred for the objects. */
function bytesOf({ name, attributes, resource, events, statusText }: Span): number {
  const texts = (record: Readonly<Record<string, unknown>>): number =>
    Object.entries(record).reduce((sum, [key, value]) => sum + 48 + 2 * (key.length + (typeof value === "string" ? value.length : 0)), 0);
  const ofEvents = events.reduce((sum, event) => sum + 100 + 2 * event.name.length + texts(event.attributes), 0);
  return 600 + 2 * (name.length + statusText.length) + texts(attributes) + texts(resource) + ofEvents;
}
