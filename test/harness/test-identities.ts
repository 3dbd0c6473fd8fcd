// Certificates for tests with whatever names a test wants, also such as no honest authority signs.

import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import type { CertificateSpec } from "../../src/ca/certificate.ts";
import { caName, emptyName, signedCertificate, tbsCertificate } from "../../src/ca/certificate.ts";
import { oid, sequence, time, unsignedInteger } from "../../src/ca/der.ts";

export interface TestCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface TestAuthority {
  readonly certificatePem: string;
  /** Of the root itself. */
  readonly keyPem: string;
  /** A certificate with exactly these names. */
  issue(names: TestNames): TestCertificate;
  /** A certificate that only its own key vouches for. */
  selfSigned(names: TestNames): TestCertificate;
  /** A list (PEM) that takes these certificates back. */
  revocationList(revoked: readonly TestCertificate[]): string;
}

export interface TestNames {
  readonly uri: string;
  readonly dnsNames?: readonly string[];
  /** From a day ago to tomorrow when unset. */
  readonly validMs?: { readonly from: number; readonly to: number };
  /** P-256 when unset. */
  readonly key?: KeyKind;
}

export type KeyKind = "p256" | "rsa" | "weak-rsa" | "ed25519";

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
const dayMs = 86_400_000;

/** A root of its own. */
export function testAuthority(): TestAuthority {
  const name = caName("test", "test root");
  const root = newKey();
  let serial = 1;
  const certificate = (
    subject: Pick<CertificateSpec, "subject" | "profile">,
    key: Pick<NewKey, "publicKey" | "keyId">,
    { validMs = { from: Date.now() - dayMs, to: Date.now() + dayMs }, signer = root }: Partial<Signing> = {},
  ): string => {
    serial += 1;
    const tbs = tbsCertificate({
      ...subject,
      serial: Uint8Array.of(serial >> 8, serial & 0xff),
      issuer: name,
      notBeforeMs: validMs.from,
      notAfterMs: validMs.to,
      publicKey: key.publicKey,
      subjectKeyId: key.keyId,
      authorityKeyId: signer.keyId,
      signatureAlgorithm: ecdsaWithSha256,
    });
    return pem("CERTIFICATE", signedCertificate(tbs, ecdsaWithSha256, sign("sha256", tbs, signer.key)));
  };
  return {
    certificatePem: certificate({ subject: name, profile: { kind: "ca", pathLength: undefined } }, root),
    keyPem: root.keyPem,
    issue: ({ uri, dnsNames = [], validMs, key }) => {
      const leaf = newKey(key);
      const workload = { subject: emptyName, profile: { kind: "workload", uri, dnsNames } } as const;
      return { certificatePem: certificate(workload, leaf, signingOf(validMs)), keyPem: leaf.keyPem };
    },
    selfSigned: ({ uri, dnsNames = [], validMs }) => {
      const leaf = newKey();
      const workload = { subject: emptyName, profile: { kind: "workload", uri, dnsNames } } as const;
      return { certificatePem: certificate(workload, leaf, { ...signingOf(validMs), signer: leaf }), keyPem: leaf.keyPem };
    },
    revocationList: (revoked) => {
      const tbs = revocations(name, revoked);
      return pem("X509 CRL", signedCertificate(tbs, ecdsaWithSha256, sign("sha256", tbs, root.key)));
    },
  };
}

/** The signed part of a revocation list, valid today (RFC 5280 §5.1). */
function revocations(issuer: Uint8Array, revoked: readonly TestCertificate[]): Uint8Array {
  const now = Date.now();
  const entries = revoked.map(({ certificatePem }) => {
    const { serialNumber } = new X509Certificate(certificatePem);
    return sequence(unsignedInteger(new Uint8Array(Buffer.from(serialNumber, "hex"))), time(now - dayMs));
  });
  const list = entries.length === 0 ? [] : [sequence(...entries)];
  const version2 = unsignedInteger(Uint8Array.of(1));
  return sequence(version2, ecdsaWithSha256, issuer, time(now - dayMs), time(now + dayMs), ...list);
}

interface Signing {
  readonly validMs: NonNullable<TestNames["validMs"]>;
  readonly signer: NewKey;
}

function signingOf(validMs: TestNames["validMs"]): Partial<Signing> {
  return validMs === undefined ? {} : { validMs };
}

interface NewKey {
  readonly key: KeyObject;
  readonly keyPem: string;
  readonly publicKey: Uint8Array;
  readonly keyId: Uint8Array;
}

function newKey(kind: KeyKind = "p256"): NewKey {
  const { privateKey, publicKey } = newPair(kind);
  const keyId = new Uint8Array(createHash("sha1").update(publicKey).digest());
  return { key: createPrivateKey(privateKey), keyPem: privateKey, publicKey: new Uint8Array(publicKey), keyId };
}

function newPair(kind: KeyKind): { readonly privateKey: string; readonly publicKey: Buffer } {
  const privateKeyEncoding = { type: "pkcs8", format: "pem" } as const;
  const publicKeyEncoding = { type: "spki", format: "der" } as const;
  if (kind === "p256") return generateKeyPairSync("ec", { namedCurve: "P-256", privateKeyEncoding, publicKeyEncoding });
  if (kind === "ed25519") return generateKeyPairSync("ed25519", { privateKeyEncoding, publicKeyEncoding });
  return generateKeyPairSync("rsa", { modulusLength: kind === "rsa" ? 2048 : 1024, privateKeyEncoding, publicKeyEncoding });
}

function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
