// Mutual TLS to workloads of the mesh: whom a client lets a server be, and which sockets its connections use.
// Source: Istio pilot/pkg/networking/core/cluster_tls.go.

import type { Cluster_TransportSocketMatchJson, ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { TransportSocketJson } from "#envoy/envoy/config/core/v3/base_pb.js";
import type { SubjectAltNameMatcherJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import { meshAlpn, meshHttpAlpn } from "../../envoy/names.ts";
import type { MeshService, MeshSettings, PortProtocol } from "../../model/mesh.ts";
import { isHttp } from "../../model/protocol.ts";
import { exactUri, meshTlsContext, rawSocket, upstreamTlsSocket } from "../tls-context.ts";

/** Endpoint metadata that chooses an endpoint's socket, as in Istio. */
export const socketMatchNamespace = "envoy.transport_socket_match";
/** What it says of an endpoint whose proxy accepts mutual TLS. */
export const mutualTlsEndpoint = { tlsMode: "istio" } as const;

export interface MeshPeer {
  readonly service: MeshService;
  /** Mesh.identities of the service. */
  readonly identities: readonly string[] | undefined;
}

/**
 * The SPIFFE IDs that servers may show: those the ServiceEntry names, else those of the service's pods; while there are none, all of the
 * service's namespace.
 */
export function peerNames(peers: readonly MeshPeer[], settings: MeshSettings): readonly SubjectAltNameMatcherJson[] {
  const trustDomains = [settings.trustDomain, ...settings.trustDomainAliases];
  const exact = new Set<string>();
  const prefixes = new Set<string>();
  for (const { service, identities } of peers) {
    for (const name of service.subjectAltNames ?? identities ?? []) exact.add(name);
    if (service.subjectAltNames !== undefined || identities !== undefined) continue;
    for (const domain of trustDomains) prefixes.add(`spiffe://${domain}/ns/${service.namespace}/sa/`);
  }
  return [
    ...[...exact].sort().map(exactUri),
    ...[...prefixes].sort().map((prefix): SubjectAltNameMatcherJson => ({ sanType: "URI", matcher: { prefix } })),
  ];
}

export interface MeshSocket {
  readonly peers: readonly SubjectAltNameMatcherJson[];
  readonly serverName: string;
  readonly protocol: PortProtocol;
  readonly settings: MeshSettings;
}

/** The socket of connections to workloads that accept mutual TLS. */
export function meshTlsSocket({ peers, serverName, protocol, settings }: MeshSocket): TransportSocketJson {
  // What the server's proxy shall find inside. Offered, never agreed upon: it looks at the list and goes by the bytes.
  const alpn = isHttp(protocol) || protocol === "detect" ? [meshHttpAlpn, meshAlpn] : [meshAlpn];
  return upstreamTlsSocket({ commonTlsContext: meshTlsContext({ parameters: settings.meshTls, alpn, peers }), sni: serverName });
}

/** Mutual TLS to the endpoints that accept it, plaintext to the others: an endpoint that changes over changes no cluster. */
export function socketPerEndpoint(socket: TransportSocketJson): Pick<ClusterJson, "transportSocketMatches"> {
  const matches: Cluster_TransportSocketMatchJson[] = [
    { name: "tlsMode-istio", match: mutualTlsEndpoint, transportSocket: socket },
    { name: "tlsMode-disabled", match: {}, transportSocket: rawSocket() },
  ];
  return { transportSocketMatches: matches };
}
