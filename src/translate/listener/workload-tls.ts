// The server's side of mutual TLS between workloads → Envoy's DownstreamTlsContext.

import type { TransportSocketJson } from "#envoy/envoy/config/core/v3/base_pb.js";
import type { MeshSettings } from "../../model/mesh.ts";
import { downstreamTlsSocket, meshTlsContext } from "../tls-context.ts";

/**
 * Takes every workload of the mesh's trust domain and its aliases; who may do what is for AuthorizationPolicies to say. No protocol is
 * agreed upon (ALPN): what is inside goes by the client's offer and the bytes. Sessions are not resumed, because a resumed one isn't checked
 * again: each connection shows a certificate that is valid now.
 */
export function workloadTlsSocket({ trustDomain, trustDomainAliases, meshTls }: MeshSettings): TransportSocketJson {
  const peers = [trustDomain, ...trustDomainAliases].map((domain) => ({
    sanType: "URI" as const,
    matcher: { prefix: `spiffe://${domain}/` },
  }));
  return downstreamTlsSocket({
    requireClientCertificate: true,
    disableStatelessSessionResumption: true,
    disableStatefulSessionResumption: true,
    commonTlsContext: meshTlsContext({ parameters: meshTls, alpn: [], peers }),
  });
}
