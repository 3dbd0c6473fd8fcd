// Certificates for tests with whatever names a test wants, also such as no honest authority signs.

import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { CertificateSpec } from "../../src/ca/certificate.ts";
import { caName, emptyName, signedCertificate, tbsCertificate } from "../../src/ca/certificate.ts";
import { oid, sequence } from "../../src/ca/der.ts";

export interface TestCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface TestAuthority {
  readonly certificatePem: string;
  /** A certificate with exactly these names. */
  issue(names: { readonly uri: string; readonly dnsNames?: readonly string[] }): TestCertificate;
}

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
const dayMs = 86_400_000;

/** A root of its own. */
export function testAuthority(): TestAuthority {
  const name = caName("test", "test root");
  const root = newKey();
  let serial = 1;
  const certificate = (
    subject: Pick<CertificateSpec, "subject" | "profile">,
    key: { readonly publicKey: Uint8Array; readonly keyId: Uint8Array },
  ): string => {
    const now = Date.now();
    serial += 1;
    const tbs = tbsCertificate({
      ...subject,
      serial: Uint8Array.of(serial >> 8, serial & 0xff),
      issuer: name,
      notBeforeMs: now - dayMs,
      notAfterMs: now + dayMs,
      publicKey: key.publicKey,
      subjectKeyId: key.keyId,
      authorityKeyId: root.keyId,
      signatureAlgorithm: ecdsaWithSha256,
    });
    return pem("CERTIFICATE", signedCertificate(tbs, ecdsaWithSha256, sign("sha256", tbs, root.key)));
  };
  return {
    certificatePem: certificate({ subject: name, profile: { kind: "ca", pathLength: undefined } }, root),
    issue: ({ uri, dnsNames = [] }) => {
      const leaf = newKey();
      return {
        certificatePem: certificate({ subject: emptyName, profile: { kind: "workload", uri, dnsNames } }, leaf),
        keyPem: leaf.keyPem,
      };
    },
  };
}

function newKey(): { readonly key: KeyObject; readonly keyPem: string; readonly publicKey: Uint8Array; readonly keyId: Uint8Array } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "der" },
  });
  const keyId = new Uint8Array(createHash("sha1").update(publicKey).digest());
  return { key: createPrivateKey(privateKey), keyPem: privateKey, publicKey: new Uint8Array(publicKey), keyId };
}

function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
