// The outbound clusters of a service port: one for the service and one per subset. Source: Istio pilot/pkg/networking/core/cluster*.go.

import type { ClusterJson, UpstreamConnectionOptionsJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { TcpSettings } from "../../api/networking/destination-rule.ts";
import { defined } from "../../envoy/defined.ts";
import { clusterStatName, outboundClusterName } from "../../envoy/names.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { EffectivePolicy } from "../../model/destinations.ts";
import type { MeshService, MeshSettings, PortProtocol, ServicePort } from "../../model/mesh.ts";
import { isHttp } from "../../model/protocol.ts";
import { endpointConfigSource } from "../config-source.ts";
import { serviceMetadata, serviceText } from "../service-text.ts";
import { circuitBreakers } from "./circuit-breakers.ts";
import type { ClusterTls } from "./cluster-tls.ts";
import { httpProtocolOptions } from "./http-protocol-options.ts";
import { commonLbConfig, loadBalancing } from "./load-balancer.ts";
import { outlierDetection } from "./outlier-detection.ts";

export interface OutboundCluster {
  readonly service: MeshService;
  readonly port: ServicePort;
  /** "" for the whole service. */
  readonly subset: string;
  readonly policy: EffectivePolicy;
  readonly settings: MeshSettings;
  readonly tls: ClusterTls;
}

/** One outbound cluster. Weights and endpoints are not in it: they change often, and a cluster's change renews its connections. */
export function outboundCluster({ service, port, subset, policy, settings, tls }: OutboundCluster): ClusterJson {
  return {
    name: outboundClusterName(port.number, subset, service.hostname),
    metadata: {
      filterMetadata: {
        istio: {
          services: [{ host: service.hostname, name: service.name, namespace: service.namespace }],
          ...serviceMetadata(serviceText(service, port.number)).istio,
        },
      },
    },
    ...(followsClient(service, port, policy) ? originalDestination : endpointDiscovery(policy)),
    ...clusterCommon({ name: outboundClusterName(port.number, subset, service.hostname), policy, protocol: port.protocol, settings, tls }),
  };
}

/** Whether connections go to the very address the client chose: no endpoints to balance over, or a headless TCP service. */
export function followsClient(service: MeshService, port: ServicePort, policy: EffectivePolicy): boolean {
  return (
    service.resolution === "original-dst" || (service.headless && !isHttp(port.protocol)) || policy.loadBalancer?.simple === "PASSTHROUGH"
  );
}

const originalDestination = { type: "ORIGINAL_DST", lbPolicy: "CLUSTER_PROVIDED" } as const satisfies ClusterJson;

/** The EDS name is the cluster's own name, always unique (two clusters with one EDS name never warm, envoyproxy/envoy#47302). */
function endpointDiscovery(policy: EffectivePolicy): ClusterJson {
  return defined<ClusterJson>({
    type: "EDS",
    edsClusterConfig: { edsConfig: endpointConfigSource },
    ...loadBalancing(policy.loadBalancer),
    commonLbConfig: commonLbConfig(policy, { localityWeighted: false }),
    outlierDetection: policy.outlierDetection === undefined ? undefined : outlierDetection(policy.outlierDetection),
  });
}

export interface ClusterCommon {
  readonly name: string;
  readonly policy: EffectivePolicy;
  readonly protocol: PortProtocol;
  readonly settings: MeshSettings;
  readonly tls: ClusterTls;
}

/** What all clusters have that carry the mesh's traffic. */
export function clusterCommon({ name, policy, protocol, settings, tls }: ClusterCommon): ClusterJson {
  const { connectionPool } = policy;
  return defined<ClusterJson>({
    altStatName: clusterStatName(name),
    connectTimeout: protoDuration(connectionPool?.tcp?.connectTimeout ?? settings.connectTimeout),
    circuitBreakers: circuitBreakers(policy),
    upstreamConnectionOptions: connectionOptions(connectionPool?.tcp),
    typedExtensionProtocolOptions: httpProtocolOptions({ protocol, connectionPool, autoSni: tls.autoSni }),
    ...tls.sockets,
  });
}

function connectionOptions(tcp: TcpSettings | undefined): UpstreamConnectionOptionsJson | undefined {
  const keepalive = tcp?.tcpKeepalive;
  if (keepalive === undefined) return undefined;
  const seconds = (value: number | undefined) => (value === undefined ? undefined : Math.max(1, Math.round(value / 1000)));
  return {
    tcpKeepalive: defined<NonNullable<UpstreamConnectionOptionsJson["tcpKeepalive"]>>({
      keepaliveProbes: keepalive.probes,
      keepaliveTime: seconds(keepalive.time),
      keepaliveInterval: seconds(keepalive.interval),
    }),
  };
}
