// Sends random requests to a real Envoy under random policies and compares what it does with what decideAccess says.

import type { AccessRequest } from "../../src/analyze/access/access-request.ts";
import { decideAccess } from "../../src/analyze/access/decide-access.ts";
import { normalizePath } from "../../src/analyze/access/normalize-path.ts";
import { isDryRun } from "../../src/api/security/authorization-policy.ts";
import type { PathNormalization } from "../../src/model/mesh.ts";
import { authorizationPoliciesOf, type WorkloadPolicies } from "../../src/model/policies.ts";
import { rbacMissName } from "../../src/translate/filter/rbac.ts";
import { rbacPerRoute } from "../../src/translate/filter/rbac-filters.ts";
import { type AccessCase, accessCases, accessClaims, accessClients, accessTrustDomains, type HttpCase } from "./access-cases.ts";
import { type RawConnection, type RawResponse, rawConnection } from "./raw-http.ts";
import { auditHeader, caseHeader, detailsHeader, metadataHeader, type RbacEnvoy, startRbacEnvoy, tokenHeader } from "./rbac-envoy.ts";

export interface Agreement {
  readonly requests: number;
  readonly allowed: number;
  /** 400: no policy is asked. */
  readonly refused: number;
  readonly audited: number;
  /** Of denials: how many name a DENY policy's rule. */
  readonly named: number;
  /** Cases in which the two differ, with all that is needed to look at them. */
  readonly disagreements: readonly string[];
}

const subject = { namespace: "a", labels: {} };
const options = { trustDomains: accessTrustDomains };

/** Runs all cases of a seed; `sets` × `requests` of them. */
export async function accessAgreement(size: {
  readonly seed: number;
  readonly sets: number;
  readonly requests: number;
  /** BASE when unset. */
  readonly pathNormalization?: PathNormalization;
}): Promise<Agreement> {
  const { pathNormalization = "BASE" } = size;
  await using envoy = await startRbacEnvoy({ pathNormalization });
  const cases = accessCases({ ...size, ports: [String(envoy.plainPort), String(envoy.tlsPort), "9999"] });
  const policies = cases.map((item) => authorizationPoliciesOf(item.policies, subject, "istio-system"));
  await envoy.load(new Map(policies.map((item, index) => [String(index), rbacPerRoute(item, options)])));
  const tokens = accessClaims.map((claims) => envoy.token(claims));
  const seen: Compared[] = [];
  // Each client's requests one after the other on its own connection, the clients side by side.
  await Promise.all(
    accessClients.map(async (_, client) => {
      using connection = connectionOf(client, envoy);
      for (const [index, { requests }] of cases.entries()) {
        for (const http of requests.filter((request) => request.client === client)) {
          const response = await connection.send({ ...http, headers: headersOf(http, { index, tokens }) });
          seen.push(compare({ http, response, envoy, policies: policies[index] ?? noPolicies, raw: cases[index], pathNormalization }));
        }
      }
    }),
  );
  const count = (kind: Compared["kind"]): number => seen.filter((item) => item.kind === kind).length;
  return {
    requests: seen.length,
    allowed: count("allowed"),
    refused: count("refused"),
    audited: seen.filter(({ isAudited }) => isAudited).length,
    named: seen.filter(({ isNamed }) => isNamed).length,
    disagreements: seen.flatMap(({ disagreement }) => (disagreement === undefined ? [] : [disagreement])),
  };
}

const noPolicies: WorkloadPolicies = { custom: [], deny: [], allow: [], audit: [] };

function connectionOf(client: number, envoy: RbacEnvoy): RawConnection {
  const { uri, dnsNames = [], address, serverName } = accessClients[client] ?? { address: "127.0.0.1", serverName: "" };
  if (uri === undefined) return rawConnection({ port: envoy.plainPort, localAddress: address });
  const certificate = envoy.authority.issue({ uri, dnsNames });
  return rawConnection({ port: envoy.tlsPort, localAddress: address, tls: { certificate, serverName } });
}

function headersOf(
  { headers, forwardedFor, claims }: HttpCase,
  { index, tokens }: { readonly index: number; readonly tokens: readonly string[] },
): readonly (readonly [string, string])[] {
  const more: readonly (readonly [string, string | undefined])[] = [
    ["x-forwarded-for", forwardedFor],
    [tokenHeader, claims === undefined ? undefined : tokens[claims]],
  ];
  return [
    [caseHeader, String(index)],
    ...headers,
    ...more.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  ];
}

function accessRequestOf(http: HttpCase, envoy: RbacEnvoy): AccessRequest {
  const { uri, address, serverName } = accessClients[http.client] ?? { address: "", serverName: "" };
  const claims = http.claims === undefined ? undefined : accessClaims[http.claims];
  const attributes = { method: http.method, authority: http.host, path: http.path, headers: http.headers };
  return {
    peer: uri === undefined ? [] : [uri],
    sourceIp: address,
    remoteIp: http.forwardedFor ?? address,
    destinationIp: "127.0.0.1",
    destinationPort: uri === undefined ? envoy.plainPort : envoy.tlsPort,
    serverName,
    http: claims === undefined ? attributes : { ...attributes, claims },
  };
}

interface Compared {
  readonly kind: "allowed" | "denied" | "refused";
  readonly isAudited: boolean;
  readonly isNamed: boolean;
  readonly disagreement?: string;
}

function compare(input: {
  readonly http: HttpCase;
  readonly response: RawResponse;
  readonly envoy: RbacEnvoy;
  readonly policies: WorkloadPolicies;
  readonly raw: AccessCase | undefined;
  readonly pathNormalization: PathNormalization;
}): Compared {
  const { http, response, envoy, policies, raw, pathNormalization } = input;
  const decision = decideAccess(policies, accessRequestOf(http, envoy), { ...options, pathNormalization });
  const isRefused = normalizePath(http.path, pathNormalization) === undefined;
  const isMiss = decision.policy === undefined;
  const missed = policies.allow.filter((policy) => !isDryRun(policy));
  const rule = decision.policy === undefined ? rbacMissName(missed) : nameOf(decision.policy, decision.rule ?? 0);
  const details = response.headers[detailsHeader] ?? "";
  const expected = isRefused
    ? { status: 400, details }
    : decision.allowed
      ? { status: 200, details: "" }
      : { status: 403, details: `rbac_access_denied_matched_policy[${rule}]` };
  const isAudited = response.headers[auditHeader] === "true";
  const agrees =
    response.status === expected.status &&
    details === expected.details &&
    (response.status !== 200 || isAudited === decision.audited.length > 0);
  const kind = isRefused ? "refused" : decision.allowed ? "allowed" : "denied";
  const result = { kind, isAudited, isNamed: kind === "denied" && !isMiss } as const;
  if (agrees) return result;
  const client = accessClients[http.client];
  const rules = raw?.policies.map(({ metadata: { name, namespace, annotations }, spec }) => ({ name, namespace, annotations, spec }));
  const got = { status: response.status, details, metadata: response.headers[metadataHeader], isAudited };
  return { ...result, disagreement: compact({ client, http, rules, expected, decision, got }) };
}

/** "AuthorizationPolicy a/p0", rule 1 → "ns[a]-policy[p0]-rule[1]". */
function nameOf(policy: string, rule: number): string {
  const [namespace = "", name = ""] = (policy.split(" ")[1] ?? "").split("/");
  return `ns[${namespace}]-policy[${name}]-rule[${rule}]`;
}

/** As JSON without empty lists. */
function compact(value: object): string {
  return JSON.stringify(value, (_, part: unknown) => (Array.isArray(part) && part.length === 0 ? undefined : part));
}
