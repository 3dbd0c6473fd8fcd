// What is wrong with the Secrets that Gateways and DestinationRules name, said where they are named. Pure, given the credentials' state.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf, type Finding } from "../api/finding.ts";
import { gatewayHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { DestinationRule } from "../api/networking/destination-rule.ts";
import type { Gateway } from "../api/networking/gateway.ts";
import { resourceName } from "../api/resource.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { CredentialProblem, ServerCertificate } from "../ca/tls-credential.ts";
import { expiryNotice, isForHost } from "../ca/tls-credential.ts";
import type { MeshProxy } from "../model/mesh.ts";
import type { PlacedUse } from "./credential-uses.ts";
import { destinationRuleUses, gatewayUses } from "./credential-uses.ts";
import type { Credentials, PartProblem } from "./credentials.ts";

export interface FindingContext {
  readonly credentials: Credentials;
  /** Gateways' pods have the namespaces that Secrets are looked for in. */
  readonly proxies: ReadonlyMap<string, MeshProxy>;
  readonly nowMs: number;
}

/** All findings about credentials, in the order of their resources. */
export function credentialFindings(snapshot: Snapshot, context: FindingContext): readonly Diagnostic[] {
  const gateways = snapshot.list("Gateway").flatMap((gateway) => {
    const uses = gatewayUses(gateway);
    return uses.length === 0 ? [] : ofResource(gateway, uses, { namespaces: gatewayNamespaces(gateway, context), context });
  });
  const rules = snapshot.list("DestinationRule").flatMap((rule) => {
    const uses = destinationRuleUses(rule);
    return uses.flatMap((use) => ofResource(rule, [use], { namespaces: clientNamespaces(rule, use, context), context }));
  });
  return [...gateways, ...rules];
}

/** The namespaces of the pods that serve a Gateway; without pods nobody needs its Secrets. */
function gatewayNamespaces({ spec }: Gateway, { proxies }: FindingContext): readonly string[] {
  const serving = [...proxies.values()].filter(({ kind, labels }) => kind === "gateway" && labelsMatch(spec.selector, labels));
  return [...new Set(serving.map(({ namespace }) => namespace))].sort();
}

/** Whoever has such a Secret is a client that is meant; when nobody has, the rule's own namespace is named. */
function clientNamespaces({ metadata }: DestinationRule, { name }: PlacedUse, { credentials }: FindingContext): readonly string[] {
  const known = credentials.idsOf(name).map((id) => id.slice(0, id.indexOf("/")));
  return known.length === 0 ? [metadata.namespace] : known;
}

interface Place {
  readonly namespaces: readonly string[];
  readonly context: FindingContext;
}

function ofResource(
  resource: Gateway | DestinationRule,
  uses: readonly PlacedUse[],
  { namespaces, context }: Place,
): readonly Diagnostic[] {
  const findings = uses.flatMap((use) => namespaces.flatMap((namespace) => ofUse(use, namespace, { resource, context })));
  // One Secret may be named for its certificate and for its CAs.
  const unique = new Map(findings.map((finding) => [`${finding.path.join()} ${finding.message}`, finding]));
  return [...unique.values()].map((finding) => diagnosticOf(finding, resourceName(resource)));
}

function ofUse(
  use: PlacedUse,
  namespace: string,
  { resource, context }: { readonly resource: Gateway | DestinationRule; readonly context: FindingContext },
): readonly Finding[] {
  const { credentials, nowMs } = context;
  const id = `${namespace}/${use.name}`;
  const state = credentials.part(id, use.part);
  const what = `Secret ${state?.secret ?? id}`;
  if (state?.held === undefined) return [notServed(use, what, { problem: state?.problem, resource })];
  const { path } = use;
  const noun = use.part === "certificate" ? "its certificate" : "its CA certificate";
  const named = ({ message, fix }: CredentialProblem) => ({ path, message: `${what}: ${message}`, fix });
  if (state.problem !== undefined) {
    const { kind, message, fix } = state.problem;
    const effect = kind === "ended" ? "it is served all the same, for there is no better one" : "what was good before is still served";
    return [{ code: "LTN1002", path, message: `${what}: ${message}; ${effect}`, fix }];
  }
  const notice = expiryNotice(state.held, noun, nowMs);
  const flaws = [...state.flaws, ...issuerFlaws(state.held, nowMs), ...hostFlaws(use, state.held, resource)];
  return [
    ...(notice === undefined ? [] : [{ code: "LTN1003" as const, ...named(notice) }]),
    ...flaws.map((flaw) => ({ code: "LTN1004" as const, ...named(flaw) })),
  ];
}

function notServed(
  { path, name, part }: PlacedUse,
  what: string,
  { problem, resource }: { readonly problem: PartProblem | undefined; readonly resource: Gateway | DestinationRule },
): Finding {
  const effect = resource.kind === "Gateway" ? "this server is left out until it is there" : "connections that need it fail";
  const keys = part === "certificate" ? "tls.crt and tls.key" : "ca.crt";
  const create = `Create Secret ${name} with ${keys} there; a proxy reads only Secrets of its own namespace.`;
  const { message = "there is no such Secret", fix = create, kind = "missing" } = problem ?? {};
  return { code: kind === "missing" ? "LTN1001" : "LTN1002", path, message: `${what}: ${message}; ${effect}`, fix };
}

function issuerFlaws(held: object, nowMs: number): readonly CredentialProblem[] {
  if (!isServerCertificate(held) || held.issuersEndMs > nowMs) return [];
  const message = "a certificate of its issuers in the chain has expired";
  return [{ message, fix: "Store the issuers that are valid now; some clients refuse the others." }];
}

function hostFlaws({ server, part, path }: PlacedUse, held: object, resource: Gateway | DestinationRule): readonly CredentialProblem[] {
  if (server === undefined || part !== "certificate" || !isServerCertificate(held)) return [];
  // Of several certificates each is for some hosts or key types: what one lacks another may have.
  if (path.includes("credentialNames")) return [];
  const hosts = server.hosts.map((host) => gatewayHost(host, resource.metadata.namespace).host.toLowerCase());
  const other = hosts.filter((host) => host !== "*" && !isForHost(held, host));
  if (other.length === 0) return [];
  return [
    {
      message: `its certificate is not for ${other.join(", ")}`,
      fix: "Issue it for the server's hosts; clients will refuse it for others.",
    },
  ];
}

function isServerCertificate(held: object): held is ServerCertificate {
  return "leaf" in held;
}
