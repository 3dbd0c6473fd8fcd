// Key sets: what is kept of real keys, that nothing secret or foreign comes through, and that any text gives an answer.

import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { maxKeySetBytes, parseKeySet } from "./key-set.ts";

const privateKeys: readonly (readonly [name: string, jwk: JsonWebKey])[] = [
  ["RSA", generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })],
  ...["P-256", "P-384", "P-521"].map(
    (namedCurve) => [namedCurve, generateKeyPairSync("ec", { namedCurve }).privateKey.export({ format: "jwk" })] as const,
  ),
  ["Ed25519", generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })],
];

const setOf = (...keys: readonly object[]): string => JSON.stringify({ keys });
const keysOf = (text: string): unknown => {
  const { keySet } = parseKeySet(text);
  return keySet === undefined ? undefined : JSON.parse(keySet).keys;
};

describe("a usable key", () => {
  test.each(privateKeys)("%s loses everything but its public numbers", (_, jwk) => {
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...numbers } = jwk;
    const text = setOf({ ...jwk, kid: "a", use: "sig", key_ops: ["verify"], x5c: ["secret"], "x-other": "secret" });
    const alg = { RSA: undefined, "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", Ed25519: "EdDSA" }[jwk.crv ?? "RSA"];
    expect(keysOf(text)).toEqual([{ kid: "a", ...numbers, ...(alg === undefined ? {} : { alg }) }]);
    expect(parseKeySet(text).keySet).not.toContain("secret");
  });

  test("equal keys are equal texts", () => {
    const [, jwk] = privateKeys[1] ?? [];
    const { crv, x, y } = jwk ?? {};
    const texts = [
      setOf({ kty: "EC", crv, x, y, kid: "a" }),
      `{"keys":[{"kid":"a","y":"${y}=","use":"sig","x":"${x}","crv":"P-256","kty":"EC"}]}`,
    ];
    expect(new Set(texts.map((text) => parseKeySet(text).keySet)).size).toBe(1);
  });
});

describe("no key", () => {
  const [, rsa] = privateKeys[0] ?? [];
  const [, ec] = privateKeys[1] ?? [];
  const short = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });
  test.each<readonly [string, object]>([
    ["a symmetric one", { kty: "oct", k: "AAAA", alg: "HS256" }],
    ["an RSA key of 1024 bits", short],
    ["an RSA key for encryption", { ...rsa, use: "enc" }],
    ["an RSA key whose operation is encryption", { ...rsa, key_ops: ["encrypt"] }],
    ["an RSA key with a symmetric algorithm", { ...rsa, alg: "HS256" }],
    ["an RSA key with an even modulus", { ...rsa, n: `${String(rsa?.n).slice(0, -2)}AA` }],
    ["an RSA key with exponent 1", { ...rsa, e: "AQ" }],
    ["a point off the curve", { ...ec, x: ec?.y, y: ec?.x }],
    ["a point of another curve", { ...ec, crv: "P-384" }],
    ["an unknown curve", { ...ec, crv: "secp256k1" }],
    ["an algorithm of another curve", { ...ec, alg: "ES384" }],
    ["a short coordinate", { ...ec, x: "AA" }],
    ["no text", { ...ec, x: 1 }],
    ["no base64url", { ...ec, x: "a b" }],
    ["an Ed25519 key of 31 bytes", { kty: "OKP", crv: "Ed25519", x: Buffer.alloc(31).toString("base64url") }],
    ["a kid that is no Unicode", { ...ec, kid: "\ud800" }],
    ["nothing", {}],
  ])("is %s", (_, key) => {
    expect(parseKeySet(setOf(key)).keySet).toBeUndefined();
    expect(keysOf(setOf(key, { ...ec, kid: "good" }))).toMatchObject([{ kid: "good" }]);
  });
});

test.each(["", "null", "[]", "{}", '{"keys":{}}', '{"keys":[null,1,"a",[]]}', "<html>", `{"keys":[]}${" ".repeat(maxKeySetBytes)}`])(
  "%j is no key set",
  (text) => {
    expect(parseKeySet(text).keySet).toBeUndefined();
    expect(parseKeySet(text).problems.length).toBeGreaterThan(0);
  },
);

test("a set of more than 100 keys is none", () => {
  expect(parseKeySet(setOf(...Array.from({ length: 101 }, () => privateKeys[1]?.[1] ?? {}))).keySet).toBeUndefined();
});

test("any JSON gives an answer that holds nothing but known members", () => {
  const member = fc.constantFrom("kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "key_ops", "__proto__", "k", "d");
  const value = fc.oneof(fc.constantFrom("RSA", "EC", "OKP", "oct", "P-256", "Ed25519", "AQAB", "sig"), fc.jsonValue());
  const key = fc.dictionary(member, value, { maxKeys: 8 });
  fc.assert(
    fc.property(fc.array(key, { maxLength: 4 }), (keys) => {
      const { keySet } = parseKeySet(JSON.stringify({ keys }));
      for (const found of keySet === undefined ? [] : JSON.parse(keySet).keys) {
        expect(Object.keys(found).every((name) => ["kty", "crv", "x", "y", "n", "e", "alg", "kid"].includes(name))).toBe(true);
      }
    }),
    { seed: 7, numRuns: 500 },
  );
});
