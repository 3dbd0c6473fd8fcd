// The mesh's traces: spans of proxies and applications come in, are kept, forwarded and asked for.

import type { TraceList, TracesQuery, TracesView, TraceView } from "../../../http/traces-contract.ts";
import { BadInput, NotFound } from "../../../lib/errors.ts";
import type { Mesh } from "../../../model/mesh.ts";
import { applicationSpans, proxySpans } from "../../../telemetry/traces/name-spans.ts";
import { parseOtlpSpans } from "../../../telemetry/traces/otlp-spans.ts";
import { searchTraces } from "../../../telemetry/traces/search.ts";
import type { ReportedSpans, Span } from "../../../telemetry/traces/span.ts";
import { type StoredTrace, TraceStore } from "../../../telemetry/traces/trace-store.ts";
import { waterfallOf } from "../../../telemetry/traces/waterfall.ts";
import type { MeshTelemetry } from "../mesh-telemetry.ts";
import type { TraceForwarding } from "./forwarding.ts";
import { createAddressBook, placeOf, proxySender, stranger } from "./senders.ts";

export interface MeshTracesOptions {
  readonly mesh: () => Mesh | undefined;
  readonly telemetry: Pick<MeshTelemetry, "nowMs" | "onTraces" | "directory">;
  readonly forwarding: TraceForwarding;
}

const judgeMs = 1000;

export class MeshTraces implements TracesView {
  readonly store = new TraceStore();
  readonly #options: MeshTracesOptions;
  readonly #senderAt: ReturnType<typeof createAddressBook>;
  readonly #timer: NodeJS.Timeout;

  constructor(options: MeshTracesOptions) {
    this.#options = options;
    this.#senderAt = createAddressBook(options.mesh);
    options.telemetry.onTraces((proxyId, bytes, nowMs) => this.#takeProxy(proxyId, bytes, nowMs));
    this.#timer = setInterval(() => this.store.judge(options.telemetry.nowMs()), judgeMs);
    this.#timer.unref();
  }

  #takeProxy(proxyId: string, bytes: Uint8Array, nowMs: number): void {
    const proxy = this.#options.telemetry.directory.proxyOf(proxyId) ?? this.#options.mesh()?.proxies.get(proxyId);
    const sender = proxy === undefined ? { ...stranger, service: proxyId } : proxySender(proxy);
    const place = proxy === undefined ? { serviceOfPort: new Map() } : placeOf(proxy);
    const spans = parseOtlpSpans(bytes).flatMap((part) => proxySpans(part, sender, place));
    this.#add(spans, nowMs);
    this.#options.forwarding.take(proxyId, spans);
  }

  /** Spans of an application, by the address they came from; returns how many of them can't be used. */
  takeApplication(address: string, parts: readonly ReportedSpans[]): number {
    const sender = this.#senderAt(address);
    const spans = parts.flatMap((part) => applicationSpans(part, sender));
    this.#add(spans, this.#options.telemetry.nowMs());
    this.#options.forwarding.take(sender.pod === "" ? undefined : `${sender.pod}.${sender.namespace}`, spans);
    return parts.reduce((sum, { skipped }) => sum + skipped, 0);
  }

  #add(spans: readonly Span[], nowMs: number): void {
    this.store.add(spans, nowMs);
  }

  search(query: TracesQuery): TraceList {
    const { traces: kept, bytes, evicted } = this.store.counts();
    return { traces: searchTraces(this.store.newestFirst(), query), kept, bytes, evicted, forwards: this.#options.forwarding.view() };
  }

  get(id: string): TraceView {
    const { traceId, keeping, summary, spans, dropped } = this.#find(id);
    return { traceId, keeping, summary, waterfall: waterfallOf(spans), dropped };
  }

  #find(id: string): StoredTrace {
    const whole = this.store.get(id);
    if (whole !== undefined) return whole;
    const found = [...this.store.newestFirst()].filter(({ traceId }) => traceId.startsWith(id));
    const [first, second] = found;
    if (first === undefined) {
      throw new NotFound(`no trace ${id} is kept`, {
        fix: "Only sampled requests have traces (1 % unless a Telemetry says otherwise), and old ones go: see `lateen trace list`.",
      });
    }
    if (second !== undefined) throw new BadInput(`${found.length} traces begin with ${id}`, { fix: "Give more digits of the id." });
    return first;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#options.forwarding.close();
  }
}
