// TLS to servers outside the mesh (DestinationRule tls SIMPLE and MUTUAL) → Envoy's UpstreamTlsContext.
// Source: Istio pilot/pkg/networking/core/cluster_tls.go and the documentation of ClientTLSSettings.

import type {
  CertificateValidationContextJson,
  SubjectAltNameMatcherJson,
} from "#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { CommonTlsContextJson, UpstreamTlsContextJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import { isIp } from "../../api/ip.ts";
import type { ClientTlsSettings } from "../../api/networking/destination-rule.ts";
import type { ResourceReference } from "../../envoy/config.ts";
import { defined } from "../../envoy/defined.ts";
import { credentialRootsSecretName, credentialSecretName, standInRootsSecretName, systemRootsSecretName } from "../../envoy/names.ts";
import type { MeshService, MeshSettings } from "../../model/mesh.ts";
import { secretBySds, secretReferences, tlsParameters, validation } from "../tls-context.ts";

export interface Origination {
  readonly tls: ClientTlsSettings;
  readonly service: MeshService;
  /** Whether only HTTP/2 is spoken to the server, so TLS must agree on it. */
  readonly isHttp2: boolean;
  readonly settings: MeshSettings;
}

export interface OriginatedTls {
  readonly context: UpstreamTlsContextJson;
  readonly references: readonly ResourceReference[];
}

/** The context and the secrets it names. The server's name is checked, whatever decided it, unless the rule forbids checking. */
export function originatedTls({ tls, service, isHttp2, settings }: Origination): OriginatedTls {
  const sni = isGiven(tls.sni) ? tls.sni : defaultServerName(service);
  const names = tls.subjectAltNames.length > 0 ? tls.subjectAltNames : (service.subjectAltNames ?? []);
  const isChecked = tls.insecureSkipVerify !== true;
  const systemRoots = settings.standInHosts.has(service.hostname) ? standInRootsSecretName(service.hostname) : systemRootsSecretName;
  return {
    context: defined<UpstreamTlsContextJson>({
      commonTlsContext: defined<CommonTlsContextJson>({
        tlsParams: tlsParameters(settings.tlsDefaults),
        // HTTP/1.1 and what follows the client are offered by Envoy's connection pool itself.
        alpnProtocols: isHttp2 ? ["h2"] : undefined,
        ...(tls.mode === "MUTUAL" ? clientCertificate(tls) : {}),
        ...(isChecked ? serverChecks(tls, names, systemRoots) : {}),
      }),
      sni,
      autoSniSanValidation: isChecked && names.length === 0 ? true : undefined,
    }),
    references: secretReferences(...secretNames(tls, systemRoots)),
  };
}

/** Requests name the host themselves; anything else asks for the host of the service, if it is one. */
function defaultServerName({ hostname }: MeshService): string | undefined {
  return hostname.includes("*") ? undefined : hostname;
}

function clientCertificate({
  credentialName,
  clientCertificate: chain,
  privateKey,
}: ClientTlsSettings): Pick<CommonTlsContextJson, "tlsCertificates" | "tlsCertificateSdsSecretConfigs"> {
  if (isGiven(credentialName)) return { tlsCertificateSdsSecretConfigs: [secretBySds(credentialSecretName(credentialName))] };
  return { tlsCertificates: [{ certificateChain: { filename: chain ?? "" }, privateKey: { filename: privateKey ?? "" } }] };
}

function serverChecks(
  { credentialName, caCertificates, caCrl }: ClientTlsSettings,
  names: readonly string[],
  systemRoots: string,
): Pick<CommonTlsContextJson, "validationContext" | "combinedValidationContext"> {
  const isRevocable = isGiven(caCrl);
  const checks = defined<CertificateValidationContextJson>({
    matchTypedSubjectAltNames: names.length === 0 ? undefined : names.map(nameMatcher),
    crl: isRevocable ? { filename: caCrl } : undefined,
    onlyVerifyLeafCertCrl: isRevocable ? true : undefined,
  });
  if (isGiven(credentialName)) return validation(checks, credentialRootsSecretName(credentialName));
  const file = certificatesFile(caCertificates);
  // Without CA certificates those of the system, as Istio since 1.23 (VERIFY_CERTIFICATE_AT_CLIENT). Envoy's system_root_certs verifies nothing.
  return file === undefined ? validation(checks, systemRoots) : { validationContext: { ...checks, trustedCa: { filename: file } } };
}

/** Undefined for the system's; "system" is Istio's word for them. */
function certificatesFile(caCertificates: string | undefined): string | undefined {
  return isGiven(caCertificates) && caCertificates !== "system" ? caCertificates : undefined;
}

function nameMatcher(name: string): SubjectAltNameMatcherJson {
  const sanType = name.includes("://") ? "URI" : isIp(name) ? "IP_ADDRESS" : "DNS";
  return { sanType, matcher: { exact: name } };
}

function secretNames(
  { mode, credentialName, caCertificates, insecureSkipVerify }: ClientTlsSettings,
  systemRoots: string,
): readonly string[] {
  const isChecked = insecureSkipVerify !== true;
  if (!isGiven(credentialName)) return isChecked && certificatesFile(caCertificates) === undefined ? [systemRoots] : [];
  return [
    ...(mode === "MUTUAL" ? [credentialSecretName(credentialName)] : []),
    ...(isChecked ? [credentialRootsSecretName(credentialName)] : []),
  ];
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== "";
}
