// The destinations of a split http route → Envoy's WeightedCluster, with the settled weights and the key under which RTDS moves them.

import type { WeightedCluster_ClusterWeightJson, WeightedClusterJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { defined } from "../../envoy/defined.ts";
import type { RouteRule } from "../../model/routes.ts";
import { normalizedWeights } from "../../model/weights.ts";
import { authorityOf, headerFields } from "./headers.ts";

/**
 * All members, in the order of the YAML, weight 0 included: Envoy adds up what RTDS says per member, so a member left out could
 * never get its share back, and sticky cohorts hold only while order and sum stay. The sum is 10,000, so never 0.
 */
export function weightedCluster(rule: RouteRule): WeightedClusterJson {
  const clusters = rule.targets.map(({ cluster }) => cluster);
  const distinct = new Set(clusters).size === clusters.length;
  const weights = rule.split?.settledWeights ?? normalizedWeights(rule.route.route.map(({ weight }) => weight ?? 0));
  return defined<WeightedClusterJson>({
    clusters: rule.targets.map((_, index) => clusterWeight(rule, index, weights[index] ?? 0)),
    // RTDS keys are made of cluster names: two members with one name would share one weight and change the sum.
    runtimeKeyPrefix: distinct ? rule.split?.runtimeKeyPrefix : undefined,
    useHashPolicy: rule.release?.cohort === undefined ? undefined : true,
  });
}

function clusterWeight(rule: RouteRule, index: number, weight: number): WeightedCluster_ClusterWeightJson {
  const headers = rule.route.route[index]?.headers;
  return defined<WeightedCluster_ClusterWeightJson>({
    name: rule.targets[index]?.cluster,
    weight,
    ...headerFields(headers),
    hostRewriteLiteral: authorityOf(headers),
  });
}
