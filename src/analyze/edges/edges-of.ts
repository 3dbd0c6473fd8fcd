// The proxies' counters and the mesh → edges: who called whom, how it travelled, and why it wasn't encrypted. Pure; the source of the counters
// is the caller's (src/app/proxy-counters.ts).

import { resourceName } from "../../api/resource.ts";
import type { PeerAuthentication } from "../../api/security/peer-authentication.ts";
import { parseOutboundClusterName, passthroughClusterName } from "../../envoy/names.ts";
import type { Endpoint, Mesh, MeshProxy, MeshService, PortProtocol } from "../../model/mesh.ts";
import { decidingPeerAuthentication, mtlsModeOf } from "../../model/policies.ts";
import { compare } from "../../model/visibility.ts";
import { type Transport, transportOf } from "../access/transport.ts";
import type { ClusterCounters, EndpointCounters, ProxyCounters } from "./counters.ts";
import { type Edge, type EdgeEnd, edgeKey, mergedEdge, workloadEnd } from "./edge.ts";
import { incomingEdges } from "./incoming-edges.ts";

export interface EdgeWorld {
  readonly mesh: Mesh;
  readonly peerAuthentications: readonly PeerAuthentication[];
  /** Names of pods without a proxy, "shop/legacy": who may call in plaintext. */
  readonly withoutProxy: readonly string[];
  /** By proxy id. */
  readonly counters: ReadonlyMap<string, ProxyCounters>;
}

/** All edges that ever carried something since the clients' proxies started; sorted. */
export function edgesOf(world: EdgeWorld): readonly Edge[] {
  const byAddress = new Map([...world.mesh.proxies.values()].map((proxy) => [proxy.address, proxy]));
  const place: Place = { ...world, byAddress };
  const outgoing = [...world.counters].flatMap(([id, counters]) => {
    const proxy = world.mesh.proxies.get(id);
    return proxy === undefined ? [] : counters.clusters.flatMap((cluster) => clusterEdges(proxy, cluster, place));
  });
  const merged = [...Map.groupBy(outgoing, edgeKey)].flatMap(([, same]) => mergedEdge(same));
  return [...merged, ...incomingEdges(place)].toSorted(
    (a, b) => compare(a.from.name, b.from.name) || compare(a.to.name, b.to.name) || a.port - b.port || compare(a.protocol, b.protocol),
  );
}

interface Place extends EdgeWorld {
  readonly byAddress: ReadonlyMap<string, MeshProxy>;
}

function clusterEdges(proxy: MeshProxy, cluster: ClusterCounters, place: Place): readonly Edge[] {
  return cluster.endpoints
    .filter(({ connections, active }) => connections > 0 || active > 0)
    .flatMap((endpoint) => {
      const parsed = parseOutboundClusterName(cluster.name);
      if (parsed !== undefined) return [serviceEdge({ proxy, cluster, endpoint, place, ...parsed })];
      if (cluster.name.startsWith("split|")) return [splitEdge({ proxy, cluster, endpoint, place })];
      return cluster.name === passthroughClusterName ? [passthroughEdge({ proxy, cluster, endpoint, place })] : [];
    });
}

interface Counted {
  readonly proxy: MeshProxy;
  readonly cluster: ClusterCounters;
  readonly endpoint: EndpointCounters;
  readonly place: Place;
}

interface Named {
  readonly host: string;
  readonly port: number;
  readonly subset: string;
}

function serviceEdge({ host, port, subset, ...counted }: Counted & Named): Edge {
  const { proxy, place } = counted;
  const directory = place.mesh.scopes.get(proxy.id)?.directory;
  const service = directory?.view(proxy.namespace).services.get(host) ?? serviceOf(place.mesh, host);
  const protocol: PortProtocol = service?.ports.find(({ number }) => number === port)?.protocol ?? "tcp";
  const { target, endpoint } = targetOf(counted, service, port);
  const expected = transportOf({
    settings: place.mesh.settings,
    client: proxy.kind,
    policy: service === undefined ? undefined : directory?.policies(proxy, service),
    port,
    subset,
    server: serverOf(counted, target, endpoint),
  });
  const isOutside =
    target === undefined && service?.kind === "ServiceEntry" && expected.kind === "plaintext" && expected.source === undefined;
  const reason = "the host is outside of the mesh, and no DestinationRule makes TLS for it";
  const to = target === undefined ? endpointEnd(endpoint, host) : workloadEnd(target);
  return edgeOf(counted, { to, target, port, protocol, expected: isOutside ? { ...expected, reason } : expected });
}

/** A weighted tcp or tls route: its members' policies are alike, and its endpoints are known by address. */
function splitEdge(counted: Counted): Edge {
  const { proxy, cluster, endpoint, place } = counted;
  const target = place.byAddress.get(hostOf(endpoint.address));
  const port = Number(cluster.name.split("|")[1] ?? 0);
  const expected = transportOf({
    settings: place.mesh.settings,
    client: proxy.kind,
    policy: undefined,
    port,
    server: serverOf(counted, target, undefined),
  });
  return edgeOf(counted, {
    to: target === undefined ? external(endpoint.address) : workloadEnd(target),
    target,
    port,
    protocol: "tcp",
    expected,
  });
}

function passthroughEdge(counted: Counted): Edge {
  const { address } = counted.endpoint;
  const target = counted.place.byAddress.get(hostOf(address));
  const base = { port: portIn(address), protocol: "unknown", target: undefined };
  if (target !== undefined) {
    const reason = "it was called by its address, not by a service: the proxies pass such bytes on as they are";
    return edgeOf(counted, { ...base, to: workloadEnd(target), expected: { kind: "plaintext", reason } });
  }
  const edge = edgeOf(counted, { ...base, to: external(hostOf(address)), expected: { kind: "plaintext" } });
  return { ...edge, encryption: "unknown", reason: "no Service or ServiceEntry is for it: the proxy passes the bytes on as they are" };
}

function serviceOf({ services }: Mesh, host: string): MeshService | undefined {
  return [...services.values()].find(({ hostname }) => hostname === host);
}

function targetOf(
  { endpoint: { address }, place }: Counted,
  service: MeshService | undefined,
  port: number,
): { readonly target: MeshProxy | undefined; readonly endpoint: Endpoint | undefined } {
  const endpoints = service === undefined ? [] : (place.mesh.endpoints.get(service.id) ?? []);
  const endpoint = endpoints.find((candidate) => `${candidate.address}:${candidate.ports[port]}` === address);
  return { target: place.byAddress.get(hostOf(address)), endpoint };
}

function serverOf({ endpoint, place }: Counted, target: MeshProxy | undefined, known: Endpoint | undefined) {
  if (target === undefined || target.kind === "gateway") return { mode: undefined, source: undefined };
  const port = portIn(endpoint.address);
  const { rootNamespace } = place.mesh.settings;
  const deciding = decidingPeerAuthentication(place.peerAuthentications, target, { rootNamespace, port });
  const mtls = known?.mtls ?? place.mesh.mtls.phases.get(target.id)?.client;
  return {
    mode: mtls === undefined ? undefined : mtlsModeOf(mtls, port),
    source: deciding === undefined ? undefined : resourceName(deciding),
  };
}

interface Described {
  readonly to: EdgeEnd;
  readonly target: MeshProxy | undefined;
  readonly port: number;
  readonly protocol: string;
  /** What the configuration says; the counters decide. */
  readonly expected: Transport;
}

function edgeOf(counted: Counted, { to, target, port, protocol, expected }: Described): Edge {
  const { proxy, endpoint, place } = counted;
  const seen = seenOf(counted, target, expected);
  const carriesTls = protocol === "https" || protocol === "tls";
  const encryption = seen === "none" && carriesTls ? "application" : seen === "tls" && expected.kind !== "tls" ? "mtls" : seen;
  const isMutual = encryption === "mtls";
  const { connections, requests, active } = endpoint;
  const identity = (owner: MeshProxy | undefined) => (isMutual && owner !== undefined ? { identity: identityOf(owner, place.mesh) } : {});
  const why = isMutual ? {} : whyOf(encryption, expected);
  return {
    from: { ...workloadEnd(proxy), ...identity(proxy) },
    to: { ...to, ...identity(target) },
    port,
    protocol,
    encryption,
    ...why,
    connections,
    requests,
    active,
  };
}

/** What the counters say: handshakes are of the whole cluster, since its proxy started. */
function seenOf({ cluster, endpoint, place }: Counted, target: MeshProxy | undefined, expected: Transport): "tls" | "none" | "partly" {
  const { handshakes, connections } = cluster;
  if (handshakes === 0) return "none";
  if (handshakes >= connections) return "tls";
  // The server's proxy knows what is open now.
  const inbound = target === undefined ? undefined : place.counters.get(target.id)?.inbound.get(portIn(endpoint.address));
  if (inbound !== undefined && inbound.active > 0 && inbound.tlsActive === inbound.active) return "tls";
  if (inbound !== undefined && inbound.active > 0 && inbound.tlsActive === 0) return "none";
  // Endpoints of one cluster may differ: one of them has no sidecar.
  return expected.kind === "plaintext" && expected.reason !== undefined ? "none" : "partly";
}

function whyOf(encryption: Edge["encryption"], { kind, reason, source }: Transport): Pick<Edge, "reason" | "source"> {
  if (encryption === "application") return { reason: "the application's own TLS, which the proxies pass on" };
  if (encryption === "partly") return { reason: "some of the connections since the caller's proxy started were plaintext" };
  if (kind === "mtls") return { reason: "the configuration says mutual TLS by now; these connections are older" };
  return { ...(reason === undefined ? {} : { reason }), ...(source === undefined ? {} : { source }) };
}

/** A pod without a proxy, or a host outside. */
function endpointEnd(endpoint: Endpoint | undefined, host: string): EdgeEnd {
  const { workload } = endpoint ?? {};
  return workload === undefined ? external(host) : { name: `${workload.namespace}/${workload.name}`, kind: "workload" };
}

function external(host: string): EdgeEnd {
  return { name: host, kind: "external" };
}

function identityOf({ namespace, serviceAccount }: MeshProxy, { settings }: Mesh): string {
  return `spiffe://${settings.trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}

function portIn(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
