// Whether a private key is whole: OpenSSL reads keys with a damaged private part and compares public parts only, Envoy refuses them. Pure.

import { type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";

const probe = new Uint8Array(32);

/** Whether the key signs what the public key verifies, and an RSA key's numbers fit each other. */
export function hasWholePrivateKey(key: KeyObject, publicKey: KeyObject): boolean {
  try {
    if (!verify("sha256", probe, publicKey, sign("sha256", probe, key))) return false;
    return key.asymmetricKeyType !== "rsa" || hasFittingNumbers(key);
  } catch {
    return false;
  }
}

const big = z.string().transform((text) => BigInt(`0x0${Buffer.from(text, "base64url").toString("hex")}`));
/** RFC 7518 §6.3. */
const rsaSchema = z.object({ n: big, e: big, d: big, p: big, q: big, dp: big, dq: big, qi: big });

/** RFC 8017 §3.2: OpenSSL gets by with some of the numbers, BoringSSL checks all. */
function hasFittingNumbers(key: KeyObject): boolean {
  const { n, e, d, p, q, dp, dq, qi } = rsaSchema.parse(key.export({ format: "jwk" }));
  const [p1, q1] = [p - 1n, q - 1n];
  return n === p * q && (e * d) % p1 === 1n && (e * d) % q1 === 1n && dp === d % p1 && dq === d % q1 && (qi * q) % p === 1n;
}
