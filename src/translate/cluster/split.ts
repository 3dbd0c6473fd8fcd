// The cluster of a weighted tcp or tls route: its members are localities, so weights and members change by EDS alone.

import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { defined } from "../../envoy/defined.ts";
import type { EffectivePolicy } from "../../model/destinations.ts";
import { effectivePolicy } from "../../model/destinations.ts";
import type { L4Split } from "../../model/l4-routes.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { endpointConfigSource } from "../config-source.ts";
import { commonLbConfig, loadBalancing } from "./load-balancer.ts";
import { clusterCommon } from "./outbound.ts";
import { outlierDetection } from "./outlier-detection.ts";

/** The first member's policy holds for all: a connection's settings are chosen before its member is. */
export function splitCluster(split: L4Split, settings: MeshSettings): ClusterJson {
  const policy = splitPolicy(split);
  return defined<ClusterJson>({
    name: split.name,
    type: "EDS",
    edsClusterConfig: { edsConfig: endpointConfigSource },
    ...loadBalancing(policy.loadBalancer),
    commonLbConfig: commonLbConfig(policy, { localityWeighted: true }),
    outlierDetection: policy.outlierDetection === undefined ? undefined : outlierDetection(policy.outlierDetection),
    ...clusterCommon({ name: split.name, policy, protocol: "tcp", settings }),
  });
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
