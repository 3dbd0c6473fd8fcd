// A JSON Web Key Set (RFC 7517) as text → the public keys in it that may verify a token, and nothing else of the text. What proxies get of a
// key set, wherever it comes from, has passed here: no symmetric key, no private member, no certificate, and nothing Envoy can't read.

import { z } from "zod";
import { type CurveName, isCurvePoint, isRsaKey, parseBase64url, printBase64url } from "./public-key.ts";

/** A longer text is no key set; the biggest providers publish some 10 KB. */
export const maxKeySetBytes = 262_144;
const maxKeys = 100;

export interface KeySetResult {
  /** `{"keys": […]}` with members in a fixed order, so equal keys are equal texts; undefined when no key can verify anything. */
  readonly keySet: string | undefined;
  /** Why there is none, or why a key was left out; never a part of the text. */
  readonly problems: readonly string[];
}

const bytes = z.string().transform((text, context) => {
  const value = parseBase64url(text);
  if (value !== undefined) return value;
  context.addIssue("not base64url");
  return z.NEVER;
});
/** Lone surrogates are no JSON to Envoy. */
const text = z
  .string()
  .max(1024)
  .refine((value) => value.isWellFormed());
const common = {
  kid: text.optional(),
  use: z.literal("sig").optional(),
  key_ops: z
    .array(z.string())
    .refine((operations) => operations.includes("verify"))
    .optional(),
};
const rsaKey = z.object({
  kty: z.literal("RSA"),
  n: bytes,
  e: bytes,
  alg: z.enum(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]).optional(),
  ...common,
});
const ecKey = z.object({
  kty: z.literal("EC"),
  crv: z.enum(["P-256", "P-384", "P-521"]),
  x: bytes,
  y: bytes,
  alg: z.enum(["ES256", "ES384", "ES512"]).optional(),
  ...common,
});
const edwardsKey = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: bytes.refine(({ length }) => length === 32),
  alg: z.literal("EdDSA").optional(),
  ...common,
});
const anyKey = z.discriminatedUnion("kty", [rsaKey, ecKey, edwardsKey]);

/** RFC 7518, 3.4: each curve has one algorithm. It is always written, because Envoy would take a token that says another. */
const curveAlgorithms: Readonly<Record<CurveName, string>> = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };

const keyList = z.object({ keys: z.array(z.unknown()) });

/** Reads a key set. */
export function parseKeySet(source: string): KeySetResult {
  if (source.length > maxKeySetBytes) return nothing(`it is longer than ${maxKeySetBytes} bytes`);
  const list = keyList.safeParse(jsonOf(source));
  if (!list.success) return nothing('it is no JSON Web Key Set ({"keys": [{"kty": …}]})');
  const { keys } = list.data;
  if (keys.length > maxKeys) return nothing(`it has more than ${maxKeys} keys`);
  const read = keys.map(publicKeyOf);
  const usable = read.filter((key) => key !== undefined);
  const problems = read.flatMap((key, index) => (key === undefined ? [`key ${index + 1} ${unusable}`] : []));
  if (usable.length === 0) return { keySet: undefined, problems: ["no key in it can verify a signature", ...problems] };
  return { keySet: JSON.stringify({ keys: usable }), problems };
}

const unusable = "is no public key that verifies signatures (RSA of 2048 to 8192 bits, P-256, P-384, P-521, Ed25519)";

/** The members that count, in a fixed order. */
function publicKeyOf(value: unknown): Readonly<Record<string, string | undefined>> | undefined {
  const { data: key } = anyKey.safeParse(value);
  if (key === undefined) return undefined;
  const { kid, alg } = key;
  switch (key.kty) {
    case "RSA":
      return isRsaKey(key.n, key.e) ? { kid, kty: key.kty, alg, n: printBase64url(key.n), e: printBase64url(key.e) } : undefined;
    case "EC": {
      const { crv, x, y } = key;
      if (!isCurvePoint(crv, x, y) || (alg !== undefined && alg !== curveAlgorithms[crv])) return undefined;
      return { kid, kty: key.kty, alg: curveAlgorithms[crv], crv, x: printBase64url(x), y: printBase64url(y) };
    }
    case "OKP":
      return { kid, kty: key.kty, alg: "EdDSA", crv: key.crv, x: printBase64url(key.x) };
  }
}

function nothing(problem: string): KeySetResult {
  return { keySet: undefined, problems: [problem] };
}

function jsonOf(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}
