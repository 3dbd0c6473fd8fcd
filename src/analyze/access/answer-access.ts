// May this workload call that one, and why: words and a request in, an answer with everything that decided out. Pure; the server of
// `lateen policy can`.

import type { JsonObject } from "../../api/json.ts";
import { resourceName } from "../../api/resource.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { meshServerName } from "../../envoy/names.ts";
import { policyLookup } from "../../model/destinations.ts";
import type { DestinationPolicy, Mesh } from "../../model/mesh.ts";
import { authorizationPoliciesOf, decidingPeerAuthentication, mtlsModeOf, mtlsOf, requestAuthenticationsOf } from "../../model/policies.ts";
import { byAge } from "../../model/visibility.ts";
import type { AccessRequest } from "./access-request.ts";
import { type AccessDecision, decideAccess } from "./decide-access.ts";
import { neededOf } from "./needed.ts";
import { type Party, type PartyGroup, partyOf, type Unknown } from "./party.ts";
import { type ChosenPort, declaredPorts, portOf } from "./port-choice.ts";
import { type Transport, transportOf } from "./transport.ts";

export interface AccessQuestion {
  readonly from: string;
  readonly to: string;
  /** Of words that don't say theirs. */
  readonly namespace: string;
  readonly port?: string | undefined;
  /** GET when only a path is given. */
  readonly method?: string | undefined;
  /** "/" when only a method is given. */
  readonly path?: string | undefined;
  /** Host header; the service's full name when unset. */
  readonly host?: string | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Payload of a token with a good signature; who trusts its issuer is decided here. */
  readonly claims?: JsonObject | undefined;
}

export interface AccessAnswer {
  readonly allowed: boolean;
  /** One sentence that names what decided. */
  readonly reason: string;
  readonly from: { readonly name: string; readonly proxy: "sidecar" | "gateway" | "none"; readonly identity: string };
  readonly to: {
    readonly name: string;
    readonly proxy: "sidecar" | "gateway" | "none";
    /** Of the application. */
    readonly port: number;
    readonly servicePort?: number;
    readonly protocol: string;
  };
  /** "GET web.shop.svc.cluster.local/a"; undefined for TCP. */
  readonly request?: string;
  readonly transport: Transport;
  readonly mtls: { readonly mode: string; readonly source?: string };
  /** The policy that decided, with its rule as written. */
  readonly policy?: { readonly name: string; readonly rule?: number; readonly manifest: JsonObject };
  /** Policies that mark the request. */
  readonly audited: readonly string[];
  /** What it would be with the policies that are only tried out. */
  readonly dryRun?: { readonly allowed: boolean; readonly reason: string };
  /** What would let it through, when it isn't allowed. */
  readonly needed: readonly string[];
  /** Other pods of the same words get another answer. */
  readonly differs: boolean;
}

/** All that the answer depends on. */
export interface AccessWorld {
  readonly mesh: Pick<Mesh, "services" | "settings">;
  readonly snapshot: Snapshot;
}

/** Answers for all pods that the words mean: allowed when every one of them may. */
export function answerAccess(question: AccessQuestion, world: AccessWorld): AccessAnswer | Unknown {
  const { namespace } = question;
  const from = partyOf(question.from, world.snapshot, { namespace, prefer: ["Deployment", "Pod", "Service"] });
  if ("problem" in from) return from;
  const to = partyOf(question.to, world.snapshot, { namespace, prefer: ["Service", "Deployment", "Pod"] });
  if ("problem" in to) return to;
  for (const { name, parties } of [from, to]) {
    if (parties.length === 0) return { problem: `${name} has no pods and no Deployment that makes them`, fix: "name a workload with pods" };
  }
  const wantsHttp = question.method !== undefined || question.path !== undefined;
  const port = portOf(declaredPorts(to, world.snapshot, world.mesh.services), to, { port: question.port, wantsHttp });
  if ("problem" in port) return port;
  const pairs = distinct(from.parties).flatMap((client) => distinct(to.parties).map((server) => ({ client, server })));
  const answers = pairs.map((pair) => answerPair(question, world, { ...pair, port, from, to }));
  const denied = answers.find(({ allowed }) => !allowed);
  const [first] = answers;
  const answer = denied ?? first;
  if (answer === undefined) return { problem: "nothing is asked for", fix: "name two workloads" };
  return { ...answer, differs: answers.some(({ allowed }) => allowed !== answer.allowed) };
}

/** Of pods that policies can't tell apart, one. */
function distinct(parties: readonly Party[]): readonly Party[] {
  return [...new Map(parties.map((party) => [JSON.stringify([party.labels, party.serviceAccount, party.proxy]), party])).values()];
}

interface Pair {
  readonly client: Party;
  readonly server: Party;
  readonly port: ChosenPort;
  readonly from: PartyGroup;
  readonly to: PartyGroup;
}

function answerPair(question: AccessQuestion, world: AccessWorld, pair: Pair): AccessAnswer {
  const { client, server, port, from, to } = pair;
  const { settings } = world.mesh;
  const target = port.targetOf(server) ?? port.servicePort?.number ?? 0;
  const serverMtls = serverModeOf(world, server, target);
  const transport = transportOf({
    settings,
    client: client.proxy,
    policy: destinationPolicyOf(world, client, port),
    port: port.servicePort?.number ?? target,
    server: { mode: server.proxy === undefined ? undefined : serverMtls.mode, source: serverMtls.source },
  });
  const identity = `spiffe://${settings.trustDomain}/ns/${client.namespace}/sa/${client.serviceAccount}`;
  const token = tokenOf(question, world, server);
  const request = requestOf(token.claims === question.claims ? question : { ...question, claims: token.claims }, pair, {
    transport,
    identity,
    target,
  });
  const policies = authorizationPoliciesOf(world.snapshot.list("AuthorizationPolicy"), server, settings.rootNamespace);
  const { trustDomain, trustDomainAliases, pathNormalization } = settings;
  const options = { trustDomains: [trustDomain, ...trustDomainAliases], mtls: serverMtls.mode, pathNormalization };
  const refusal = transport.refusal ?? (request.http === undefined ? undefined : token.refusal);
  const enforced = () => (refusal === undefined ? decideAccess(policies, request, options) : refused(refusal));
  const decision = server.proxy === undefined ? notEnforced : enforced();
  return {
    ...pick(decision),
    from: { name: from.name, proxy: client.proxy ?? "none", identity: transport.kind === "mtls" ? identity : "" },
    to: {
      name: to.name,
      proxy: server.proxy ?? "none",
      port: target,
      ...(port.servicePort === undefined ? {} : { servicePort: port.servicePort.number }),
      protocol: port.servicePort?.protocol ?? "tcp",
    },
    ...(request.http === undefined ? {} : { request: `${request.http.method} ${request.http.authority}${request.http.path}` }),
    transport,
    mtls:
      server.proxy === undefined
        ? { mode: "none" }
        : { mode: serverMtls.mode, ...(serverMtls.source === undefined ? {} : { source: serverMtls.source }) },
    ...policyPart(decision, world),
    needed: decision.allowed ? [] : neededOf({ decision, transport, policies, request, options, identity, client: from.name }),
    differs: false,
  };
}

const notEnforced: AccessDecision = {
  allowed: true,
  reason: "the server has no sidecar, so nothing is enforced: anybody may call it",
  audited: [],
};

function refused(reason: string): AccessDecision {
  return { allowed: false, reason, audited: [] };
}

function pick({ allowed, reason, audited, dryRun }: AccessDecision): Pick<AccessAnswer, "allowed" | "reason" | "audited" | "dryRun"> {
  return { allowed, reason, audited, ...(dryRun === undefined ? {} : { dryRun: { allowed: dryRun.allowed, reason: dryRun.reason } }) };
}

function serverModeOf({ mesh, snapshot }: AccessWorld, server: Party, port: number) {
  const { rootNamespace } = mesh.settings;
  const all = snapshot.list("PeerAuthentication");
  const deciding = decidingPeerAuthentication(all, server, { rootNamespace, port });
  return {
    mode: mtlsModeOf(mtlsOf(all, server, rootNamespace), port),
    source: deciding === undefined ? undefined : resourceName(deciding),
  };
}

function destinationPolicyOf({ mesh, snapshot }: AccessWorld, client: Party, { service }: ChosenPort): DestinationPolicy | undefined {
  if (service === undefined) return undefined;
  const hosts = new Set([...mesh.services.values()].map(({ hostname }) => hostname));
  const rules = byAge(snapshot.list("DestinationRule"));
  return policyLookup({ rules, exists: (host) => hosts.has(host), rootNamespace: mesh.settings.rootNamespace })(client, service);
}

interface Token {
  /** What policies see of the token. */
  readonly claims: JsonObject | undefined;
  /** Why the request is refused before any policy sees it. */
  readonly refusal?: string;
}

/** A token counts when a RequestAuthentication of the server trusts its issuer; where none is, nobody reads it. */
function tokenOf({ claims }: AccessQuestion, { mesh, snapshot }: AccessWorld, server: Party): Token {
  if (claims === undefined) return { claims };
  const all = requestAuthenticationsOf(snapshot.list("RequestAuthentication"), server, mesh.settings.rootNamespace);
  const rules = all.flatMap(({ spec }) => spec.jwtRules);
  if (rules.length === 0) return { claims: undefined };
  const issuer = claims["iss"];
  if (rules.some((rule) => rule.issuer === undefined || rule.issuer === issuer)) return { claims };
  const names = all.map(resourceName).join(", ");
  return { claims, refusal: `401: no rule of ${names} trusts the token's issuer ${typeof issuer === "string" ? `"${issuer}"` : "(none)"}` };
}

interface Spoken {
  readonly transport: Transport;
  readonly identity: string;
  readonly target: number;
}

function requestOf(question: AccessQuestion, { client, server, port }: Pair, { transport, identity, target }: Spoken): AccessRequest {
  const { service, servicePort } = port;
  const number = servicePort?.number ?? target;
  const isMtls = transport.kind === "mtls";
  const authority = question.host ?? `${service?.hostname ?? server.address}${number === 80 ? "" : `:${number}`}`;
  const http = { method: question.method ?? "GET", authority, path: question.path ?? "/", headers: question.headers };
  return {
    peer: isMtls ? [identity] : [],
    sourceIp: client.address || unknownAddress,
    remoteIp: client.address || unknownAddress,
    destinationIp: server.address || unknownAddress,
    destinationPort: target,
    serverName: isMtls && service !== undefined ? meshServerName(number, "", service.hostname) : "",
    ...(port.isHttp ? { http: question.claims === undefined ? http : { ...http, claims: question.claims } } : {}),
  };
}

/** Of a pod that isn't there yet: in no range that anybody writes. */
const unknownAddress = "0.0.0.0";

function policyPart({ policy, rule }: AccessDecision, { snapshot }: AccessWorld): Pick<AccessAnswer, "policy"> {
  const found = snapshot.list("AuthorizationPolicy").find((candidate) => resourceName(candidate) === policy);
  if (policy === undefined || found === undefined) return {};
  const written = rule === undefined ? undefined : found.spec.rules[rule];
  const manifest = JSON.parse(JSON.stringify({ action: found.spec.action, rules: written === undefined ? [] : [withoutEmpty(written)] }));
  return { policy: { name: policy, ...(rule === undefined ? {} : { rule }), manifest } };
}

/** Leaves out the empty lists that stand for unset ones. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, child]) => !(Array.isArray(child) && child.length === 0))
      .map(([key, child]) => [key, withoutEmpty(child)]),
  );
}
