// What all TLS of a proxy has in common: secrets by SDS, versions and ciphers, and the transport sockets that carry a TLS context.
// Read by clusters (client side), the inbound listener and gateways (server side).

import type { TransportSocketJson } from "#envoy/envoy/config/core/v3/base_pb.js";
import { RawBufferSchema } from "#envoy/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.js";
import type {
  CertificateValidationContextJson,
  SubjectAltNameMatcherJson,
  TlsParametersJson,
} from "#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { SdsSecretConfigJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type {
  CommonTlsContextJson,
  DownstreamTlsContextJson,
  UpstreamTlsContextJson,
} from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { DownstreamTlsContextSchema, UpstreamTlsContextSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { any } from "../envoy/any.ts";
import type { ResourceReference } from "../envoy/config.ts";
import { defined } from "../envoy/defined.ts";
import { rootsSecretName, workloadSecretName } from "../envoy/names.ts";
import type { TlsParameters, TlsVersion } from "../model/mesh.ts";
import { adsConfigSource } from "./config-source.ts";

/** A secret by its SDS name, waited for without limit: TLS without its certificate could only fail. */
export function secretBySds(name: string): SdsSecretConfigJson {
  return { name, sdsConfig: adsConfigSource };
}

/** What a resource that uses secrets must say in `references`. */
export function secretReferences(...names: readonly string[]): readonly ResourceReference[] {
  return [...new Set(names)].sort().map((name) => ({ type: "sds", name }));
}

/** The secrets of every connection between workloads. */
export const meshSecretReferences: readonly ResourceReference[] = secretReferences(workloadSecretName, rootsSecretName);

const protocolVersions = { TLSV1_2: "TLSv1_2", TLSV1_3: "TLSv1_3" } as const satisfies Record<
  TlsVersion,
  TlsParametersJson["tlsMinimumProtocolVersion"]
>;

/** Versions, ciphers and curves; TLS 1.3 is always the newest (Envoy's own maximum for clients was 1.2). */
export function tlsParameters({ minProtocolVersion, cipherSuites, ecdhCurves }: TlsParameters): TlsParametersJson {
  return defined<TlsParametersJson>({
    tlsMinimumProtocolVersion: protocolVersions[minProtocolVersion],
    tlsMaximumProtocolVersion: "TLSv1_3",
    cipherSuites: cipherSuites.length === 0 ? undefined : [...cipherSuites],
    ecdhCurves: ecdhCurves.length === 0 ? undefined : [...ecdhCurves],
  });
}

export interface MeshTls {
  /** MeshSettings.meshTls. */
  readonly parameters: TlsParameters;
  readonly alpn: readonly string[];
  /** Whom the peer may be; empty means anybody whose certificate comes from the mesh's roots. */
  readonly peers: readonly SubjectAltNameMatcherJson[];
}

/** TLS between workloads, the same at both ends: the proxy's own certificate, and the mesh's roots to check the peer's with. */
export function meshTlsContext({ parameters, alpn, peers }: MeshTls): CommonTlsContextJson {
  return defined<CommonTlsContextJson>({
    tlsParams: tlsParameters(parameters),
    alpnProtocols: alpn.length === 0 ? undefined : [...alpn],
    tlsCertificateSdsSecretConfigs: [secretBySds(workloadSecretName)],
    ...validation(peers.length === 0 ? {} : { matchTypedSubjectAltNames: [...peers] }, rootsSecretName),
  });
}

/** Checks that a peer must pass, with the CA certificates of a secret. */
export function validation(
  checks: CertificateValidationContextJson,
  rootsSecret: string,
): Pick<CommonTlsContextJson, "combinedValidationContext"> {
  return {
    combinedValidationContext: { defaultValidationContext: checks, validationContextSdsSecretConfig: secretBySds(rootsSecret) },
  };
}

/** A SPIFFE ID, exactly. DNS names are never asked for: anybody's text could stand there. */
export function exactUri(uri: string): SubjectAltNameMatcherJson {
  return { sanType: "URI", matcher: { exact: uri } };
}

const tlsSocketName = "envoy.transport_sockets.tls";

/** TLS to upstreams. */
export function upstreamTlsSocket(context: UpstreamTlsContextJson): TransportSocketJson {
  return { name: tlsSocketName, typedConfig: any(UpstreamTlsContextSchema, context) };
}

/** TLS from downstreams. */
export function downstreamTlsSocket(context: DownstreamTlsContextJson): TransportSocketJson {
  return { name: tlsSocketName, typedConfig: any(DownstreamTlsContextSchema, context) };
}

/** Bytes as they are. */
export function rawSocket(): TransportSocketJson {
  return { name: "envoy.transport_sockets.raw_buffer", typedConfig: any(RawBufferSchema, {}) };
}
