// The static part of a test's Envoy that serves the same filters on two ports of loopback: in plain text, and behind mutual TLS.

import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { TlsInspectorSchema } from "#envoy/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js";
import { DownstreamTlsContextSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { any } from "../../src/envoy/any.ts";
import type { TestAuthority } from "./test-identities.ts";

export interface PlainAndTlsOptions {
  readonly plainPort: number;
  readonly tlsPort: number;
  /** Signs the server's certificate, ns/server/sa/server, and is whom it believes about clients. */
  readonly authority: TestAuthority;
  readonly filters: (listener: "plain" | "tls") => readonly FilterJson[];
  /** The only cluster, one server on loopback; none when undefined. */
  readonly cluster: { readonly name: string; readonly port: number } | undefined;
}

/** Listeners "plain" and "tls" and their cluster. */
export function plainAndTls(options: PlainAndTlsOptions): NonNullable<BootstrapJson["staticResources"]> {
  const { plainPort, tlsPort, authority, filters, cluster } = options;
  const address = (portValue: number) => ({ socketAddress: { address: "127.0.0.1", portValue } });
  const server = authority.issue({ uri: "spiffe://cluster.local/ns/server/sa/server" });
  const transportSocket = {
    name: "tls",
    typedConfig: any(DownstreamTlsContextSchema, {
      requireClientCertificate: true,
      commonTlsContext: {
        tlsCertificates: [{ certificateChain: { inlineString: server.certificatePem }, privateKey: { inlineString: server.keyPem } }],
        validationContext: { trustedCa: { inlineString: authority.certificatePem } },
      },
    }),
  };
  const clusterOf = ({ name, port }: NonNullable<typeof cluster>) => ({
    name,
    connectTimeout: "1s",
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address: address(port) } }] }] },
  });
  return {
    clusters: cluster === undefined ? [] : [clusterOf(cluster)],
    listeners: [
      { name: "plain", address: address(plainPort), filterChains: [{ filters: [...filters("plain")] }] },
      {
        name: "tls",
        address: address(tlsPort),
        listenerFilters: [{ name: "tls_inspector", typedConfig: any(TlsInspectorSchema, {}) }],
        filterChains: [{ filters: [...filters("tls")], transportSocket }],
      },
    ],
  };
}
