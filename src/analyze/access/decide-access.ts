// Who may call what: the AuthorizationPolicies of a workload and one request in, the decision and its reason out. Pure; for `lateen policy can`.

import { resourceName } from "../../api/resource.ts";
import type { AuthorizationPolicy } from "../../api/security/authorization-policy.ts";
import { isDryRun } from "../../api/security/authorization-policy.ts";
import type { WorkloadPolicies } from "../../model/policies.ts";
import type { AccessOptions, AccessRequest } from "./access-request.ts";
import { asksForHttp, ruleMatches } from "./match-rule.ts";
import { normalizePath } from "./normalize-path.ts";

export interface AccessDecision {
  readonly allowed: boolean;
  /** One sentence that names what decided. */
  readonly reason: string;
  /** "AuthorizationPolicy shop/viewer"; undefined when no single policy decided. */
  readonly policy?: string;
  /** Index of the rule of that policy. */
  readonly rule?: number;
  /** AUDIT policies that mark the request. */
  readonly audited: readonly string[];
  /** What it would be if the policies that are only tried out were enforced; undefined when there are none. */
  readonly dryRun?: Omit<AccessDecision, "dryRun">;
}

/** Decides as the server's proxy would: mutual TLS, then DENY, then ALLOW, then the default. */
export function decideAccess(policies: WorkloadPolicies, given: AccessRequest, options: AccessOptions): AccessDecision {
  if (options.mtls === "STRICT" && given.peer.length === 0) {
    return {
      allowed: false,
      reason: "the port takes mutual TLS only (PeerAuthentication STRICT), and the client speaks plaintext",
      audited: [],
    };
  }
  // Without TLS nobody shows a certificate, so no client has an identity.
  const request = options.mtls === "DISABLE" ? { ...given, peer: [], serverName: "" } : given;
  const all = [...policies.deny, ...policies.allow, ...policies.audit];
  const decision = decide(enforcedOf(policies), request, options);
  return all.some(isDryRun) ? { ...decision, dryRun: decide(policies, request, options) } : decision;
}

function enforcedOf({ custom, deny, allow, audit }: WorkloadPolicies): WorkloadPolicies {
  const enforced = (list: readonly AuthorizationPolicy[]): readonly AuthorizationPolicy[] => list.filter((policy) => !isDryRun(policy));
  return { custom, deny: enforced(deny), allow: enforced(allow), audit: enforced(audit) };
}

function decide({ deny, allow, audit }: WorkloadPolicies, request: AccessRequest, options: AccessOptions): AccessDecision {
  if (request.http !== undefined && normalizePath(request.http.path, options.pathNormalization) === undefined) {
    return { allowed: false, reason: "Envoy answers 400: the path is not a valid one", audited: [] };
  }
  const denial = firstMatch(deny, request, options);
  if (denial !== undefined) return { allowed: false, reason: `denied by ${named(denial)}`, ...placeOf(denial), audited: [] };
  const audited = audit.filter((policy) => firstMatch([policy], request, options) !== undefined).map(resourceName);
  if (allow.length === 0)
    return { allowed: true, reason: "no ALLOW policy is for this workload, so what isn't denied is allowed", audited };
  const permission = firstMatch(allow, request, options);
  if (permission !== undefined) return { allowed: true, reason: `allowed by ${named(permission)}`, ...placeOf(permission), audited };
  return { allowed: false, reason: `no rule of the ALLOW policies matches: ${allow.map(resourceName).join(", ")}`, audited: [] };
}

interface Match {
  readonly policy: AuthorizationPolicy;
  readonly rule: number;
}

/** Of several the one that Envoy names: the first by the rules' names. */
function firstMatch(policies: readonly AuthorizationPolicy[], request: AccessRequest, options: AccessOptions): Match | undefined {
  const matches = policies.flatMap((policy) =>
    policy.spec.rules.flatMap((rule, index): readonly Match[] => {
      if (request.http === undefined && policy.spec.action === "ALLOW" && asksForHttp(rule)) return [];
      const context = { ...options, request, namespace: policy.metadata.namespace };
      return ruleMatches(rule, context) ? [{ policy, rule: index }] : [];
    }),
  );
  return matches.toSorted((a, b) => (nameInEnvoy(a) < nameInEnvoy(b) ? -1 : 1))[0];
}

function nameInEnvoy({ policy: { metadata }, rule }: Match): string {
  return `ns[${metadata.namespace}]-policy[${metadata.name}]-rule[${rule}]`;
}

function placeOf({ policy, rule }: Match): { readonly policy: string; readonly rule: number } {
  return { policy: resourceName(policy), rule };
}

function named({ policy, rule }: Match): string {
  return `${resourceName(policy)}, rule ${rule + 1}`;
}
