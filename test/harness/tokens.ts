// Tokens for tests: keys of every kind, signed tokens with whatever claims and headers a test wants, also such as no honest issuer makes.

import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export type TokenAlgorithm = "RS256" | "PS256" | "ES256" | "ES384" | "EdDSA";

export interface TokenSigner {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** The public key as a JWK with its kid. */
  readonly jwk: Readonly<Record<string, unknown>>;
  /** A token; `header` is added to alg and kid. Valid for an hour unless the claims say otherwise. */
  token(claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): string;
}

/** A new key. */
export function tokenSigner(alg: TokenAlgorithm, kid: string): TokenSigner {
  const { privateKey, publicKey } = keyPair(alg);
  return {
    kid,
    privateKey,
    publicKey,
    jwk: { ...publicKey.export({ format: "jwk" }), kid },
    token: (claims, header = {}) => {
      const text = unsigned({ alg, kid, ...header }, { exp: secondsFromNow(3600), ...claims });
      return `${text}.${signature(alg, privateKey, text).toString("base64url")}`;
    },
  };
}

/** `{"keys": […]}` of some keys. */
export function keySetOf(...signers: readonly TokenSigner[]): string {
  return JSON.stringify({ keys: signers.map(({ jwk }) => jwk) });
}

/** Header and payload, without a signature. */
export function unsigned(header: Readonly<Record<string, unknown>>, claims: Readonly<Record<string, unknown>>): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}`;
}

/** A token signed with a text that everybody knows, as if it were a secret. */
export function hmacToken(
  secret: string | Buffer,
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
): string {
  const text = unsigned({ alg: "HS256", ...header }, claims);
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** Seconds since the Unix epoch. */
export function secondsFromNow(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

function keyPair(alg: TokenAlgorithm) {
  if (alg === "RS256" || alg === "PS256") return generateKeyPairSync("rsa", { modulusLength: 2048 });
  if (alg === "EdDSA") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("ec", { namedCurve: alg === "ES256" ? "P-256" : "P-384" });
}

function signature(alg: TokenAlgorithm, key: KeyObject, text: string): Buffer {
  const data = Buffer.from(text);
  if (alg === "EdDSA") return sign(null, data, key);
  if (alg === "PS256") return sign("sha256", data, { key, padding: 6, saltLength: 32 });
  return sign(alg === "ES384" ? "sha384" : "sha256", data, { key, dsaEncoding: "ieee-p1363" });
}
