// A gateway's route configurations → the same with what its workload's AuthorizationPolicies enforce, in their heads: the virtual hosts stay the
// encoded ones that all gateways share.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { resourceName } from "../../api/resource.ts";
import { encodeJson } from "../../envoy/codec.ts";
import { composeRoutes, concatenate } from "../../envoy/composite.ts";
import type { EncodedResource, ResourceSet } from "../../envoy/config.ts";
import { memoObject } from "../../model/memo.ts";
import type { WorkloadPolicies } from "../../model/policies.ts";
import type { RbacOptions } from "../filter/rbac.ts";
import { rbacPerRoute } from "../filter/rbac-filters.ts";

/** Remembers; keep one per set of trust domains. */
export type GatewayPolicies = (routes: ResourceSet, policies: WorkloadPolicies) => ResourceSet;

/** Starts it. The same routes and equal policies give the same set, for all replicas of a gateway. */
export function createGatewayPolicies(options: RbacOptions): GatewayPolicies {
  const enforcedOf = memoObject((policies: WorkloadPolicies): Enforced => {
    const perFilter = rbacPerRoute(policies, options);
    return {
      perFilter,
      text: JSON.stringify(perFilter),
      sources: [policies.deny, policies.allow, policies.audit].flat().map(resourceName),
    };
  });
  const setsOf = memoObject((_: ResourceSet) => new Map<string, ResourceSet>());
  return (routes, policies) => {
    const enforced = enforcedOf(policies);
    if (Object.keys(enforced.perFilter).length === 0) return routes;
    const known = setsOf(routes);
    const set = known.get(enforced.text) ?? new Map([...routes].map(([name, resource]) => [name, withHead(resource, enforced)]));
    // Replicas ask for the same one; what a policy was before its last change is not asked for again.
    if (!known.has(enforced.text) && known.size >= mostVariants) known.clear();
    known.set(enforced.text, set);
    return set;
  };
}

const mostVariants = 16;

interface Enforced {
  readonly perFilter: Readonly<Record<string, AnyJson>>;
  readonly text: string;
  readonly sources: readonly string[];
}

function withHead(resource: EncodedResource, { perFilter, sources }: Enforced): EncodedResource {
  const { name, composite } = resource;
  if (composite === undefined) return resource;
  // Behind what the head says already: entries of a map add up.
  const more = encodeJson(RouteConfigurationSchema, { typedPerFilterConfig: { ...perFilter } });
  const made = composeRoutes(name, concatenate([composite.head, more]), composite.parts);
  return { ...made, sources: [...new Set([...made.sources, ...sources])].sort() };
}
