// Clusters for what the mesh does not know: through to the original destination, to nowhere, and to services that are not there.

import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { defined } from "../../envoy/defined.ts";
import { blackHoleClusterName, clusterStatName, passthroughClusterName } from "../../envoy/names.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { clusterServiceText, serviceMetadata } from "../service-text.ts";
import { circuitBreakers } from "./circuit-breakers.ts";
import { httpProtocolOptions } from "./http-protocol-options.ts";

/** Unknown hosts under ALLOW_ANY: to the address the client chose, in the protocol it speaks. */
export function passthroughCluster(settings: MeshSettings): ClusterJson {
  return defined<ClusterJson>({
    name: passthroughClusterName,
    metadata: { filterMetadata: serviceMetadata(clusterServiceText(passthroughClusterName)) },
    type: "ORIGINAL_DST",
    lbPolicy: "CLUSTER_PROVIDED",
    connectTimeout: protoDuration(settings.connectTimeout),
    circuitBreakers: circuitBreakers({}),
    typedExtensionProtocolOptions: httpProtocolOptions({ protocol: "detect" }),
  });
}

/** Unknown hosts under REGISTRY_ONLY: nobody. */
export function blackHoleCluster(settings: MeshSettings): ClusterJson {
  return emptyCluster(blackHoleClusterName, settings);
}

/** A cluster without endpoints: for a destination whose service or subset does not exist, so that everything a route names exists. */
export function emptyCluster(name: string, settings: MeshSettings, service = clusterServiceText(name)): ClusterJson {
  const statName = clusterStatName(name);
  return defined<ClusterJson>({
    name,
    metadata: { filterMetadata: serviceMetadata(service) },
    altStatName: statName === name ? undefined : statName,
    type: "STATIC",
    connectTimeout: protoDuration(settings.connectTimeout),
    loadAssignment: { clusterName: name },
  });
}
