// Keys and signatures on node:crypto: P-256 for everything this mesh makes itself; P-384 and RSA issuers are accepted from plug-in files.

import { createPrivateKey, generateKeyPairSync, hash, type KeyObject, sign } from "node:crypto";
import { BadInput } from "../lib/errors.ts";
import { element, oid, sequence } from "./der.ts";

/** A fresh P-256 key pair. */
export interface NewKey {
  /** PKCS #8. */
  readonly keyPem: string;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly keyId: Uint8Array;
}

/** How a key signs certificates. */
export interface SignatureAlgorithm {
  /** DER of the AlgorithmIdentifier. */
  readonly identifier: Uint8Array;
  readonly digest: "sha256" | "sha384";
}

const algorithms = {
  ecdsaSha256: { identifier: sequence(oid("1.2.840.10045.4.3.2")), digest: "sha256" },
  ecdsaSha384: { identifier: sequence(oid("1.2.840.10045.4.3.3")), digest: "sha384" },
  rsaSha256: { identifier: sequence(oid("1.2.840.113549.1.1.11"), element(0x05)), digest: "sha256" },
} as const satisfies Record<string, SignatureAlgorithm>;

/** Least RSA modulus in bits that today's TLS libraries take. */
const minRsaBits = 2048;
/** An uncompressed P-256 point, at the end of its SubjectPublicKeyInfo. */
const pointBytes = 65;

/** Makes a P-256 key pair: Envoy's and Istio's default for EC (`ECC_SIGNATURE_ALGORITHM`), and by far the cheapest to make. */
export function generateKey(): NewKey {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "der" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { keyPem: privateKey, publicKey, keyId: keyIdOf(publicKey.subarray(-pointBytes)) };
}

/** First 160 bits of SHA-256 of the key's bits (RFC 7093 §2, method 1). */
function keyIdOf(keyBits: Uint8Array): Uint8Array {
  return hash("sha256", keyBits, "buffer").subarray(0, 20);
}

/**
 * Reads a private key from PEM.
 *
 * @throws BadInput when it can't be read; the key's text is never part of the message.
 */
export function readPrivateKey(pem: string, where: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new BadInput(`${where} holds no private key that can be read`, {
      fix: "it must be one unencrypted PEM private key (PKCS #8, SEC 1 or PKCS #1)",
    });
  }
}

/**
 * How this key signs certificates.
 *
 * @throws BadInput for keys that Envoy's TLS wouldn't verify.
 */
export function signatureAlgorithmOf(key: KeyObject, where: string): SignatureAlgorithm {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec" && namedCurve === "prime256v1") return algorithms.ecdsaSha256;
  if (key.asymmetricKeyType === "ec" && namedCurve === "secp384r1") return algorithms.ecdsaSha384;
  if (key.asymmetricKeyType === "rsa" && (modulusLength ?? 0) >= minRsaBits) return algorithms.rsaSha256;
  const what = [key.asymmetricKeyType, namedCurve ?? modulusLength].filter((part) => part !== undefined).join(" ");
  throw new BadInput(`${where} is a key the mesh can't sign with (${what})`, {
    fix: "use a P-256, P-384 or RSA key of at least 2048 bits",
  });
}

/** Signs bytes as certificates are signed. */
export function signBytes(bytes: Uint8Array, key: KeyObject, { digest }: SignatureAlgorithm): Uint8Array {
  return sign(digest, bytes, key);
}
