// Everything that proxies report, sorted to where it is kept: metrics to the collector, logs to whoever counts or watches connections, spans to the traces.
// In: OTLP bytes with the sender's identity. Out: what the API, the graph and the releases read.

import type { Logger } from "../../lib/log.ts";
import type { Mesh } from "../../model/mesh.ts";
import { Collector } from "../../telemetry/collector.ts";
import type { ExportSignal } from "../../xds/proxy-exports.ts";

export interface MeshTelemetryOptions {
  /** The newest mesh: who a proxy is, and who its peers are. */
  readonly mesh: () => Mesh | undefined;
  readonly logger: Logger;
}

export class MeshTelemetry {
  readonly collector: Collector;
  readonly #startMs = Date.now() - performance.now();

  constructor(_options: MeshTelemetryOptions) {
    this.collector = new Collector({ sinceMs: this.nowMs(), peerOf: () => undefined });
  }

  /** Milliseconds since the Unix epoch that never jump: the start's time and a monotonic clock. */
  nowMs(): number {
    return this.#startMs + performance.now();
  }

  /** Takes a proxy's report. @throws BadInput when the bytes are no OTLP. */
  take(proxyId: string, signal: ExportSignal, bytes: Uint8Array): void {
    if (signal === "metrics") this.collector.receive(proxyId, bytes, this.nowMs());
  }

  close(): void {}
}
