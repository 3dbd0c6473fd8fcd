// Sources and conditions of an AuthorizationPolicy → Envoy's Principal. Peers are matched by the URI SANs of a validated certificate only:
// principal_name takes DNS SANs too, and a DNS SAN may contain the text of another workload's URI.

import type { PrincipalJson } from "#envoy/envoy/config/rbac/v3/rbac_pb.js";
import { ConfigSchema as MtlsAuthenticatedSchema } from "#envoy/envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated_pb.js";
import type { StringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";
import type { AuthorizationSource } from "../../api/security/authorization-policy.ts";
import { any } from "../../envoy/any.ts";
import { requestPrincipal } from "./rbac-metadata.ts";
import { byNotation, cidrRange, regexLiteral, segmentRegex } from "./rbac-values.ts";

/** What a value means depends on where the policy stands and on the mesh's trust domains. */
export interface RbacContext {
  /** Of the policy. */
  readonly namespace: string;
  /** The mesh's own trust domain, then its aliases (MeshConfig trustDomain, trustDomainAliases). */
  readonly trustDomains: readonly string[];
}

/** Istio's name for "the mesh's own trust domain" in policies, whatever that is. */
const localTrustDomain = "cluster.local";

function uriSan(matcher: StringMatcherJson): PrincipalJson {
  const typedConfig = any(MtlsAuthenticatedSchema, { sanMatcher: { sanType: "URI", matcher } });
  return { custom: { name: "envoy.rbac.principals.mtls_authenticated", typedConfig } };
}

/** "td/ns/a/sa/b", prefix or suffix of it; the mesh's own trust domain stands for its aliases as well. */
export function peerPrincipal(value: string, { trustDomains }: RbacContext): PrincipalJson {
  const slash = value.indexOf("/");
  const domain = slash < 0 ? "" : value.slice(0, slash);
  const isOurs = domain === localTrustDomain || trustDomains.includes(domain);
  const values = isOurs && trustDomains.length > 0 ? trustDomains.map((name) => name + value.slice(slash)) : [value];
  return anyOf(values.map((text) => uriSan(spiffeId(text))));
}

function spiffeId(value: string): StringMatcherJson {
  return byNotation<StringMatcherJson>(value, {
    present: () => ({ safeRegex: { regex: "(?s)spiffe://.+" } }),
    suffix: (text) => ({ safeRegex: { regex: `(?s)spiffe://.*${regexLiteral(text)}` } }),
    prefix: (text) => ({ prefix: `spiffe://${text}` }),
    exact: (text) => ({ exact: `spiffe://${text}` }),
  });
}

/** A namespace of any trust domain. */
export function namespacePrincipal(value: string): PrincipalJson {
  return uriSan({ safeRegex: { regex: `spiffe://[^/]+/ns/${segmentRegex(value)}/sa/[^/]+` } });
}

/** "account" of the policy's namespace, or "namespace/account", of any trust domain. */
export function serviceAccountPrincipal(value: string, context: RbacContext): PrincipalJson {
  const slash = value.indexOf("/");
  const [namespace, account] = slash < 0 ? [context.namespace, value] : [value.slice(0, slash), value.slice(slash + 1)];
  return uriSan({ safeRegex: { regex: `spiffe://[^/]+/ns/${regexLiteral(namespace)}/sa/${regexLiteral(account)}` } });
}

/** A trust domain, aliases apart. */
export function trustDomainPrincipal(value: string): PrincipalJson {
  return uriSan({ safeRegex: { regex: `(?s)spiffe://${segmentRegex(value)}/.*` } });
}

/** The connection's other end. */
export function directIpPrincipal(block: string): PrincipalJson {
  return { directRemoteIp: cidrRange(block) };
}

/** The client as trusted hops tell it; the connection's other end when there are none. */
export function remoteIpPrincipal(block: string): PrincipalJson {
  return { remoteIp: cidrRange(block) };
}

type SourceField = "principals" | "requestPrincipals" | "namespaces" | "serviceAccounts" | "trustDomains" | "ipBlocks" | "remoteIpBlocks";

interface SourceRow {
  readonly field: SourceField;
  readonly notField: `not${Capitalize<SourceField>}`;
  readonly principal: (value: string, context: RbacContext) => PrincipalJson;
  /** Undecidable on a TCP port. */
  readonly httpOnly: boolean;
}

const sourceTable: readonly SourceRow[] = [
  { field: "principals", notField: "notPrincipals", principal: peerPrincipal, httpOnly: false },
  { field: "requestPrincipals", notField: "notRequestPrincipals", principal: requestPrincipal, httpOnly: true },
  { field: "namespaces", notField: "notNamespaces", principal: namespacePrincipal, httpOnly: false },
  { field: "serviceAccounts", notField: "notServiceAccounts", principal: serviceAccountPrincipal, httpOnly: false },
  { field: "trustDomains", notField: "notTrustDomains", principal: trustDomainPrincipal, httpOnly: false },
  { field: "ipBlocks", notField: "notIpBlocks", principal: directIpPrincipal, httpOnly: false },
  { field: "remoteIpBlocks", notField: "notRemoteIpBlocks", principal: remoteIpPrincipal, httpOnly: false },
];

/** All conditions of one source; those in `skipped` exist in HTTP only. */
export function sourcePrincipals(
  source: AuthorizationSource,
  context: RbacContext,
): readonly { readonly principal: PrincipalJson; readonly httpOnly: boolean }[] {
  return sourceTable.flatMap(({ field, notField, principal, httpOnly }) =>
    valuePrincipals({ values: source[field], notValues: source[notField] }, (value) => principal(value, context)).map((made) => ({
      principal: made,
      httpOnly,
    })),
  );
}

/** One of `values`, none of `notValues`; an empty list says nothing. */
export function valuePrincipals(
  { values, notValues }: { readonly values: readonly string[]; readonly notValues: readonly string[] },
  principal: (value: string) => PrincipalJson,
): readonly PrincipalJson[] {
  const wanted = values.length === 0 ? [] : [anyOf(values.map(principal))];
  return notValues.length === 0 ? wanted : [...wanted, { notId: anyOf(notValues.map(principal)) }];
}

/** At least one of them. */
export function anyOf(ids: readonly PrincipalJson[]): PrincipalJson {
  const [only] = ids;
  return only !== undefined && ids.length === 1 ? only : { orIds: { ids: [...ids] } };
}

/** All of them; anybody when there are none. */
export function allOf(ids: readonly PrincipalJson[]): PrincipalJson {
  const [only] = ids;
  if (only === undefined) return { any: true };
  return ids.length === 1 ? only : { andIds: { ids: [...ids] } };
}
