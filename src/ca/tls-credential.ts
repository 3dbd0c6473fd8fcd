// Certificates and keys that users bring (Secrets of gateways): read and checked as far as Envoy and today's clients would, before a proxy sees
// them. In: PEM texts. Out: what can be served, or why not; messages never hold a byte of a key. Pure: the time is an argument.

import { type KeyObject, X509Certificate } from "node:crypto";
import { keyBlock, readPrivateKey } from "./credential-key.ts";
import type { CredentialProblem, NamedText, Reading } from "./credential-reading.ts";
import { splitCertificates } from "./pem.ts";
import { hasWholePrivateKey } from "./private-key.ts";
import { readRevocationLists } from "./revocation-lists.ts";

export type { CredentialProblem, NamedText, Reading } from "./credential-reading.ts";

/** A certificate with its key, fit to be served. */
export interface ServerCertificate {
  /** The certificate first, then those that lead to a root; nothing else of the text it came from. */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly leaf: X509Certificate;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /**
   * When the first of its issuers expires; Infinity without any. Not a reason to refuse it: chains with an old cross-signed root have long been
   * common, and most clients find their way around it.
   */
  readonly issuersEndMs: number;
}

/** CAs that clients' or servers' certificates may come from. */
export interface TrustedCas {
  readonly rootsPem: string;
  readonly crlPem?: string;
  readonly notBeforeMs: number;
  /** When the last of them expires: until then some peers can be verified. */
  readonly notAfterMs: number;
}

/** Reads a certificate chain and its key. */
export function readServerCertificate(chain: NamedText, key: NamedText): Reading<ServerCertificate> {
  return guarded(chain.where, () => serverCertificate(chain, key));
}

/** OpenSSL throws at things that nobody thought of; its words may quote the text. */
function guarded<Value>(where: string, read: () => Reading<Value>): Reading<Value> {
  try {
    return read();
  } catch {
    return { problem: { message: `${where} can't be read`, fix: "Store it in PEM form, unchanged." } };
  }
}

function serverCertificate(chain: NamedText, key: NamedText): Reading<ServerCertificate> {
  const certificates = readChain(chain);
  if ("problem" in certificates) return certificates;
  const privateKey = readPrivateKey(key);
  if ("problem" in privateKey) return privateKey;
  const { pems, x509s } = certificates.value;
  const [leaf] = x509s;
  if (leaf === undefined) return noCertificate(chain);
  if (leaf.checkPrivateKey(privateKey.value) && !hasWholePrivateKey(privateKey.value, leaf.publicKey)) {
    return { problem: { message: `${key.where} is damaged`, fix: "Store the certificate's private key in PEM form, unchanged." } };
  }
  if (!leaf.checkPrivateKey(privateKey.value)) return wrongKey(x509s, privateKey.value, { chain, key });
  return {
    value: {
      chainPem: pems.join(""),
      keyPem: keyBlock(key.text),
      leaf,
      notBeforeMs: leaf.validFromDate.getTime(),
      notAfterMs: leaf.validToDate.getTime(),
      issuersEndMs: Math.min(...x509s.slice(1).map((each) => each.validToDate.getTime())),
    },
    flaws: [...chainFlaws(x509s, chain.where), ...leafFlaws(leaf, chain.where)],
  };
}

/** Reads CA certificates, and what they took back. */
export function readTrustedCas(roots: NamedText, crl: NamedText | undefined): Reading<TrustedCas> {
  return guarded(roots.where, () => trustedCas(roots, crl));
}

function trustedCas(roots: NamedText, crl: NamedText | undefined): Reading<TrustedCas> {
  const certificates = readChain(roots);
  if ("problem" in certificates) return certificates;
  const revoked = crl && readRevocations(crl, certificates.value.x509s);
  if (revoked !== undefined && "problem" in revoked) return revoked;
  const { pems, x509s } = certificates.value;
  const damaged = x509s.findIndex(isDamagedRoot);
  if (damaged >= 0) {
    const message = `certificate ${damaged + 1} of ${roots.where} is damaged: its own signature doesn't fit`;
    return { problem: { message, fix: "Store the CA's certificate unchanged." } };
  }
  const notCas = x509s.flatMap((each, index) => (each.ca ? [] : [notAnAuthority(roots.where, index)]));
  return {
    value: {
      rootsPem: pems.join(""),
      ...(revoked === undefined ? {} : { crlPem: revoked.value }),
      notBeforeMs: Math.min(...x509s.map((each) => each.validFromDate.getTime())),
      notAfterMs: Math.max(...x509s.map((each) => each.validToDate.getTime())),
    },
    flaws: [...notCas, ...(revoked?.flaws ?? [])],
  };
}

/** What is wrong with a period of validity now: expired, or not begun. */
export function timeProblem(
  { notBeforeMs, notAfterMs }: Pick<ServerCertificate, "notBeforeMs" | "notAfterMs">,
  where: string,
  nowMs: number,
): CredentialProblem | undefined {
  if (nowMs >= notAfterMs) return { message: `${where} expired at ${printTime(notAfterMs)}`, fix: "Renew the certificate." };
  if (nowMs >= notBeforeMs) return undefined;
  return { message: `${where} is valid only from ${printTime(notBeforeMs)}`, fix: "Wait, issue it anew, or check this machine's clock." };
}

const dayMs = 86_400_000;
/** Certificates that live for months are announced this long before their end. */
const longestNoticeMs = 14 * dayMs;
/** Short-lived ones when this part of their life is left: whoever renews them does so at a third or earlier. */
const noticeShare = 0.2;

/** That a valid certificate ends soon; undefined while there is time. */
export function expiryNotice(
  { notBeforeMs, notAfterMs }: Pick<ServerCertificate, "notBeforeMs" | "notAfterMs">,
  where: string,
  nowMs: number,
): CredentialProblem | undefined {
  const leftMs = notAfterMs - nowMs;
  if (leftMs <= 0 || leftMs > Math.min(longestNoticeMs, (notAfterMs - notBeforeMs) * noticeShare)) return undefined;
  return { message: `${where} expires in ${printSpan(leftMs)}, at ${printTime(notAfterMs)}`, fix: "Renew the certificate." };
}

function printTime(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

function printSpan(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  return hours >= 2 ? `${hours} hours` : `${Math.max(1, Math.floor(ms / 60_000))} minutes`;
}

/** Whether clients that ask for this host would take the certificate; `host` may be a wildcard of one label. */
export function isForHost(certificate: ServerCertificate, host: string): boolean {
  const { leaf } = certificate;
  if (!host.startsWith("*.")) return leaf.checkHost(host, { subject: "never" }) !== undefined;
  const names = (leaf.subjectAltName ?? "").split(", ").map((name) => name.toLowerCase());
  return names.includes(`dns:${host}`);
}

interface Chain {
  readonly pems: readonly string[];
  readonly x509s: readonly X509Certificate[];
}

function readChain(named: NamedText): Reading<Chain> {
  const { where, text } = named;
  const pems = splitCertificates(text);
  if (pems.length === 0) return noCertificate(named);
  if (pems.length !== splitBegins(text)) {
    return { problem: { message: `${where} ends in the middle of a certificate`, fix: "Store the whole PEM text." } };
  }
  const x509s: X509Certificate[] = [];
  for (const [index, pem] of pems.entries()) {
    const x509 = parsedCertificate(pem);
    if (x509 === undefined) {
      const message = `certificate ${index + 1} of ${where} can't be read`;
      return { problem: { message, fix: "Store the certificates in PEM form, unchanged." } };
    }
    x509s.push(x509);
  }
  return { value: { pems, x509s }, flaws: [] };
}

function splitBegins(text: string): number {
  return text.split("-----BEGIN CERTIFICATE-----").length - 1;
}

function parsedCertificate(pem: string): X509Certificate | undefined {
  try {
    const x509 = new X509Certificate(pem);
    // Read late otherwise, and thrown about then.
    return x509.publicKey.type === "public" ? x509 : undefined;
  } catch {
    return undefined;
  }
}

function noCertificate({ where, text }: NamedText): { readonly problem: CredentialProblem } {
  const message = `${where} holds no PEM certificate`;
  if (text.trimStart().startsWith("LS0tLS1")) {
    return { problem: { message: `${message}: it is base64 twice`, fix: "Encode the PEM text once for data, or use stringData." } };
  }
  const isPrivate = text.includes("PRIVATE KEY-----");
  return { problem: { message, fix: isPrivate ? "It is a private key: exchange the two." : "Store the certificate in PEM form." } };
}

function wrongKey(
  chain: readonly X509Certificate[],
  key: KeyObject,
  names: { readonly chain: NamedText; readonly key: NamedText },
): { readonly problem: CredentialProblem } {
  const place = chain.findIndex((each) => each.checkPrivateKey(key));
  if (place < 0) {
    const message = `the key in ${names.key.where} does not belong to the certificate in ${names.chain.where}`;
    return { problem: { message, fix: "Store the key that the certificate was issued for." } };
  }
  const message = `the key in ${names.key.where} belongs to certificate ${place + 1} of ${names.chain.where}, not to the first`;
  return { problem: { message, fix: "Put the server's certificate first, then those of its issuers." } };
}

function chainFlaws(chain: readonly X509Certificate[], where: string): readonly CredentialProblem[] {
  return chain.flatMap((certificate, index) => {
    const issuer = chain[index + 1];
    if (issuer === undefined || (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey))) return [];
    const message = `certificate ${index + 2} of ${where} is not the issuer of certificate ${index + 1}`;
    return [{ message, fix: "Order them: the server's certificate, its issuer, that one's issuer." }];
  });
}

const serverAuthentication = "1.3.6.1.5.5.7.3.1";

function leafFlaws(leaf: X509Certificate, where: string): readonly CredentialProblem[] {
  const flaws: CredentialProblem[] = [];
  if (leaf.subjectAltName === undefined) {
    flaws.push({
      message: `${where} has no subject alternative names`,
      fix: "Issue it with its DNS names; today's clients look nowhere else.",
    });
  }
  const usages: readonly string[] | undefined = leaf.keyUsage;
  if (usages !== undefined && usages.length > 0 && !usages.includes(serverAuthentication)) {
    flaws.push({ message: `${where} is not for servers (extended key usage)`, fix: "Issue it for server authentication." });
  }
  if (/^(?:md5|sha1)|sha1$/i.test(leaf.signatureAlgorithm ?? "")) {
    flaws.push({
      message: `${where} is signed with ${leaf.signatureAlgorithm}`,
      fix: "Issue it with SHA-256; today's clients refuse SHA-1.",
    });
  }
  return flaws;
}

function notAnAuthority(where: string, index: number): CredentialProblem {
  return {
    message: `certificate ${index + 1} of ${where} is no CA's`,
    fix: "Store the CA that issued the peers' certificates; this one only matches itself.",
  };
}

function readRevocations({ where, text }: NamedText, cas: readonly X509Certificate[]): Reading<string> {
  const lists = readRevocationLists(text, cas);
  if (lists === "unreadable") {
    return { problem: { message: `${where} holds no PEM revocation list that can be read`, fix: "Store it as PEM (BEGIN X509 CRL)." } };
  }
  if (lists === "forged") {
    return { problem: { message: `the signature of ${where} is not its CA's`, fix: "Store the list as the CA published it." } };
  }
  const fix = "Store the list of a CA that stands beside it.";
  const flaws = lists.isForeign ? [{ message: `${where} is of another CA than those beside it`, fix }] : [];
  return { value: lists.pem, flaws };
}

/** A root vouches for itself, so damage shows; with digests that OpenSSL may refuse to check it is believed. */
function isDamagedRoot(root: X509Certificate): boolean {
  if (!/sha(?:256|384|512)/i.test(root.signatureAlgorithm ?? "")) return false;
  return root.subject === root.issuer && root.checkIssued(root) && !root.verify(root.publicKey);
}
