// Who a workload is: SPIFFE ids, trust domains and their aliases. Text in, checked value out; what isn't exactly an identity is no identity. Pure.

import { isDnsLabel, isDnsSubdomain } from "../api/names.ts";
import { BadInput } from "../lib/errors.ts";

/** A workload's identity: the service account it runs as. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Longest SPIFFE id in bytes (SPIFFE-ID §2.3). */
const maxIdBytes = 2048;
const scheme = "spiffe://";

/** A SPIFFE trust domain: at most 255 of lower-case letters, digits, ".", "-" and "_" (SPIFFE-ID §2.1). */
export function isTrustDomain(text: string): boolean {
  return text.length <= 255 && /^[a-z0-9._-]+$/.test(text);
}

/** What is wrong with an identity, one sentence; undefined when nothing is. */
export function spiffeIdProblem(id: SpiffeId): string | undefined {
  if (!isTrustDomain(id.trustDomain)) return `${quoted(id.trustDomain)} is not a trust domain`;
  if (!isDnsLabel(id.namespace)) return `${quoted(id.namespace)} is not the name of a namespace`;
  if (!isDnsSubdomain(id.serviceAccount)) return `${quoted(id.serviceAccount)} is not the name of a service account`;
  return undefined;
}

/**
 * Prints `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`, as Istio writes it.
 *
 * @throws BadInput when a part isn't a valid name: such an id could read as somebody else's.
 */
export function printSpiffeId(id: SpiffeId): string {
  const problem = spiffeIdProblem(id);
  if (problem !== undefined) {
    throw new BadInput(`no SPIFFE id can be made: ${problem}`, {
      fix: "use names as Kubernetes allows them: lower-case letters, digits and '-'",
    });
  }
  return `${scheme}${principalText(id)}`;
}

/** Reads exactly what printSpiffeId prints; undefined for everything else. */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > maxIdBytes || !text.startsWith(scheme)) return undefined;
  return parsePrincipal(text.slice(scheme.length));
}

/** Prints an identity as policies name it: the SPIFFE id without its scheme (Istio's `source.principals`). */
export function principalOf(id: SpiffeId): string {
  return printSpiffeId(id).slice(scheme.length);
}

/** Reads a principal without wildcards; undefined when it isn't one. */
export function parsePrincipal(text: string): SpiffeId | undefined {
  const [trustDomain, ns, namespace, sa, serviceAccount, ...more] = text.split("/");
  if (ns !== "ns" || sa !== "sa" || more.length > 0) return undefined;
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  const id = { trustDomain, namespace, serviceAccount };
  return spiffeIdProblem(id) === undefined ? id : undefined;
}

/** The trust domains of a mesh: the one it issues for, and others whose workloads count as its own (Istio's `trustDomainAliases`). */
export interface TrustDomains {
  readonly trustDomain: string;
  readonly aliases: readonly string[];
}

/** The same workload under every name the mesh knows it by: its own trust domain first, then the aliases; only itself when it is foreign. */
export function equivalentIds(id: SpiffeId, domains: TrustDomains): readonly SpiffeId[] {
  const known = [...new Set([domains.trustDomain, ...domains.aliases])];
  return known.includes(id.trustDomain) ? known.map((trustDomain) => ({ ...id, trustDomain })) : [id];
}

/** True when both are the same workload, aliases counted. */
export function isSameWorkload(a: SpiffeId, b: SpiffeId, domains: TrustDomains): boolean {
  if (a.namespace !== b.namespace || a.serviceAccount !== b.serviceAccount) return false;
  return equivalentIds(a, domains).some((id) => id.trustDomain === b.trustDomain);
}

function principalText({ trustDomain, namespace, serviceAccount }: SpiffeId): string {
  return `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
