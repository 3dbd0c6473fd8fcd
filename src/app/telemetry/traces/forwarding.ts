// Spans on to other systems, as MeshConfig's extensionProviders and the Telemetries say: each proxy's and application's spans to the provider that its
// workload has.

import type { ForwardView } from "../../../http/traces-contract.ts";
import type { Logger } from "../../../lib/log.ts";
import type { Mesh } from "../../../model/mesh.ts";
import type { TraceProvider } from "../../../model/telemetry-settings.ts";
import type { Span } from "../../../telemetry/traces/span.ts";
import { type Connect, connectTo } from "./destination.ts";
import { Forwarder } from "./forwarder.ts";

export interface TraceForwardingOptions {
  readonly mesh: () => Mesh | undefined;
  /** Into the fabric: only the node can connect there. */
  readonly reach: Connect;
  readonly logger: Logger;
}

export class TraceForwarding {
  readonly #options: TraceForwardingOptions;
  readonly #forwarders = new Map<string, Forwarder>();

  constructor(options: TraceForwardingOptions) {
    this.#options = options;
  }

  /** Queues spans for where their sender's go; `proxyId` is undefined for strangers, whose spans go nowhere. Pods without a proxy have the mesh's default. */
  take(proxyId: string | undefined, spans: readonly Span[]): void {
    const mesh = this.#options.mesh();
    if (mesh === undefined || proxyId === undefined || spans.length === 0) return;
    const reporting = mesh.reporting.get(proxyId);
    if (reporting === undefined) {
      const [standard] = mesh.settings.telemetry.defaultProviders.tracing;
      if (standard !== undefined) this.#forwarderOf(standard, mesh)?.take(spans);
      return;
    }
    for (const side of ["inbound", "outbound"] as const) {
      const mine = spans.filter(({ kind }) => (kind === "client" || kind === "producer" ? "outbound" : "inbound") === side);
      const gateway = mesh.proxies.get(proxyId)?.kind === "gateway";
      const { provider } = reporting[gateway ? "outbound" : side].tracing;
      if (provider !== undefined && mine.length > 0) this.#forwarderOf(provider, mesh)?.take(mine);
    }
  }

  #forwarderOf(name: string, mesh: Mesh): Forwarder | undefined {
    const provider = mesh.settings.telemetry.traceProviders.find((one) => one.name === name);
    const known = this.#forwarders.get(name);
    if (provider !== undefined && known !== undefined && isSame(known.provider, provider)) return known;
    known?.close();
    this.#forwarders.delete(name);
    if (provider === undefined) return undefined;
    const { mesh: newest, reach, logger } = this.#options;
    const made = new Forwarder({ provider, connect: () => connectTo(provider, newest(), reach), logger });
    this.#forwarders.set(name, made);
    return made;
  }

  view(): readonly ForwardView[] {
    return [...this.#forwarders.values()].map((forwarder) => forwarder.view()).toSorted((a, b) => (a.provider < b.provider ? -1 : 1));
  }

  close(): void {
    for (const forwarder of this.#forwarders.values()) forwarder.close();
  }
}

function isSame(a: TraceProvider, b: TraceProvider): boolean {
  return a.protocol === b.protocol && a.service === b.service && a.port === b.port && a.path === b.path;
}
