// Where the RBAC filters stand: fixed filters in every inbound chain, and what tells them what to enforce. HTTP filters are told by their
// routes (RDS), network filters are extensions of their own (ECDS), so a policy change touches no listener.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { RBACJson as HttpRbacJson } from "#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.js";
import { RBACPerRouteSchema, RBACSchema } from "#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.js";
import type { HttpFilterJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { RBACJson as NetworkRbacJson } from "#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.js";
import { RBACSchema as NetworkRbacSchema } from "#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.js";
import type { AuthorizationPolicy } from "../../api/security/authorization-policy.ts";
import { any, typeUrl } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import type { WorkloadPolicies } from "../../model/policies.ts";
import { adsConfigSource } from "../config-source.ts";
import type { RbacInput, RbacStep } from "./rbac.ts";
import { type RbacOptions, rbacPolicyNames, rbacRules } from "./rbac.ts";

interface RbacFilterRow {
  readonly step: RbacStep;
  /** Name of the filter, which is the key of its per-route configuration and the name of its extension. */
  readonly name: string;
  /** Whose names stand in a TCP filter's metrics, which know no rules. */
  readonly policies: (policies: WorkloadPolicies) => readonly AuthorizationPolicy[];
  readonly reason: string;
}

/** In the order of evaluation. A filter for CUSTOM will stand before them. */
export const rbacFilterTable: readonly RbacFilterRow[] = [
  { step: "deny", name: "lateen.rbac.deny", policies: ({ deny }) => deny, reason: "A DENY wins over every ALLOW." },
  { step: "allow", name: "lateen.rbac.allow", policies: ({ allow }) => allow, reason: "Records whether an ALLOW rule matches." },
  {
    step: "allowMiss",
    name: "lateen.rbac.allow-miss",
    policies: ({ allow }) => allow,
    reason: "Refuses what none allows, and names them.",
  },
  { step: "audit", name: "lateen.rbac.audit", policies: ({ audit }) => audit, reason: "Marks what was let in." },
];

/** The HTTP filters of an inbound chain; without per-route configuration they let everything pass. */
export function rbacHttpFilters(): HttpFilterJson[] {
  return rbacFilterTable.map(({ name }) => ({ name, typedConfig: any(RBACSchema, {}) }));
}

/** typed_per_filter_config of a route configuration, virtual host or route: what the workload's policies enforce. Empty without policies. */
export function rbacPerRoute(policies: WorkloadPolicies, options: RbacOptions): Record<string, AnyJson> {
  const entries = rbacFilterTable.flatMap(({ step, name }) => {
    const rules = rbacRules(step, { policies, options, isTcp: false });
    // A metric per rule: http.<prefix>.rbac.policy.<name>.denied.
    return rules === undefined
      ? []
      : [[name, any(RBACPerRouteSchema, { rbac: defined<HttpRbacJson>({ ...rules, trackPerRuleStats: true }) })] as const];
  });
  return Object.fromEntries(entries);
}

/** The network filters of a TCP chain, before the TCP proxy: what they enforce is asked for by name (`rbacExtensions`). */
export function rbacNetworkFilters(): FilterJson[] {
  return rbacFilterTable.map(({ name }) => ({
    name,
    configDiscovery: { configSource: adsConfigSource, typeUrls: [typeUrl(NetworkRbacSchema)] },
  }));
}

/** What the network filters enforce, by extension name; without policies they let everything pass, but they exist. */
export function rbacExtensions(policies: WorkloadPolicies, options: RbacOptions): ReadonlyMap<string, AnyJson> {
  const input: RbacInput = { policies, options, isTcp: true };
  return new Map(
    rbacFilterTable.map((row) => {
      const names = rbacPolicyNames(row.policies(policies));
      // "tcp.inbound.deny.ns[a]-policy[b].rbac.denied"
      const statPrefix = `tcp.inbound.${row.step}${names === "" ? "" : `.${names}`}`;
      return [row.name, any(NetworkRbacSchema, defined<NetworkRbacJson>({ statPrefix, ...rbacRules(row.step, input) }))] as const;
    }),
  );
}
