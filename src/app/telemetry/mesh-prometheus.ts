// Everything of the control plane that is there for a Prometheus, in one part: its own metrics, the mesh's page, the targets and the port.

import { statSync } from "node:fs";
import type { AuthorityStatus } from "../../ca/authority.ts";
import type { WorkloadCertificates } from "../../ca/workload-certificates.ts";
import type { MetricsView } from "../../http/metrics-contract.ts";
import type { Logger } from "../../lib/log.ts";
import type { Store } from "../../store/store.ts";
import type { AdsServer } from "../../xds/ads-server.ts";
import { runFiles } from "../config.ts";
import type { MeshEngine } from "../mesh-engine.ts";
import { lateenVersion } from "../versions.ts";
import { ControlPlaneMetrics } from "./control-plane-metrics.ts";
import { DiscoveryFiles } from "./discovery-files.ts";
import { meshMetrics } from "./mesh-metrics.ts";
import type { MeshTelemetry } from "./mesh-telemetry.ts";
import { type MetricsPort, type MetricsPortWish, openMetricsPort } from "./metrics-port.ts";

export interface MeshPrometheusOptions {
  readonly runDir: string;
  readonly store: Store;
  readonly certificates: WorkloadCertificates;
  readonly authority: { status(): AuthorityStatus };
  readonly telemetry: MeshTelemetry;
  readonly logger: Logger;
  /** Made after this part, which they report to; asked for only when somebody scrapes. */
  readonly later: () => { readonly engine: MeshEngine; readonly ads: AdsServer };
}

export class MeshPrometheus {
  readonly own: ControlPlaneMetrics;
  readonly view: MetricsView;
  readonly #options: MeshPrometheusOptions;
  readonly #unsubscribe: () => void;
  #port: MetricsPort | undefined;
  #files: DiscoveryFiles | undefined;

  constructor(options: MeshPrometheusOptions) {
    this.#options = options;
    const { runDir, store, telemetry, later } = options;
    this.own = new ControlPlaneMetrics(stateOf(options));
    this.#unsubscribe = store.subscribe(this.own.onStore);
    this.view = meshMetrics({
      store,
      mesh: () => later().engine.mesh,
      collector: telemetry.collector,
      own: async () => [...(await this.own.families()), ...telemetry.families()],
      nodeSocket: runFiles.nodeSocket(runDir),
      address: () => `127.0.0.1:${this.port ?? 0}`,
    });
  }

  /** Where the metrics are; undefined when there is no port. */
  get port(): number | undefined {
    return this.#port?.port;
  }

  /** Opens the port and writes the targets. @throws Unavailable when a port that was asked for is taken. */
  async open(wish: MetricsPortWish | undefined): Promise<void> {
    const { runDir, store, logger } = this.#options;
    this.#port = await openMetricsPort(wish, this.view, logger);
    if (this.port === undefined) return;
    this.#files = new DiscoveryFiles({ store, folder: runFiles.prometheusDir(runDir), targets: this.view.targets, logger });
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#files?.close();
    await this.#port?.close();
  }
}

function stateOf({ runDir, store, certificates, authority, telemetry, later }: MeshPrometheusOptions) {
  return {
    version: lateenVersion(),
    store,
    proxies: () =>
      later()
        .ads.status()
        .map(({ isConnected, acknowledgedRevision, desiredRevision }) => ({
          isConnected,
          isAcknowledged: acknowledgedRevision !== undefined && acknowledgedRevision === desiredRevision,
        })),
    services: () => later().engine.mesh?.services.size ?? 0,
    certificates: {
      issued: () => certificates.issued,
      rootExpiryMs: () => Math.min(...authority.status().roots.map(({ notAfterMs }) => notAfterMs)),
      chainExpiryMs: () => authority.status().issuer.notAfterMs,
    },
    refusedStreams: () => later().ads.refusals,
    findings: () => [...later().engine.findings(), ...telemetry.findings()],
    dataAgesSeconds: () => {
      const { ads } = later();
      const newest = new Map([...telemetry.collector.store.sources()].map(({ id, coverage }) => [id, coverage.last + 1]));
      const connected = ads.status().filter(({ isConnected }) => isConnected);
      const nowSeconds = telemetry.nowMs() / 1000;
      return connected.map(({ proxyId }) => Math.max(0, nowSeconds - (newest.get(proxyId) ?? Number.NEGATIVE_INFINITY)));
    },
    storeBytes: () => sizeOf(runFiles.store(runDir)) + sizeOf(`${runFiles.store(runDir)}-wal`),
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
