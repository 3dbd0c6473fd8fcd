// The cluster of a weighted tcp or tls route: its members are localities, so weights and members change by EDS alone.

import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { defined } from "../../envoy/defined.ts";
import type { EffectivePolicy } from "../../model/destinations.ts";
import { effectivePolicy } from "../../model/destinations.ts";
import type { L4Split } from "../../model/l4-routes.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { endpointConfigSource } from "../config-source.ts";
import { clusterServiceText, serviceMetadata, serviceText } from "../service-text.ts";
import { type ClusterTls, clusterTls, noTls } from "./cluster-tls.ts";
import { commonLbConfig, loadBalancing } from "./load-balancer.ts";
import { clusterCommon } from "./outbound.ts";
import { outlierDetection } from "./outlier-detection.ts";

/** The first member's policy holds for all: a connection's settings are chosen before its member is. */
export function splitCluster(split: L4Split, settings: MeshSettings, tls: ClusterTls): ClusterJson {
  const policy = splitPolicy(split);
  return defined<ClusterJson>({
    name: split.name,
    metadata: { filterMetadata: serviceMetadata(splitService(split)) },
    type: "EDS",
    edsClusterConfig: { edsConfig: endpointConfigSource },
    ...loadBalancing(policy.loadBalancer),
    commonLbConfig: commonLbConfig(policy, { localityWeighted: true }),
    outlierDetection: policy.outlierDetection === undefined ? undefined : outlierDetection(policy.outlierDetection),
    ...clusterCommon({ name: split.name, policy, protocol: "tcp", settings, tls }),
  });
}

/** The servers of all members are as good as each other's: which one a connection goes to is decided after its TLS settings are. */
export function splitTls(split: L4Split, settings: MeshSettings, identities: ReadonlyMap<string, readonly string[]>): ClusterTls {
  const [first, ...others] = split.members.flatMap(({ destination: { service } }) =>
    service === undefined ? [] : [{ service, identities: identities.get(service.id) }],
  );
  const destination = split.members.find(({ destination: { service } }) => service !== undefined)?.destination;
  if (first === undefined || destination === undefined) return noTls;
  const { port, subset } = destination;
  return clusterTls({
    policy: splitPolicy(split),
    protocol: "tcp",
    settings,
    peers: [first, ...others],
    port,
    subset,
    endpoints: "per endpoint",
  });
}

/** Connections count for the first member's service, as its settings do. */
function splitService({ members: [first], name }: L4Split): string {
  if (first === undefined) return clusterServiceText(name);
  const { service, port, cluster } = first.destination;
  return service === undefined ? clusterServiceText(cluster) : serviceText(service, port);
}

function splitPolicy({ members }: L4Split): EffectivePolicy {
  const first = members[0]?.destination;
  if (first === undefined) return {};
  return effectivePolicy(
    first.policy,
    first.port,
    first.policy?.subsets.find(({ name }) => name === first.subset),
  );
}
