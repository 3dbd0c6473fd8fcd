// Chains of gateways that end TLS: who may connect, with which certificates, and what is spoken inside.
// Source of the values: Istio pilot/pkg/networking/core/gateway.go and security/pkg/tls.

import type { FilterChainJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type {
  CertificateValidationContextJson,
  SubjectAltNameMatcherJson,
  TlsCertificateJson,
  TlsParametersJson,
} from "#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { CommonTlsContextJson, DownstreamTlsContextJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { isIp } from "../../api/ip.ts";
import { isCipherSuite } from "../../api/networking/cipher-suites.ts";
import type { ServerTlsSettings } from "../../api/networking/gateway.ts";
import type { ResourceReference } from "../../envoy/config.ts";
import { defined } from "../../envoy/defined.ts";
import { credentialRootsSecretName, credentialSecretName, rootsSecretName, workloadSecretName } from "../../envoy/names.ts";
import type { CertificateSource, GatewayTls, RootsSource } from "../../model/gateway-tls.ts";
import type { TerminatedChain } from "../../model/listeners.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { downstreamTlsSocket, secretBySds, secretReferences, tlsParameters, validation } from "../tls-context.ts";

/** How long a client may take for its handshake; Istio's value for gateways. */
const handshakeTimeout = "15s";

/** What browsers and gRPC clients choose from. */
const httpAlpn: readonly string[] = ["h2", "http/1.1"];

/** The chain with TLS around it; `inside` is what it does with the decrypted connection. */
export function terminatedChain(
  { name, serverNames, tls, inside: content }: TerminatedChain,
  inside: FilterChainJson,
  settings: MeshSettings,
): FilterChainJson {
  return defined<FilterChainJson>({
    ...inside,
    name,
    filterChainMatch: {
      ...inside.filterChainMatch,
      ...(serverNames.length === 0 ? {} : { serverNames: [...serverNames] }),
      transportProtocol: "tls",
    },
    transportSocket: downstreamTlsSocket(downstreamTlsContext(tls, settings, "routes" in content ? httpAlpn : [])),
    transportSocketConnectTimeout: handshakeTimeout,
  });
}

/** What must be usable before a chain: its secrets, and its routes or its cluster. */
export function terminatedChainReferences({ tls: { certificates, roots }, inside }: TerminatedChain): readonly ResourceReference[] {
  const secrets = secretReferences(...certificates.flatMap((source) => certificateSecret(source) ?? []), ...rootsSecrets(roots));
  const next =
    "routes" in inside ? ({ type: "rds", name: inside.routes } as const) : ({ type: "cds", name: inside.chain.cluster } as const);
  return [...secrets, next];
}

function certificateSecret(source: CertificateSource): string | undefined {
  if (source.kind === "workload") return workloadSecretName;
  return source.kind === "secret" ? credentialSecretName(source.credential) : undefined;
}

function rootsSecrets(roots: RootsSource | undefined): readonly string[] {
  if (roots?.kind === "workload") return [rootsSecretName];
  return roots?.kind === "secret" ? [credentialRootsSecretName(roots.credential)] : [];
}

function downstreamTlsContext(tls: GatewayTls, settings: MeshSettings, alpn: readonly string[]): DownstreamTlsContextJson {
  const secrets = tls.certificates.flatMap((source) => certificateSecret(source) ?? []);
  const files = tls.certificates.flatMap((source) => (source.kind === "files" ? [certificateFiles(source)] : []));
  return defined<DownstreamTlsContextJson>({
    commonTlsContext: defined<CommonTlsContextJson>({
      tlsParams: versionsAndCiphers(tls.settings, settings),
      tlsCertificates: files.length === 0 ? undefined : files,
      tlsCertificateSdsSecretConfigs: secrets.length === 0 ? undefined : secrets.map(secretBySds),
      ...clientValidation(tls),
      alpnProtocols: alpn.length === 0 ? undefined : [...alpn],
    }),
    requireClientCertificate: tls.client === "nothing" ? undefined : tls.client === "certificate",
  });
}

function certificateFiles({ chain, key }: Extract<CertificateSource, { readonly kind: "files" }>): TlsCertificateJson {
  return { certificateChain: { filename: chain }, privateKey: { filename: key } };
}

function clientValidation({ client, settings, roots }: GatewayTls): CommonTlsContextJson {
  if (client === "nothing") return {};
  const checks = defined<CertificateValidationContextJson>({
    verifyCertificateSpki: nonEmpty(settings.verifyCertificateSpki),
    verifyCertificateHash: nonEmpty(settings.verifyCertificateHash),
    matchTypedSubjectAltNames: nonEmpty(settings.subjectAltNames.map(exactName)),
    trustChainVerification: settings.insecureSkipVerify === true ? "ACCEPT_UNTRUSTED" : undefined,
  });
  const [secret] = rootsSecrets(roots);
  if (secret !== undefined) return validation(checks, secret);
  if (roots?.kind !== "files") return { validationContext: checks };
  const crl = roots.crl === undefined ? {} : { crl: { filename: roots.crl }, onlyVerifyLeafCertCrl: true };
  return { validationContext: { ...checks, trustedCa: { filename: roots.path }, ...crl } };
}

function nonEmpty<Item>(list: readonly Item[]): Item[] | undefined {
  return list.length === 0 ? undefined : [...list];
}

/** Of one type each: a DNS name must never be taken for the URI it spells. */
function exactName(name: string): SubjectAltNameMatcherJson {
  return { sanType: typeOf(name), matcher: { exact: name } };
}

function typeOf(name: string): NonNullable<SubjectAltNameMatcherJson["sanType"]> {
  if (name.includes("://")) return "URI";
  if (isIp(name)) return "IP_ADDRESS";
  return name.includes("@") ? "EMAIL" : "DNS";
}

/** Oldest first. */
const versions = {
  TLSV1_0: "TLSv1_0",
  TLSV1_1: "TLSv1_1",
  TLSV1_2: "TLSv1_2",
  TLSV1_3: "TLSv1_3",
} as const satisfies Readonly<Record<string, TlsParametersJson["tlsMinimumProtocolVersion"]>>;

/** What the server says, else the mesh's `tlsDefaults`; TLS 1.2 and newer when neither does. */
function versionsAndCiphers(server: ServerTlsSettings, { tlsDefaults, meshTls }: MeshSettings): TlsParametersJson {
  const { minProtocolVersion = "TLS_AUTO", maxProtocolVersion = "TLS_AUTO", cipherSuites } = server;
  // Envoy would refuse the whole listener for a name it doesn't know, and the Gateway says so already.
  const suites = [...new Set(cipherSuites.filter(isCipherSuite))];
  const defaults = server.mode === "ISTIO_MUTUAL" ? meshTls : tlsDefaults;
  const standard = tlsParameters(defaults);
  const max = maxProtocolVersion === "TLS_AUTO" ? "TLSV1_3" : maxProtocolVersion;
  const min = minProtocolVersion === "TLS_AUTO" ? defaults.minProtocolVersion : minProtocolVersion;
  return defined<TlsParametersJson>({
    ...standard,
    // A server that ends below the mesh's default means its own versions; Envoy would refuse an empty range.
    tlsMinimumProtocolVersion: versions[isOlder(max, min) ? max : min],
    tlsMaximumProtocolVersion: versions[max],
    cipherSuites: suites.length === 0 ? standard.cipherSuites : suites,
  });
}

function isOlder(a: keyof typeof versions, b: keyof typeof versions): boolean {
  const order = Object.keys(versions);
  return order.indexOf(a) < order.indexOf(b);
}
