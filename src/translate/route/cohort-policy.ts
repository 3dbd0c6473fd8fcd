// The hash by which a user picks one version of a split and keeps it → Envoy's hash policy for weighted clusters. docs/decisions/018.

import type { RouteAction_HashPolicyJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { CohortHash } from "../../model/releases/cohort.ts";

/**
 * The user's value behind the salt. It is the route's only policy: Envoy mixes several into one hash, which would then move with each of them,
 * and hosts that are chosen by a hash (consistentHash) stay with the user by this one.
 */
export function cohortPolicy({ header, pattern, salt }: CohortHash): RouteAction_HashPolicyJson {
  return {
    header: { headerName: header, regexRewrite: { pattern: { regex: pattern }, substitution: `${salt.replaceAll("\\", "\\\\")}:\\1` } },
  };
}
