// Where the RBAC filters stand: fixed filters without rules in every inbound chain, and what a route tells them to enforce.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { RBACPerRouteSchema, RBACSchema } from "#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.js";
import type { HttpFilterJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { RBACSchema as NetworkRbacSchema } from "#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.js";
import { any } from "../../envoy/any.ts";
import type { WorkloadPolicies } from "../../model/policies.ts";
import { httpRbac, networkRbac, type RbacAction, type RbacOptions } from "./rbac.ts";

interface RbacFilterRow {
  readonly action: RbacAction;
  /** Name of the filter, which is the key of its per-route configuration. */
  readonly name: string;
  readonly policies: (policies: WorkloadPolicies) => WorkloadPolicies["allow"];
  readonly reason: string;
}

/** In the order of evaluation. A filter for CUSTOM will stand before them. */
export const rbacFilterTable: readonly RbacFilterRow[] = [
  { action: "DENY", name: "lateen.rbac.deny", policies: ({ deny }) => deny, reason: "A DENY wins over every ALLOW." },
  { action: "ALLOW", name: "lateen.rbac.allow", policies: ({ allow }) => allow, reason: "One ALLOW policy makes denial the default." },
  { action: "AUDIT", name: "lateen.rbac.audit", policies: ({ audit }) => audit, reason: "Marks what was let in." },
];

/** The HTTP filters of an inbound chain; without per-route configuration they let everything pass. */
export function rbacHttpFilters(): HttpFilterJson[] {
  return rbacFilterTable.map(({ name }) => ({ name, typedConfig: any(RBACSchema, {}) }));
}

/** typed_per_filter_config of a route or virtual host: what the policies of the workload enforce. Empty when there are none. */
export function rbacPerRoute(policies: WorkloadPolicies, options: RbacOptions): Record<string, AnyJson> {
  const entries = rbacFilterTable.flatMap((row) => {
    const rbac = httpRbac(row.action, row.policies(policies), options);
    return rbac === undefined ? [] : [[row.name, any(RBACPerRouteSchema, { rbac })] as const];
  });
  return Object.fromEntries(entries);
}

/** The network filters of a TCP chain, in the order of evaluation; they stand before the TCP proxy. */
export function rbacNetworkFilters(policies: WorkloadPolicies, options: RbacOptions & { readonly statPrefix: string }): FilterJson[] {
  return rbacFilterTable.flatMap((row) => {
    const rbac = networkRbac(row.action, row.policies(policies), options);
    return rbac === undefined ? [] : [{ name: row.name, typedConfig: any(NetworkRbacSchema, rbac) }];
  });
}
