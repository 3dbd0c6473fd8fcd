// The AuthorizationPolicies of one workload → the rules of Envoy's RBAC filters, one step of the evaluation after the other. Where they
// stand, in HTTP and in TCP chains, is in rbac-filters.ts.

import type { PermissionJson, PolicyJson, PrincipalJson, RBACJson as RulesJson } from "#envoy/envoy/config/rbac/v3/rbac_pb.js";
import type { AuthorizationPolicy, AuthorizationRule } from "../../api/security/authorization-policy.ts";
import { isDryRun } from "../../api/security/authorization-policy.ts";
import type { WorkloadPolicies } from "../../model/policies.ts";
import { conditionOf } from "./rbac-condition.ts";
import { allPermissions, operationPermissions } from "./rbac-permission.ts";
import { allOf, type RbacContext, sourcePrincipals } from "./rbac-principal.ts";

/** How policies are read; see RbacContext. */
export type RbacOptions = Pick<RbacContext, "trustDomains">;

/** "ns[shop]-policy[viewer]-rule[0]", as Istio names it: it stands in access logs and metrics of what it decided. */
export function rbacPolicyName({ metadata }: AuthorizationPolicy, rule: number): string {
  return `${policyName(metadata)}-rule[${rule}]`;
}

/** "ns[shop]-policy[viewer]-rule[none]": names the ALLOW policies of which no rule let a request in. */
export function rbacMissName(policies: readonly AuthorizationPolicy[]): string {
  return namesOf(policies.map(({ metadata }) => `${policyName(metadata)}-rule[none]`));
}

/** The policies of one filter together, as part of a metric's name. */
export function rbacPolicyNames(policies: readonly AuthorizationPolicy[]): string {
  return namesOf(policies.map(({ metadata }) => policyName(metadata)));
}

function policyName({ namespace, name }: AuthorizationPolicy["metadata"]): string {
  return `ns[${namespace}]-policy[${name}]`;
}

/** Names stand in every log line and metric, so a workload with very many policies doesn't get them all. */
const mostNames = 5;

function namesOf(names: readonly string[]): string {
  if (names.length <= mostNames) return names.join(",");
  return [...names.slice(0, mostNames), `and[${names.length - mostNames}]-more`].join(",");
}

/** What one filter enforces, and what it only records; the same fields in HTTP and in network filters. */
export interface RbacRules {
  readonly rules: RulesJson | undefined;
  readonly shadowRules: RulesJson | undefined;
  readonly shadowRulesStatPrefix: string | undefined;
}

/** A filter's place in the order of evaluation; see rbac-filters.ts. */
export type RbacStep = "deny" | "allow" | "allowMiss" | "audit";

/** Begins the metadata keys of policies that are only tried out (Istio's prefixes). */
const dryRunPrefix = { ALLOW: "istio_dry_run_allow_", DENY: "istio_dry_run_deny_" } as const;
/** The same for ALLOW policies that are enforced: what they say is recorded by one filter and carried out by the next, which can name them. */
const allowPrefix = "lateen_allow_";
const dryRunMissPrefix = "lateen_dry_run_allow_miss_";

export interface RbacInput {
  readonly policies: WorkloadPolicies;
  readonly options: RbacOptions;
  /** HTTP attributes can't be decided on a TCP port: an ALLOW rule with one is left out, others lose the attribute. */
  readonly isTcp: boolean;
}

/**
 * What one filter does; undefined when it has nothing to do.
 *
 * Envoy's ALLOW names nothing when it refuses ("none"). So ALLOW rules are only recorded, and the filter after them denies whatever isn't
 * recorded as allowed, under the policies' names. Without a record it denies too.
 */
export function rbacRules(step: RbacStep, input: RbacInput): RbacRules | undefined {
  const { deny, allow, audit } = input.policies;
  const enforced = (policies: readonly AuthorizationPolicy[]) => policies.filter((policy) => !isDryRun(policy));
  switch (step) {
    case "deny":
      return combined(actionRules("DENY", enforced(deny), input), actionRules("DENY", deny.filter(isDryRun), input), dryRunPrefix.DENY);
    case "allow":
      return combined(undefined, actionRules("ALLOW", enforced(allow), input), allowPrefix);
    case "allowMiss":
      return combined(
        missRules(enforced(allow), allowPrefix, input),
        actionRules("ALLOW", allow.filter(isDryRun), input),
        dryRunPrefix.ALLOW,
      );
    case "audit":
      return combined(
        actionRules("AUDIT", enforced(audit), input),
        missRules(allow.filter(isDryRun), dryRunPrefix.ALLOW, input),
        dryRunMissPrefix,
      );
  }
}

function combined(rules: RulesJson | undefined, shadowRules: RulesJson | undefined, prefix: string): RbacRules | undefined {
  if (rules === undefined && shadowRules === undefined) return undefined;
  return { rules, shadowRules, shadowRulesStatPrefix: shadowRules === undefined ? undefined : prefix };
}

/** Denies what the filter before did not record as allowed. */
function missRules(policies: readonly AuthorizationPolicy[], prefix: string, { isTcp }: RbacInput): RulesJson | undefined {
  if (policies.length === 0) return undefined;
  const filter = isTcp ? "envoy.filters.network.rbac" : "envoy.filters.http.rbac";
  const path = [{ key: `${prefix}shadow_engine_result` }];
  const isAllowed: PermissionJson = {
    sourcedMetadata: { metadataMatcher: { filter, path, value: { stringMatch: { exact: "allowed" } } } },
  };
  return {
    action: "DENY",
    policies: { [rbacMissName(policies)]: { principals: [{ any: true }], permissions: [{ notRule: isAllowed }] } },
  };
}

const envoyAction = { ALLOW: "ALLOW", DENY: "DENY", AUDIT: "LOG" } as const;

/** Rules of all policies together; undefined without policies. No rule at all is a value: with ALLOW it denies everything. */
function actionRules(
  action: keyof typeof envoyAction,
  policies: readonly AuthorizationPolicy[],
  { options, isTcp }: RbacInput,
): RulesJson | undefined {
  if (policies.length === 0) return undefined;
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
