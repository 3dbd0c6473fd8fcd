// What the metrics port and the API ask app for: the mesh's series, one proxy's, one pod's page, and the targets.

import { z } from "zod";
import type { DiscoveryKind, TargetGroup } from "../telemetry/prometheus/discovery.ts";
import type { Family } from "../telemetry/prometheus/family.ts";
import type { TextFormat } from "../telemetry/prometheus/write-text.ts";

/** GET /lateen/v1/pods/:namespace/:name/metrics: what the control plane has counted for a pod's proxy. */
export interface ProxyMetrics {
  readonly families: readonly Family[];
}

/** A pod's page, as the node answered. */
export interface PodPage {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

export interface MetricsView {
  /** Istio's series of all proxies and the control plane's own, as text in pieces. */
  readonly mesh: (format: TextFormat) => Promise<Iterable<string>>;
  /** The control plane's own alone. */
  readonly controlPlane: () => Promise<readonly Family[]>;
  /** Istio's series of one proxy; none while it has reported nothing. @throws NotFound when the mesh has no such proxy. */
  readonly proxy: (namespace: string, name: string) => ProxyMetrics;
  /** A pod's page from the node. @throws Unavailable when the node doesn't answer. */
  readonly podPage: (path: string, accept: string | undefined) => Promise<PodPage>;
  readonly targets: (kind: DiscoveryKind) => readonly TargetGroup[];
}

export const podMetricsPathSchema = z.object({ namespace: z.string().max(63), name: z.string().max(253) });
