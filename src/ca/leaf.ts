// Makes one certificate under an issuer: for a workload (with its key), or for a CA below or beside. The only place that decides validity and names.

import { type KeyObject, randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../lib/clock.ts";
import { MeshError, Unavailable } from "../lib/errors.ts";
import {
  type CaProfile,
  type CertificateSpec,
  caName,
  emptyName,
  signedCertificate,
  tbsCertificate,
  type WorkloadProfile,
} from "./certificate.ts";
import { generateKey, type NewKey, readPrivateKey, type SignatureAlgorithm, signatureAlgorithmOf, signBytes } from "./keys.ts";
import { printPem } from "./pem.ts";
import { printSpiffeId, type SpiffeId } from "./spiffe-id.ts";
import { workloadDnsName } from "./workload-name.ts";

/** Time and randomness as dependencies; keys and signatures are random whatever is injected. */
export interface Surroundings {
  readonly clock: Clock;
  /** Fresh random bytes. */
  readonly randomBytes: (size: number) => Uint8Array;
}

export const systemSurroundings: Surroundings = { clock: systemClock, randomBytes };

/** Something that signs certificates. */
export interface Issuer {
  /** DER of its subject. */
  readonly subject: Uint8Array;
  readonly keyId: Uint8Array | undefined;
  readonly key: KeyObject;
  readonly algorithm: SignatureAlgorithm;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** What a server sends after the leaf: the issuer and those above it but the root, PEM. */
  readonly chainPem: string;
  /** Name of the root it leads to: a leaf of another root than the signing one is renewed at once. */
  readonly root: string;
}

/** A CA certificate with its key. */
export interface CaCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Whom a certificate is for; comes from the authenticated caller, never from its wishes. */
export interface WorkloadIdentity {
  /** The authority's own when unset. */
  readonly trustDomain?: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The DNS SAN's other parts; without them the certificate has no DNS SAN. */
  readonly workload?: { readonly name: string; readonly version: string };
}

export interface IssuedCertificate {
  readonly spiffeId: string;
  readonly dnsName: string | undefined;
  /** Hexadecimal. */
  readonly serial: string;
  /** Leaf and intermediates, as Envoy's `certificate_chain` wants them. */
  readonly chainPem: string;
  /** PKCS #8. */
  readonly keyPem: string;
  /** Name of the root it leads to. */
  readonly root: string;
  readonly issuedAtMs: number;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Istio's `DEFAULT_WORKLOAD_CERT_TTL`: 24 h. */
export const defaultLifetimeMs = 24 * 3_600_000;
/** Istio's `MAX_WORKLOAD_CERT_TTL`: 90 days. */
export const maxLifetimeMs = 90 * 24 * 3_600_000;
/** A leaf is valid from two minutes before it is made, for peers whose clock is late (Istio's `ClockSkewGracePeriod`). */
const leafSkewMs = 120_000;
/** CA certificates reach back two days: leaves made after a clock was set back by a day must still lie within them. */
const caSkewMs = 48 * 3_600_000;

export interface LeafRequest {
  readonly id: SpiffeId;
  readonly workload?: { readonly name: string; readonly version: string } | undefined;
  readonly lifetimeMs: number;
}

/**
 * Makes key and certificate of a workload. Never valid longer than its issuer.
 *
 * @throws BadInput for names that are none, MeshError bad_request for a lifetime out of bounds, Unavailable when the issuer isn't valid now.
 */
export function issueLeaf(issuer: Issuer, { id, workload, lifetimeMs }: LeafRequest, surroundings: Surroundings): IssuedCertificate {
  const spiffeId = printSpiffeId(id);
  const dnsName = workload && workloadDnsName({ version: workload.version, workload: workload.name, namespace: id.namespace });
  if (!(lifetimeMs >= 1000 && lifetimeMs <= maxLifetimeMs)) {
    throw new MeshError("bad_request", `a certificate can't live ${lifetimeMs} ms`, { fix: "ask for 1 second to 90 days" });
  }
  const issuedAtMs = surroundings.clock.now();
  requireValid(issuer, issuedAtMs);
  const key = generateKey();
  const serial = serialOf(surroundings);
  const notBeforeMs = wholeSeconds(Math.max(issuedAtMs - leafSkewMs, issuer.notBeforeMs));
  const notAfterMs = wholeSeconds(Math.min(issuedAtMs + lifetimeMs, issuer.notAfterMs));
  const profile: WorkloadProfile = { kind: "workload", uri: spiffeId, dnsNames: dnsName === undefined ? [] : [dnsName] };
  const pem = signed(issuer, { ...subjectOf(key, emptyName), serial, notBeforeMs, notAfterMs, profile });
  return {
    spiffeId,
    dnsName,
    serial: Buffer.from(serial).toString("hex"),
    chainPem: pem + issuer.chainPem,
    keyPem: key.keyPem,
    root: issuer.root,
    issuedAtMs,
    notBeforeMs,
    notAfterMs,
  };
}

export interface CaRequest {
  /** The subject's organization: the trust domain, as Istio does. */
  readonly trustDomain: string;
  readonly lifetimeMs: number;
}

/** Makes a self-signed root. */
export function makeRoot({ trustDomain, lifetimeMs }: CaRequest, surroundings: Surroundings): CaCertificate {
  const key = generateKey();
  const subject = caName(trustDomain, `Lateen root ${shortId(key)}`);
  const privateKey = readPrivateKey(key.keyPem, "the new root");
  const algorithm = signatureAlgorithmOf(privateKey, "the new root");
  const now = surroundings.clock.now();
  const self = {
    subject,
    keyId: key.keyId,
    key: privateKey,
    algorithm,
    notBeforeMs: 0,
    notAfterMs: Number.POSITIVE_INFINITY,
    chainPem: "",
    root: "",
  };
  return caUnder(self, { key, subject, nowMs: now, lifetimeMs, pathLength: undefined }, surroundings);
}

/** Makes an intermediate that can sign leaves but no further CA. Never valid longer than its issuer. */
export function makeIntermediate(issuer: Issuer, { trustDomain, lifetimeMs }: CaRequest, surroundings: Surroundings): CaCertificate {
  const nowMs = surroundings.clock.now();
  requireValid(issuer, nowMs);
  const key = generateKey();
  const subject = caName(trustDomain, `Lateen intermediate ${shortId(key)}`);
  return caUnder(issuer, { key, subject, nowMs, lifetimeMs, pathLength: 0 }, surroundings);
}

interface CaParts {
  readonly key: NewKey;
  readonly subject: Uint8Array;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  readonly pathLength: number | undefined;
}

function caUnder(issuer: Issuer, { key, subject, nowMs, lifetimeMs, pathLength }: CaParts, surroundings: Surroundings): CaCertificate {
  const notBeforeMs = wholeSeconds(Math.max(nowMs - caSkewMs, issuer.notBeforeMs));
  const notAfterMs = wholeSeconds(Math.min(nowMs + lifetimeMs, issuer.notAfterMs));
  const profile: CaProfile = { kind: "ca", pathLength };
  const spec = { ...subjectOf(key, subject), serial: serialOf(surroundings), notBeforeMs, notAfterMs, profile };
  return { certificatePem: signed(issuer, spec), keyPem: key.keyPem };
}

function signed(issuer: Issuer, spec: Omit<CertificateSpec, "issuer" | "authorityKeyId" | "signatureAlgorithm">): string {
  const { subject, keyId, algorithm, key } = issuer;
  const tbs = tbsCertificate({ ...spec, issuer: subject, authorityKeyId: keyId, signatureAlgorithm: algorithm.identifier });
  return printPem("CERTIFICATE", signedCertificate(tbs, algorithm.identifier, signBytes(tbs, key, algorithm)));
}

function subjectOf({ publicKey, keyId }: NewKey, subject: Uint8Array) {
  return { subject, publicKey, subjectKeyId: keyId };
}

/** 16 random bytes; the first two bits are 01, so that the number is positive and never shorter. */
function serialOf({ randomBytes: random }: Surroundings): Uint8Array {
  const serial = Uint8Array.from(random(16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function requireValid({ notBeforeMs, notAfterMs }: Issuer, nowMs: number): void {
  if (nowMs >= notBeforeMs && nowMs < notAfterMs) return;
  const problem = nowMs < notBeforeMs ? `is valid only from ${isoOf(notBeforeMs)}` : `expired at ${isoOf(notAfterMs)}`;
  throw new Unavailable(`no certificate can be issued: the authority's own ${problem}`, {
    fix: "check this machine's clock, then the CA's files",
  });
}

function isoOf(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function shortId({ keyId }: NewKey): string {
  return Buffer.from(keyId).toString("hex").slice(0, 8);
}

function wholeSeconds(epochMs: number): number {
  return Math.floor(epochMs / 1000) * 1000;
}
