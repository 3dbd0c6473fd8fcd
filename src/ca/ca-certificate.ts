// Reads CA certificates and their keys from PEM and checks that they can sign for this mesh. In: text from files. Out: an Issuer, or a MeshError
// that says what is wrong with which file.

import { X509Certificate } from "node:crypto";
import { BadInput, type MeshError } from "../lib/errors.ts";
import { type CertificateFields, readCertificate } from "./der-reader.ts";
import { readPrivateKey, signatureAlgorithmOf } from "./keys.ts";
import type { Issuer } from "./leaf.ts";
import { splitCertificates } from "./pem.ts";

/** A CA certificate that was read and checked. */
export interface ReadCa {
  readonly pem: string;
  readonly x509: X509Certificate;
  readonly fields: CertificateFields;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * Reads all CA certificates of a PEM text; `where` names the file in messages.
 *
 * @throws BadInput when there is none, one doesn't parse, or one isn't a CA's.
 */
export function readCaCertificates(text: string, where: string): readonly ReadCa[] {
  const pems = splitCertificates(text);
  if (pems.length === 0) throw damaged(where, "holds no PEM certificate");
  return pems.map((pem) => readOne(pem, where));
}

/** Reads the one CA certificate of a text. @throws BadInput as readCaCertificates, and for more than one. */
export function readCaCertificate(text: string, where: string): ReadCa {
  const [first, ...more] = readCaCertificates(text, where);
  if (first === undefined || more.length > 0) throw damaged(where, "must hold exactly one certificate");
  return first;
}

export interface IssuerOptions {
  /** Names the key's file in messages. */
  readonly where: string;
  /** What a server sends after the leaf. */
  readonly chainPem: string;
  /** Name of the root it leads to. */
  readonly root: string;
}

/**
 * Joins a CA certificate and its key to an issuer.
 *
 * @throws BadInput when they don't belong together or can't sign.
 */
export function issuerOf(ca: ReadCa, keyPem: string, { where, chainPem, root }: IssuerOptions): Issuer {
  const key = readPrivateKey(keyPem, where);
  if (!ca.x509.checkPrivateKey(key)) throw damaged(where, "is not the key of the CA certificate beside it");
  const { subject, subjectKeyId } = ca.fields;
  const algorithm = signatureAlgorithmOf(key, where);
  return { subject, keyId: subjectKeyId, key, algorithm, notBeforeMs: ca.notBeforeMs, notAfterMs: ca.notAfterMs, chainPem, root };
}

/** True when `issuer` signed `certificate`; names, key ids, usage and the signature itself are compared. */
export function isIssuedBy(certificate: ReadCa, issuer: ReadCa): boolean {
  return certificate.x509.checkIssued(issuer.x509) && certificate.x509.verify(issuer.x509.publicKey);
}

export function isSelfSigned(ca: ReadCa): boolean {
  return isIssuedBy(ca, ca);
}

/** A file of the authority that can't be used. */
export function damaged(where: string, problem: string, fix = "put the right file there, or restore it from a backup"): MeshError {
  return new BadInput(`${where} ${problem}`, { fix });
}

/** @throws BadInput when the certificate isn't valid at this time. */
export function requireCurrent(ca: ReadCa, where: string, { nowMs, fix }: { readonly nowMs: number; readonly fix: string }): void {
  if (nowMs >= ca.notAfterMs) {
    throw damaged(where, `expired at ${new Date(ca.notAfterMs).toISOString()}`, fix);
  }
  if (nowMs < ca.notBeforeMs) {
    throw damaged(where, `is valid only from ${new Date(ca.notBeforeMs).toISOString()}`, "check this machine's clock");
  }
}

function readOne(pem: string, where: string): ReadCa {
  const x509 = parsed(pem, where);
  const fields = readCertificate(x509.raw);
  if (fields === undefined) throw damaged(where, "holds a certificate that can't be read");
  if (!x509.ca || !fields.maySignCertificates) throw damaged(where, "holds a certificate that may not sign others (CA:false or key usage)");
  return { pem, x509, fields, notBeforeMs: x509.validFromDate.getTime(), notAfterMs: x509.validToDate.getTime() };
}

function parsed(pem: string, where: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw damaged(where, "holds a certificate that can't be read");
  }
}
