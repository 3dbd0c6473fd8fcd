// What the security policies make of every proxy, and what clients may assume of every pod. Read by translate (listeners, endpoints) and by
// the commands that explain policies.

import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { Pod } from "../api/kubernetes/pod.ts";
import type { Service } from "../api/kubernetes/service.ts";
import type { AuthorizationPolicy } from "../api/security/authorization-policy.ts";
import type { PeerAuthentication } from "../api/security/peer-authentication.ts";
import type { RequestAuthentication } from "../api/security/request-authentication.ts";
import { KeyedMemo, memoLast, sameItems, stableMap } from "./memo.ts";
import type { Endpoint, MeshProxy, MeshService, ProxySecurity } from "./mesh.ts";
import { decideHeldPhase, decideMtlsPhase, isMtlsSettled, isMtlsWidening, isSameMtls, type MtlsPhase } from "./mtls-phases.ts";
import { authorizationPoliciesOf, mtlsOf, requestAuthenticationsOf, type WorkloadMtls, type WorkloadPolicies } from "./policies.ts";
import { compare } from "./visibility.ts";

/** By proxy id: what every proxy has acknowledged; the mesh's own record, handed back each time. */
export type MtlsPhases = ReadonlyMap<string, MtlsPhase>;

export interface SecurityInputs {
  readonly proxies: ReadonlyMap<string, MeshProxy>;
  readonly authorizationPolicies: readonly AuthorizationPolicy[];
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly requestAuthentications: readonly RequestAuthentication[];
  readonly rootNamespace: string;
  readonly acknowledged: MtlsPhases;
  /** What was pushed last, while not every proxy has acknowledged it. */
  readonly inFlight: MtlsPhases | undefined;
}

export interface Security {
  /** By proxy id, sorted. */
  readonly proxies: ReadonlyMap<string, ProxySecurity>;
  /** What this mesh pushes of each proxy's modes. */
  readonly phases: MtlsPhases;
  /** Whether some mode is still on its way: the next step follows when everybody has acknowledged this one. */
  readonly isMoving: boolean;
  /** Whether some server only now begins to accept both: clients must not yet count on it. */
  readonly isWidening: boolean;
}

/** Computes the security of all proxies; what did not change stays the same object. */
export function createSecurityIndex(): (inputs: SecurityInputs) => Security {
  const selected = new KeyedMemo<Selected>();
  const byProxy = new KeyedMemo<ProxySecurity>();
  const stablePolicies = new Map<string, WorkloadPolicies>();
  const proxyMap = stableMap<string, ProxySecurity>();
  const phaseMap = stableMap<string, MtlsPhase>();
  const compute = memoLast(
    (
      proxies: SecurityInputs["proxies"],
      acknowledged: MtlsPhases,
      inFlight: MtlsPhases | undefined,
      authorization: readonly AuthorizationPolicy[],
      peers: readonly PeerAuthentication[],
      requests: readonly RequestAuthentication[],
      rootNamespace: string,
    ): Security => {
      selected.generation();
      byProxy.generation();
      const phases = new Map<string, MtlsPhase>();
      const securities = new Map<string, ProxySecurity>();
      let isMoving = false;
      let isWidening = false;
      const all = { authorization, peers, requests, rootNamespace };
      for (const proxy of proxies.values()) {
        const key = [proxy, authorization, peers, requests, rootNamespace];
        const { wish, policies, authentications } = selected.get(proxy.id, key, () => selectedBy(proxy, all));
        const phase = phaseOf(wish, proxy.id, { acknowledged, inFlight });
        isMoving ||= !isMtlsSettled(wish, phase);
        isWidening ||= [acknowledged, inFlight].some((phases) => isMtlsWidening(phases?.get(proxy.id)?.server, phase.server));
        phases.set(proxy.id, phase);
        const stable = stablePoliciesOf(stablePolicies, proxy.id, policies);
        const make = () => ({ mtls: phase.server, policies: stable, authentications });
        securities.set(proxy.id, byProxy.get(proxy.id, [phase.server, stable, ...authentications], make));
      }
      for (const id of stablePolicies.keys()) if (!proxies.has(id)) stablePolicies.delete(id);
      return { proxies: proxyMap(securities), phases: phaseMap(phases), isMoving, isWidening };
    },
  );
  return (inputs) =>
    compute(
      inputs.proxies,
      inputs.acknowledged,
      inputs.inFlight,
      inputs.authorizationPolicies,
      inputs.peerAuthentications,
      inputs.requestAuthentications,
      inputs.rootNamespace,
    );
}

interface Selected {
  readonly wish: WorkloadMtls;
  readonly policies: WorkloadPolicies;
  readonly authentications: readonly RequestAuthentication[];
}

interface AllPolicies {
  readonly authorization: readonly AuthorizationPolicy[];
  readonly peers: readonly PeerAuthentication[];
  readonly requests: readonly RequestAuthentication[];
  readonly rootNamespace: string;
}

function selectedBy(proxy: MeshProxy, { authorization, peers, requests, rootNamespace }: AllPolicies): Selected {
  return {
    wish: mtlsOf(peers, proxy, rootNamespace),
    policies: authorizationPoliciesOf(authorization, proxy, rootNamespace),
    authentications: requestAuthenticationsOf(requests, proxy, rootNamespace),
  };
}

/** Where the proxy's modes stand next; the same object as before while nothing in it changed. */
function phaseOf(wish: WorkloadMtls, id: string, { acknowledged, inFlight }: Pick<SecurityInputs, "acknowledged" | "inFlight">): MtlsPhase {
  const before = (inFlight ?? acknowledged).get(id);
  const next = inFlight === undefined ? decideMtlsPhase(wish, before) : decideHeldPhase(wish, before);
  const isUnchanged = before !== undefined && isSameMtls(next.server, before.server) && isSameMtls(next.client, before.client);
  return isUnchanged ? before : next;
}

/** Keeps the policies' object while it holds the same policies. */
function stablePoliciesOf(known: Map<string, WorkloadPolicies>, id: string, next: WorkloadPolicies): WorkloadPolicies {
  const before = known.get(id);
  const isSame =
    before !== undefined &&
    sameItems(before.custom, next.custom) &&
    sameItems(before.deny, next.deny) &&
    sameItems(before.allow, next.allow) &&
    sameItems(before.audit, next.audit);
  if (isSame) return before;
  known.set(id, next);
  return next;
}

/** Endpoints with what clients may assume of their proxies; a list of which nothing changed stays the same. */
export function createEndpointSecurity(): (
  endpoints: ReadonlyMap<string, readonly Endpoint[]>,
  phases: MtlsPhases,
) => ReadonlyMap<string, readonly Endpoint[]> {
  const memo = new KeyedMemo<readonly Endpoint[]>();
  const stable = stableMap<string, readonly Endpoint[]>();
  return memoLast((endpoints: ReadonlyMap<string, readonly Endpoint[]>, phases: MtlsPhases) => {
    memo.generation();
    const secured = new Map<string, readonly Endpoint[]>();
    for (const [id, list] of endpoints) {
      const modes = list.map((endpoint) => clientMtls(endpoint, phases));
      secured.set(
        id,
        memo.get(id, [list, ...modes], () => list.map((endpoint, index) => withMtls(endpoint, modes[index]))),
      );
    }
    return stable(secured);
  });
}

function clientMtls({ workload }: Endpoint, phases: MtlsPhases): WorkloadMtls | undefined {
  return workload?.pod === undefined ? undefined : phases.get(`${workload.pod}.${workload.namespace}`)?.client;
}

function withMtls(endpoint: Endpoint, mtls: WorkloadMtls | undefined): Endpoint {
  return mtls === undefined ? endpoint : { ...endpoint, mtls };
}

export interface IdentityInputs {
  readonly services: ReadonlyMap<string, MeshService>;
  readonly kubernetesServices: readonly Service[];
  readonly pods: readonly Pod[];
  readonly trustDomains: readonly string[];
}

/** SPIFFE IDs by service id, as Mesh.identities says. */
export function createIdentityIndex(): (inputs: IdentityInputs) => ReadonlyMap<string, readonly string[]> {
  const known = new Map<string, { readonly text: string; readonly list: readonly string[] }>();
  const stable = stableMap<string, readonly string[]>();
  return ({ services, kubernetesServices, pods, trustDomains }) => {
    const selectors = new Map(kubernetesServices.map(({ metadata, spec }) => [`${metadata.namespace}/${metadata.name}`, spec.selector]));
    const selected = podsByLabel(pods);
    const result = new Map<string, readonly string[]>();
    for (const service of services.values()) {
      const selector = service.kind === "Service" ? selectors.get(`${service.namespace}/${service.name}`) : undefined;
      if (selector === undefined) continue;
      const accounts = new Set(selected(service.namespace, selector).map(({ spec }) => spec.serviceAccountName));
      if (accounts.size === 0) continue;
      const list = [...accounts].flatMap((account) =>
        trustDomains.map((domain) => `spiffe://${domain}/ns/${service.namespace}/sa/${account}`),
      );
      result.set(service.id, stableIdentities(known, service.id, list.toSorted(compare)));
    }
    for (const id of known.keys()) if (!result.has(id)) known.delete(id);
    return stable(result);
  };
}

/** Looks pods up by the first label of a selector, so that a service is compared with few of them; an empty selector selects none. */
function podsByLabel(pods: readonly Pod[]): (namespace: string, selector: Readonly<Record<string, string>>) => readonly Pod[] {
  const byLabel = new Map<string, Pod[]>();
  for (const pod of pods) {
    for (const [name, value] of Object.entries(pod.metadata.labels)) {
      const key = `${pod.metadata.namespace} ${name} ${value}`;
      const list = byLabel.get(key);
      if (list === undefined) byLabel.set(key, [pod]);
      else list.push(pod);
    }
  }
  return (namespace, selector) => {
    const [first] = Object.entries(selector);
    if (first === undefined) return [];
    return (byLabel.get(`${namespace} ${first[0]} ${first[1]}`) ?? []).filter(({ metadata }) => labelsMatch(selector, metadata.labels));
  };
}

function stableIdentities(
  known: Map<string, { readonly text: string; readonly list: readonly string[] }>,
  id: string,
  list: readonly string[],
): readonly string[] {
  const text = list.join(" ");
  const before = known.get(id);
  if (before?.text === text) return before.list;
  known.set(id, { text, list });
  return list;
}
