// How an Envoy reaches its control plane: a Unix socket, which is also its identity, or TLS with a service-account token. Static parts of a bootstrap,
// and the files beside it from which Envoy reads what is replaced while it runs. Types only of Envoy's messages, see bootstrap.ts.

import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { AddressJson } from "#envoy/envoy/config/core/v3/address_pb.js";
import type { TransportSocketJson } from "#envoy/envoy/config/core/v3/base_pb.js";
import type { ConfigSourceJson } from "#envoy/envoy/config/core/v3/config_source_pb.js";
import type { CredentialInjectorJson } from "#envoy/envoy/extensions/filters/http/credential_injector/v3/credential_injector_pb.js";
import type { UpstreamCodecJson } from "#envoy/envoy/extensions/filters/http/upstream_codec/v3/upstream_codec_pb.js";
import type { GenericJson } from "#envoy/envoy/extensions/http/injected_credentials/generic/v3/generic_pb.js";
import type { SecretJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { UpstreamTlsContextJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import type { HttpProtocolOptionsJson } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { xdsClusterName } from "../envoy/names.ts";

/** Where the control plane is, and how a proxy and it know each other. */
export type ControlPlaneAddress =
  | {
      /** Unix socket of the control plane; it is also this proxy's identity. */
      readonly xdsPath: string;
    }
  | { readonly xdsTls: ControlPlaneTls };

export interface ControlPlaneTls {
  /** IP address or DNS name. */
  readonly host: string;
  readonly port: number;
  /** The URI SAN its certificate must have: no workload's certificate has this one. */
  readonly serverSpiffeId: string;
  /** File with `tokenSecretFile`. */
  readonly tokenSecretPath: string;
  /** File with `rootsSecretFile`. */
  readonly rootsSecretPath: string;
}

/** A file that is only ever replaced by renaming: Envoy does not notice other changes. */
export interface RenamedFile {
  readonly path: string;
  /** The folder in which the renaming happens: the file's own, or that of Kubernetes' `..data` link. */
  readonly watchedFolder: string;
}

const tokenSecretName = "control-plane-token";
const rootsSecretName = "control-plane-roots";

/** The bootstrap's cluster of the control plane. */
export function controlPlaneCluster(address: ControlPlaneAddress): ClusterJson {
  return "xdsPath" in address ? socketCluster(address.xdsPath) : tlsCluster(address.xdsTls);
}

/** Content of the SDS file that leads Envoy to the service-account token; the token itself is read from `token`. */
export function tokenSecretFile(token: RenamedFile): SecretFile {
  return secretFile({ name: tokenSecretName, genericSecret: { secret: dataSource(token) } });
}

/** Content of the SDS file that leads Envoy to the CA certificates (PEM) of the control plane. */
export function rootsSecretFile(roots: RenamedFile): SecretFile {
  return secretFile({ name: rootsSecretName, validationContext: { trustedCa: dataSource(roots) } });
}

/** A DiscoveryResponse as a file holds it. */
export interface SecretFile {
  readonly resources: readonly ({ readonly "@type": string } & SecretJson)[];
}

function secretFile(secret: SecretJson): SecretFile {
  return { resources: [{ "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", ...secret }] };
}

function dataSource({ path, watchedFolder }: RenamedFile) {
  return { filename: path, watchedDirectory: { path: watchedFolder } };
}

function socketCluster(path: string): ClusterJson {
  return {
    // A cluster's own bind configuration takes the place of the marking one: the socket is a Unix one.
    upstreamBindConfig: {},
    ...clusterAt({ pipe: { path } }, { explicitHttpConfig: http2 }),
    type: "STATIC",
  };
}

function tlsCluster({ host, port, serverSpiffeId, tokenSecretPath, rootsSecretPath }: ControlPlaneTls): ClusterJson {
  const isAddress = /^[0-9.]+$|:/.test(host);
  return {
    ...clusterAt(
      { socketAddress: { address: host, portValue: port } },
      { explicitHttpConfig: http2, httpFilters: [credentialInjector(tokenSecretPath), upstreamCodec] },
    ),
    // A name has to be resolved before there is a control plane to do it.
    type: isAddress ? "STATIC" : "STRICT_DNS",
    transportSocket: tlsSocket(serverSpiffeId, rootsSecretPath),
  };
}

function clusterAt(address: AddressJson, protocol: HttpProtocolOptionsJson): ClusterJson {
  return {
    name: xdsClusterName,
    connectTimeout: "1s",
    loadAssignment: { clusterName: xdsClusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
    typedExtensionProtocolOptions: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        ...protocol,
      },
    },
  };
}

const http2 = { http2ProtocolOptions: { connectionKeepalive: { interval: "30s", timeout: "10s" } } } as const;

function fileSource(path: string): ConfigSourceJson {
  return { resourceApiVersion: "V3", pathConfigSource: { path } };
}

/** Core Envoy has no other way to send a token that changes (google_grpc brings a second gRPC library with threads of its own). */
function credentialInjector(tokenSecretPath: string): NonNullable<HttpProtocolOptionsJson["httpFilters"]>[number] {
  const credential: GenericJson = {
    header: "authorization",
    headerValuePrefix: "Bearer ",
    credential: { name: tokenSecretName, sdsConfig: fileSource(tokenSecretPath) },
  };
  const injector: CredentialInjectorJson = {
    overwrite: true,
    credential: {
      name: "envoy.http.injected_credentials.generic",
      typedConfig: { "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic", ...credential },
    },
  };
  return {
    name: "envoy.filters.http.credential_injector",
    typedConfig: { "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", ...injector },
  };
}

const codec: UpstreamCodecJson = {};
const upstreamCodec = {
  name: "envoy.filters.http.upstream_codec",
  typedConfig: { "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec", ...codec },
} as const;

function tlsSocket(serverSpiffeId: string, rootsSecretPath: string): TransportSocketJson {
  const context: UpstreamTlsContextJson = {
    commonTlsContext: {
      // Envoy's own maximum is 1.2 for clients.
      tlsParams: { tlsMinimumProtocolVersion: "TLSv1_3", tlsMaximumProtocolVersion: "TLSv1_3" },
      alpnProtocols: ["h2"],
      combinedValidationContext: {
        // Every workload has a certificate of the same root: only the name tells the control plane from them.
        defaultValidationContext: { matchTypedSubjectAltNames: [{ sanType: "URI", matcher: { exact: serverSpiffeId } }] },
        validationContextSdsSecretConfig: { name: rootsSecretName, sdsConfig: fileSource(rootsSecretPath) },
      },
    },
  };
  return {
    name: "envoy.transport_sockets.tls",
    typedConfig: { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", ...context },
  };
}
