// X.509 v3 certificates (RFC 5280) of the two kinds this mesh makes, CA and workload: a specification in, the bytes to be signed out. Pure.

import { bitString, boolean, context, namedBits, octetString, oid, sequence, setOf, time, unsignedInteger, utf8String } from "./der.ts";

export interface CertificateSpec {
  /** Big-endian, positive, at most 20 bytes. */
  readonly serial: Uint8Array;
  /** DER of the issuer's name, byte by byte the issuer's own subject. */
  readonly issuer: Uint8Array;
  /** DER of the name; emptyName for workloads, whose names are in the SAN. */
  readonly subject: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly subjectKeyId: Uint8Array;
  /** Key id of the issuer; undefined when it has none. */
  readonly authorityKeyId: Uint8Array | undefined;
  /** DER of the AlgorithmIdentifier the issuer signs with. */
  readonly signatureAlgorithm: Uint8Array;
  readonly profile: CaProfile | WorkloadProfile;
}

export interface CaProfile {
  readonly kind: "ca";
  /** How many CA certificates may follow below; undefined for any number. */
  readonly pathLength: number | undefined;
}

export interface WorkloadProfile {
  readonly kind: "workload";
  /** The one URI SAN (X509-SVID §2: exactly one). */
  readonly uri: string;
  readonly dnsNames: readonly string[];
}

const ids = {
  organization: oid("2.5.4.10"),
  commonName: oid("2.5.4.3"),
  subjectKeyId: oid("2.5.29.14"),
  keyUsage: oid("2.5.29.15"),
  subjectAltName: oid("2.5.29.17"),
  basicConstraints: oid("2.5.29.19"),
  authorityKeyId: oid("2.5.29.35"),
  extendedKeyUsage: oid("2.5.29.37"),
  serverAuth: oid("1.3.6.1.5.5.7.3.1"),
  clientAuth: oid("1.3.6.1.5.5.7.3.2"),
} as const;

const keyUsage = { digitalSignature: 0, keyCertSign: 5, crlSign: 6 } as const;
const version3 = context(0, true, unsignedInteger(Uint8Array.of(2)));
const encoder = new TextEncoder();

/** A name without attributes. */
export const emptyName = sequence();

/** A name with organization and common name. */
export function caName(organization: string, commonName: string): Uint8Array {
  const attribute = (id: Uint8Array, text: string) => setOf(sequence(id, utf8String(text)));
  return sequence(attribute(ids.organization, organization), attribute(ids.commonName, commonName));
}

/** The part of a certificate its issuer signs. */
export function tbsCertificate(spec: CertificateSpec): Uint8Array {
  const { serial, signatureAlgorithm, issuer, subject, publicKey } = spec;
  const validity = sequence(time(spec.notBeforeMs), time(spec.notAfterMs));
  const extensions = context(3, true, sequence(...extensionsOf(spec)));
  return sequence(version3, unsignedInteger(serial), signatureAlgorithm, issuer, validity, subject, publicKey, extensions);
}

/** Joins the signed part and its signature. */
export function signedCertificate(tbs: Uint8Array, signatureAlgorithm: Uint8Array, signature: Uint8Array): Uint8Array {
  return sequence(tbs, signatureAlgorithm, bitString(signature));
}

function extensionsOf({ profile, subjectKeyId, authorityKeyId }: CertificateSpec): readonly Uint8Array[] {
  const authority = authorityKeyId === undefined ? [] : [extension(ids.authorityKeyId, false, sequence(context(0, false, authorityKeyId)))];
  const keyIds = [extension(ids.subjectKeyId, false, octetString(subjectKeyId)), ...authority];
  return profile.kind === "ca" ? [...caExtensions(profile), ...keyIds] : [...workloadExtensions(profile), ...keyIds];
}

function caExtensions({ pathLength }: CaProfile): readonly Uint8Array[] {
  const limit = pathLength === undefined ? [] : [unsignedInteger(Uint8Array.of(pathLength))];
  return [
    extension(ids.basicConstraints, true, sequence(boolean(true), ...limit)),
    extension(ids.keyUsage, true, namedBits(keyUsage.keyCertSign, keyUsage.crlSign)),
  ];
}

/** Fixed, whatever was asked for: no CA, signs only, both sides of TLS. The SAN is critical because the subject is empty (RFC 5280 §4.1.2.6). */
function workloadExtensions({ uri, dnsNames }: WorkloadProfile): readonly Uint8Array[] {
  const names = [context(6, false, encoder.encode(uri)), ...dnsNames.map((name) => context(2, false, encoder.encode(name)))];
  return [
    extension(ids.basicConstraints, true, sequence()),
    extension(ids.keyUsage, true, namedBits(keyUsage.digitalSignature)),
    extension(ids.extendedKeyUsage, false, sequence(ids.serverAuth, ids.clientAuth)),
    extension(ids.subjectAltName, true, sequence(...names)),
  ];
}

function extension(id: Uint8Array, isCritical: boolean, value: Uint8Array): Uint8Array {
  return isCritical ? sequence(id, boolean(true), octetString(value)) : sequence(id, octetString(value));
}
