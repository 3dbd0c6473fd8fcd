// What an Envoy is started with: who it is, where its control plane is, and nothing that ever changes while it runs.
// Types only of Envoy's messages: the node process makes bootstraps and would load a hundred megabytes of descriptors for the codec.

import type { Bootstrap_DynamicResourcesJson, BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { OverloadManagerJson } from "#envoy/envoy/config/overload/v3/overload_pb.js";
import type { DownstreamConnectionsConfigJson } from "#envoy/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js";
import { runtimeLayerName } from "../envoy/config.ts";
import { xdsClusterName } from "../envoy/names.ts";
import { reportFlushMs, statsEvictionMs } from "../telemetry/proxy-reports.ts";
import { adsConfigSource } from "./config-source.ts";
import { type ControlPlaneAddress, controlPlaneCluster } from "./control-plane-cluster.ts";
import { bindConfig, proxyMark } from "./socket-mark.ts";
import { includedStats, reportSink } from "./stats.ts";

export type BootstrapOptions = ControlPlaneAddress & ProxyOptions;

interface ProxyOptions {
  readonly kind: "sidecar" | "gateway";
  readonly podName: string;
  readonly namespace: string;
  /** Unix socket that Envoy opens for its admin interface. */
  readonly adminPath: string;
  /** Whether connections are marked for the pod's packet rules; off where there are none (tests, no privilege). True when unset. */
  readonly marked?: boolean;
}

/** The bootstrap as proto3 JSON. */
export function bootstrapOf(options: BootstrapOptions): BootstrapJson {
  const { kind, podName, namespace, adminPath, marked = true } = options;
  return {
    node: {
      id: `${podName}.${namespace}`,
      cluster: namespace,
      metadata: { KIND: kind, NAME: podName, NAMESPACE: namespace },
    },
    admin: { address: { pipe: { path: adminPath, mode: 0o600 } } },
    dynamicResources,
    staticResources: { clusters: [controlPlaneCluster(options)] },
    clusterManager: marked ? { upstreamBindConfig: bindConfig(proxyMark) } : {},
    layeredRuntime: {
      layers: [
        { name: "static", staticLayer },
        { name: runtimeLayerName, rtdsLayer: { name: runtimeLayerName, rtdsConfig: adsConfigSource } },
        { name: "admin", adminLayer: {} },
      ],
    },
    overloadManager,
    statsConfig: { statsMatcher: { inclusionList: includedStats } },
    // Releases are judged by the second.
    statsFlushInterval: `${reportFlushMs / 1000}s`,
    statsEvictionInterval: `${statsEvictionMs / 1000}s`,
    statsSinks: [reportSink],
  };
}

/**
 * Spans leave a worker after a second, or when there are many: Envoy's defaults are five spans or five seconds.
 * Envoy's own default of 100 refuses ordinary path regexes; both values for that are Istio's (tools/packaging/common/envoy_bootstrap.json).
 */
const staticLayer = {
  "re2.max_program_size.error_level": "32768",
  "re2.max_program_size.warn_level": "8192",
  "tracing.opentelemetry.flush_interval_ms": "1000",
  "tracing.opentelemetry.min_flush_spans": "256",
} as const;

const dynamicResources: Bootstrap_DynamicResourcesJson = {
  adsConfig: {
    apiType: "DELTA_GRPC",
    transportApiVersion: "V3",
    // Otherwise every acknowledgement carries the whole node.
    setNodeOnFirstMessageOnly: true,
    grpcServices: [
      {
        envoyGrpc: {
          clusterName: xdsClusterName,
          // A restarted control plane must have its proxies back at once (Envoy's own back-off grows to 30 s).
          retryPolicy: { retryBackOff: { baseInterval: "0.050s", maxInterval: "1s" } },
        },
      },
    ],
  },
  cdsConfig: adsConfigSource,
  ldsConfig: adsConfigSource,
};

const connectionLimit: DownstreamConnectionsConfigJson = { maxActiveDownstreamConnections: "2147483647" };

/** No limit, as Istio; said where Envoy 1.40 wants it. */
const overloadManager: OverloadManagerJson = {
  resourceMonitors: [
    {
      name: "envoy.resource_monitors.global_downstream_max_connections",
      typedConfig: {
        "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        ...connectionLimit,
      },
    },
  ],
};
