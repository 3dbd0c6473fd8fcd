// PEM texts → Envoy's Secret, which travels by SDS. Pure: who may have which secret is decided elsewhere (app), and nothing here keeps one.

import type { CertificateValidationContextJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { SecretJson } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { defined } from "../../envoy/defined.ts";

export interface CertificatePems {
  /** The certificate first, then those that lead to a root. */
  readonly chainPem: string;
  readonly keyPem: string;
}

/** A certificate with its key. */
export function tlsCertificateSecret(name: string, { chainPem, keyPem }: CertificatePems): SecretJson {
  return { name, tlsCertificate: { certificateChain: { inlineString: chainPem }, privateKey: { inlineString: keyPem } } };
}

export interface TrustPems {
  /** One or more CA certificates. */
  readonly rootsPem: string;
  /** Certificates the CAs took back. */
  readonly crlPem?: string | undefined;
}

/** The CAs that a peer's certificate must come from. */
export function validationContextSecret(name: string, { rootsPem, crlPem }: TrustPems): SecretJson {
  return {
    name,
    validationContext: defined<CertificateValidationContextJson>({
      trustedCa: { inlineString: rootsPem },
      crl: crlPem === undefined ? undefined : { inlineString: crlPem },
      // Envoy otherwise wants a list of every CA of the chain; Istio sets this too.
      onlyVerifyLeafCertCrl: crlPem === undefined ? undefined : true,
    }),
  };
}
