// The AuthorizationPolicies of one workload → Envoy's RBAC filters, HTTP and network. One filter per action, in the order of evaluation;
// what they enforce travels by per-route configuration, so a policy change touches no listener.

import type { PermissionJson, PolicyJson, PrincipalJson, RBACJson as RulesJson } from "#envoy/envoy/config/rbac/v3/rbac_pb.js";
import type { RBACJson as HttpRbacJson } from "#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.js";
import type { RBACJson as NetworkRbacJson } from "#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.js";
import type { AuthorizationPolicy, AuthorizationRule } from "../../api/security/authorization-policy.ts";
import { isDryRun } from "../../api/security/authorization-policy.ts";
import { defined } from "../../envoy/defined.ts";
import { conditionOf } from "./rbac-condition.ts";
import { allPermissions, operationPermissions } from "./rbac-permission.ts";
import { allOf, type RbacContext, sourcePrincipals } from "./rbac-principal.ts";

/** Actions that RBAC filters carry out. */
export type RbacAction = "ALLOW" | "DENY" | "AUDIT";

/** How policies are read; see RbacContext. */
export type RbacOptions = Pick<RbacContext, "trustDomains">;

/** "ns[shop]-policy[viewer]-rule[0]", as Istio names it: it stands in access logs and metrics of what it decided. */
export function rbacPolicyName({ metadata }: AuthorizationPolicy, rule: number): string {
  return `ns[${metadata.namespace}]-policy[${metadata.name}]-rule[${rule}]`;
}

/** Begins the metadata keys and metric names of policies that are only tried out (Istio's prefixes; AUDIT has none there). */
export const dryRunStatPrefix: Readonly<Record<RbacAction, string>> = {
  ALLOW: "istio_dry_run_allow_",
  DENY: "istio_dry_run_deny_",
  AUDIT: "istio_dry_run_audit_",
};

/** The HTTP filter for the policies of one action; undefined when there are none. Policies of other actions must not be among them. */
export function httpRbac(action: RbacAction, policies: readonly AuthorizationPolicy[], options: RbacOptions): HttpRbacJson | undefined {
  if (policies.length === 0) return undefined;
  const { rules, shadowRules } = enforcedAndDryRun({ action, policies, options, isTcp: false });
  return defined<HttpRbacJson>({
    rules,
    shadowRules,
    shadowRulesStatPrefix: shadowRules === undefined ? undefined : dryRunStatPrefix[action],
    // A metric per policy: http.<prefix>.rbac.policy.<name>.denied.
    trackPerRuleStats: true,
  });
}

/** The network filter for TCP ports. HTTP attributes can't be decided there: an ALLOW rule with one is left out, others lose the attribute. */
export function networkRbac(
  action: RbacAction,
  policies: readonly AuthorizationPolicy[],
  options: RbacOptions & { readonly statPrefix: string },
): NetworkRbacJson | undefined {
  if (policies.length === 0) return undefined;
  const { rules, shadowRules } = enforcedAndDryRun({ action, policies, options, isTcp: true });
  return defined<NetworkRbacJson>({
    statPrefix: options.statPrefix,
    rules,
    shadowRules,
    shadowRulesStatPrefix: shadowRules === undefined ? undefined : dryRunStatPrefix[action],
  });
}

interface ActionInput {
  readonly action: RbacAction;
  readonly policies: readonly AuthorizationPolicy[];
  readonly options: RbacOptions;
  readonly isTcp: boolean;
}

function enforcedAndDryRun(input: ActionInput): { readonly rules: RulesJson | undefined; readonly shadowRules: RulesJson | undefined } {
  const [enforced, tried] = [input.policies.filter((policy) => !isDryRun(policy)), input.policies.filter(isDryRun)];
  return {
    rules: enforced.length === 0 ? undefined : rulesOf({ ...input, policies: enforced }),
    shadowRules: tried.length === 0 ? undefined : rulesOf({ ...input, policies: tried }),
  };
}

const envoyAction = { ALLOW: "ALLOW", DENY: "DENY", AUDIT: "LOG" } as const;

/** Rules of all policies together. None at all is a value: with ALLOW it denies everything. */
function rulesOf({ action, policies, options, isTcp }: ActionInput): RulesJson {
  const entries = policies.flatMap((policy) =>
    policy.spec.rules.flatMap((rule, index) => {
      const context = { namespace: policy.metadata.namespace, trustDomains: options.trustDomains };
      const made = policyOf(rule, context, isTcp ? (action === "ALLOW" ? "leaveOut" : "widen") : "http");
      return made === undefined ? [] : [[rbacPolicyName(policy, index), made] as const];
    }),
  );
  return { action: envoyAction[action], policies: Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1))) };
}

/** What becomes of HTTP attributes: they act, their rule is left out, or it acts without them. */
type HttpAttributes = "http" | "leaveOut" | "widen";

/** One rule: one of its sources and one of its operations, and all conditions. */
function policyOf(rule: AuthorizationRule, context: RbacContext, mode: HttpAttributes): PolicyJson | undefined {
  const sources = rule.from.map(({ source }) => (source === undefined ? [] : sourcePrincipals(source, context)));
  const operations = rule.to.map(({ operation }) => (operation === undefined ? [] : operationPermissions(operation)));
  const conditions = rule.when.map((condition) => conditionOf(condition, context));
  if (mode === "leaveOut" && [...sources, ...operations, conditions].flat().some(({ httpOnly }) => httpOnly)) return undefined;
  const acts = ({ httpOnly }: { readonly httpOnly: boolean }): boolean => mode === "http" || !httpOnly;
  const acting = conditions.filter(acts);
  const withConditions = (principals: readonly PrincipalJson[]): PrincipalJson =>
    allOf([...principals, ...acting.flatMap((condition) => condition.principals)]);
  const withPermissions = (permissions: readonly PermissionJson[]): PermissionJson =>
    allPermissions([...permissions, ...acting.flatMap((condition) => condition.permissions)]);
  return {
    principals:
      sources.length === 0
        ? [withConditions([])]
        : sources.map((all) => withConditions(all.filter(acts).map(({ principal }) => principal))),
    permissions:
      operations.length === 0
        ? [withPermissions([])]
        : operations.map((all) => withPermissions(all.filter(acts).map(({ permission }) => permission))),
  };
}
