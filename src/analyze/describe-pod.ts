// Everything that concerns one pod: who it is, what it accepts and why, and which objects act on it. Pure; for `lateen describe pod`.

import { hostMatches, resolveHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { ContainerStatus, Pod } from "../api/kubernetes/pod.ts";
import { destinationsOf } from "../api/networking/destinations.ts";
import { resourceName } from "../api/resource.ts";
import { isDryRun } from "../api/security/authorization-policy.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { workloadOf } from "../model/endpoints.ts";
import type { InboundPort, Mesh } from "../model/mesh.ts";
import {
  authorizationPoliciesOf,
  decidingPeerAuthentication,
  mtlsModeOf,
  mtlsOf,
  mtlsText,
  requestAuthenticationsOf,
} from "../model/policies.ts";
import { proxyIdOf, proxyKindOf } from "../model/proxies.ts";

export interface PodFacts {
  /** "Pod shop/web-1". */
  readonly name: string;
  /** "shop/web". */
  readonly workload: string;
  readonly phase: string;
  readonly ready: boolean;
  /** Why it isn't ready, in the node's words. */
  readonly reason?: string;
  readonly address: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly containers: readonly ContainerFacts[];
  readonly proxy: "sidecar" | "gateway" | "none";
  readonly proxyId: string;
  readonly accepts: readonly PortFacts[];
  /** What its listeners accept now, while a change is on its way; undefined when everything has arrived. */
  readonly moving?: string;
  readonly authorizationPolicies: readonly PolicyFacts[];
  readonly requestAuthentications: readonly { readonly name: string; readonly issuers: readonly string[] }[];
  readonly services: readonly { readonly name: string; readonly ports: readonly string[] }[];
  readonly virtualServices: readonly string[];
  readonly destinationRules: readonly string[];
  readonly gateways: readonly string[];
}

export interface ContainerFacts {
  readonly name: string;
  readonly image: string;
  /** "running", "waiting: ImagePullBackOff", "ended with exit code 1". */
  readonly state: string;
  readonly ready: boolean;
  readonly restarts: number;
}

/** What one port accepts; without a port: all others. */
export interface PortFacts {
  readonly port?: number;
  readonly protocol?: string;
  readonly mode: string;
  /** The PeerAuthentication that says so; undefined for the default. */
  readonly source?: string;
}

export interface PolicyFacts {
  readonly name: string;
  readonly action: string;
  readonly rules: number;
  readonly dryRun: boolean;
}

export interface PodWorld {
  readonly mesh: Mesh;
  readonly snapshot: Snapshot;
}

/** The facts of a pod; undefined when there is none of that name. */
export function describePod(namespace: string, name: string, world: PodWorld): PodFacts | undefined {
  const pod = world.snapshot.get("Pod", namespace, name);
  if (pod === undefined) return undefined;
  const { metadata, spec, status } = pod;
  const readiness = status?.conditions.find(({ type }) => type === "Ready");
  const workload = workloadOf(pod);
  return {
    name: resourceName(pod),
    workload: `${workload.namespace}/${workload.name}`,
    phase: metadata.deletionTimestamp === undefined ? (status?.phase ?? "Pending") : "Terminating",
    ready: readiness?.status === "True",
    ...(readiness?.status === "True" || readiness?.message === undefined ? {} : { reason: readiness.message }),
    address: status?.podIP ?? "",
    createdAt: metadata.creationTimestamp,
    labels: metadata.labels,
    serviceAccount: spec.serviceAccountName,
    containers: (status?.containerStatuses ?? []).map(containerFacts),
    proxy: proxyKindOf(pod) ?? "none",
    proxyId: proxyIdOf(pod),
    ...securityFacts(pod, world),
    ...trafficFacts(pod, world),
  };
}

function containerFacts({ name, image, ready, restartCount, state }: ContainerStatus): ContainerFacts {
  const { waiting, terminated } = state ?? {};
  const waits = waiting === undefined ? "running" : `waiting: ${waiting.message || waiting.reason || "for its start"}`;
  return {
    name,
    image,
    state: terminated === undefined ? waits : `ended with exit code ${terminated.exitCode}`,
    ready,
    restarts: restartCount,
  };
}

type SecurityFacts = Pick<PodFacts, "accepts" | "moving" | "authorizationPolicies" | "requestAuthentications">;

function securityFacts(pod: Pod, { mesh, snapshot }: PodWorld): SecurityFacts {
  const { rootNamespace } = mesh.settings;
  const subject = { namespace: pod.metadata.namespace, labels: pod.metadata.labels };
  const { custom, deny, allow, audit } = authorizationPoliciesOf(snapshot.list("AuthorizationPolicy"), subject, rootNamespace);
  const peers = snapshot.list("PeerAuthentication");
  const wish = mtlsOf(peers, subject, rootNamespace);
  const present = mesh.security.get(proxyIdOf(pod))?.mtls;
  const sourceOf = (port: number) => {
    const deciding = decidingPeerAuthentication(peers, subject, { rootNamespace, port });
    return deciding === undefined ? {} : { source: resourceName(deciding) };
  };
  const inbound: readonly InboundPort[] = mesh.proxies.get(proxyIdOf(pod))?.inbound ?? [];
  const declared = inbound.map(({ port, servicePort }) => ({
    port,
    protocol: servicePort.protocol,
    mode: mtlsModeOf(wish, port),
    ...sourceOf(port),
  }));
  return {
    accepts: proxyKindOf(pod) === "sidecar" ? [...declared, { mode: wish.mode, ...sourceOf(0) }] : [],
    ...(present === undefined || mtlsText(present) === mtlsText(wish) ? {} : { moving: mtlsText(present) }),
    authorizationPolicies: [...custom, ...deny, ...allow, ...audit].map((policy) => ({
      name: resourceName(policy),
      action: policy.spec.action,
      rules: policy.spec.rules.length,
      dryRun: isDryRun(policy),
    })),
    requestAuthentications: requestAuthenticationsOf(snapshot.list("RequestAuthentication"), subject, rootNamespace).map((policy) => ({
      name: resourceName(policy),
      issuers: policy.spec.jwtRules.flatMap(({ issuer }) => issuer ?? []),
    })),
  };
}

type TrafficFacts = Pick<PodFacts, "services" | "virtualServices" | "destinationRules" | "gateways">;

function trafficFacts(pod: Pod, { mesh, snapshot }: PodWorld): TrafficFacts {
  const { namespace, labels } = pod.metadata;
  const selecting = snapshot
    .list("Service", namespace)
    .filter(({ spec }) => Object.keys(spec.selector).length > 0 && labelsMatch(spec.selector, labels));
  const own = [...mesh.services.values()].filter(
    (service) =>
      service.kind === "Service" && service.namespace === namespace && selecting.some(({ metadata }) => metadata.name === service.name),
  );
  const known = new Set([...mesh.services.values()].map(({ hostname }) => hostname));
  const isOwn = (host: string, from: string): boolean => {
    const resolved = resolveHost(host, from, (fqdn) => known.has(fqdn));
    return own.some(({ hostname }) => hostMatches(resolved, hostname));
  };
  return {
    services: own.map(({ source, ports }) => ({
      name: source,
      ports: ports.map(
        ({ number, name, protocol, targetPort }) => `${number}${name === "" ? "" : ` ${name}`} → ${targetPort} (${protocol})`,
      ),
    })),
    virtualServices: snapshot
      .list("VirtualService")
      .filter(
        (virtualService) =>
          virtualService.spec.hosts.some((host) => isOwn(host, virtualService.metadata.namespace)) ||
          [...destinationsOf(virtualService)].some(({ destination }) => isOwn(destination.host, virtualService.metadata.namespace)),
      )
      .map(resourceName),
    destinationRules: snapshot
      .list("DestinationRule")
      .filter(({ metadata, spec }) => isOwn(spec.host, metadata.namespace))
      .map(resourceName),
    gateways: snapshot
      .list("Gateway")
      .filter(({ spec }) => proxyKindOf(pod) === "gateway" && labelsMatch(spec.selector, labels))
      .map(resourceName),
  };
}
