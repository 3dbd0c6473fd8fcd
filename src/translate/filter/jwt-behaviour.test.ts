// What generated JWT configurations do on a real Envoy: tokens of all kinds, good and forged, and what happens to the other rules when one has
// no keys. One Envoy for all; its listener is never touched.

import { sign } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bearer, configOf, policy, published, send as sendTo } from "../../../test/harness/jwt-case.ts";
import { type JwtEnvoy, startJwtEnvoy } from "../../../test/harness/jwt-envoy.ts";
import { hmacToken, keySetOf, secondsFromNow, type TokenSigner, tokenSigner, unsigned } from "../../../test/harness/tokens.ts";
import type { RequestAuthentication } from "../../api/security/request-authentication.ts";

const [rsa, ec, edwards, other] = [
  tokenSigner("RS256", "r"),
  tokenSigner("ES256", "e"),
  tokenSigner("EdDSA", "d"),
  tokenSigner("ES256", "e"),
];
const pss = tokenSigner("PS256", "p");
const fetched = tokenSigner("ES384", "f");
const claims = { iss: "one", sub: "alice", aud: "api" };

const one = policy("one", { issuer: "one", audiences: ["api", "web"], jwks: keySetOf(rsa, ec, edwards, pss) });
const two = policy(
  "two",
  {
    issuer: "two",
    jwksUri: "https://two.example/keys",
    fromHeaders: [{ name: "x-two", prefix: "JWT " }, { name: "x-bare" }],
    fromParams: ["token"],
    fromCookies: ["session"],
    outputPayloadToHeader: "x-payload-out",
    outputClaimToHeaders: [
      { header: "x-sub", claim: "sub" },
      { header: "x-level", claim: "nested.level" },
    ],
    forwardOriginalToken: true,
    spaceDelimitedClaims: ["roles"],
  },
  { issuer: "three", jwksUri: "https://three.example/keys", fromHeaders: [{ name: "x-three" }] },
);
const keySets = new Map([["https://two.example/keys", published(fetched)]]);
const config = (policies: readonly RequestAuthentication[]) => configOf(policies, keySets);

let envoy: JwtEnvoy;
beforeAll(async () => {
  envoy = await startJwtEnvoy({});
});
afterAll(() => envoy[Symbol.asyncDispose]());

const send = (headers: Readonly<Record<string, string>>, path?: string) => sendTo(envoy, headers, path);

describe("of several rules", () => {
  beforeAll(() => envoy.load(config([one, two])));

  test("a request without a token passes, also with another scheme, and gets no payload", async () => {
    for (const headers of [{}, { authorization: "Basic YTpi" }, { cookie: "other=1" }]) {
      expect(await send(headers)).toMatchObject({ status: 200, payload: undefined });
    }
  });

  test.each([
    ["RS256", () => rsa.token(claims)],
    ["PS256", () => pss.token(claims)],
    ["ES256", () => ec.token(claims)],
    ["EdDSA", () => edwards.token(claims)],
    ["without kid", () => ec.token(claims, { kid: undefined })],
    ["with a list of audiences", () => ec.token({ ...claims, aud: ["x", "web"] })],
    ["just expired, within a minute of clock skew", () => ec.token({ ...claims, exp: secondsFromNow(-20) })],
  ])("a good token passes: %s", async (_, token) => {
    const answer = await send(bearer(token()));
    expect(answer).toMatchObject({ status: 200, payload: { iss: "one", sub: "alice" } });
    expect(answer.upstream).not.toHaveProperty("authorization");
    expect((await send({}, `/?access_token=${token()}`)).status).toBe(200);
  });

  test.each(["bearer", "BEARER"])("the scheme %s is Bearer too", async (scheme) => {
    const answer = await send({ authorization: `${scheme} ${ec.token(claims)}` });
    expect(answer).toMatchObject({ status: 200, payload: { sub: "alice" } });
    expect(answer.upstream).not.toHaveProperty("authorization");
    for (const bad of [other.token(claims), unsigned({ alg: "none" }, claims), "x"]) {
      expect((await send({ authorization: `${scheme} ${bad}` })).status).toBe(401);
    }
  });

  const pem = rsa.publicKey.export({ format: "pem", type: "spki" }).toString();
  const good = () => ec.token(claims);
  const [header, payload, signature] = good().split(".");
  const valid = { ...claims, exp: secondsFromNow(3600) };
  test.each<readonly [string, () => string]>([
    ["alg none", () => `${unsigned({ alg: "none" }, valid)}.`],
    ["alg none with a signature", () => `${unsigned({ alg: "none", kid: "e" }, valid)}.${signature}`],
    ["alg None", () => `${unsigned({ alg: "None" }, valid)}.`],
    ["no alg", () => `${unsigned({ kid: "e" }, valid)}.${signature}`],
    ["alg null", () => `${unsigned({ alg: null }, valid)}.${signature}`],
    ["alg as a list", () => `${unsigned({ alg: ["ES256"] }, valid)}.${signature}`],
    ["HS256 with the RSA key's PEM", () => hmacToken(pem, { kid: "r" }, valid)],
    ["HS256 with the RSA key's PEM, trimmed", () => hmacToken(pem.trim(), { kid: "r" }, valid)],
    ["HS256 with the RSA key's DER", () => hmacToken(rsa.publicKey.export({ format: "der", type: "spki" }), { kid: "r" }, valid)],
    ["HS256 with the modulus", () => hmacToken(Buffer.from(String(rsa.jwk["n"]), "base64url"), { kid: "r" }, valid)],
    ["HS256 with the key set", () => hmacToken(keySetOf(rsa, ec, edwards, pss), {}, valid)],
    ["HS256 with nothing", () => hmacToken("", {}, valid)],
    ["RS256 said of an EC signature", () => ec.token(claims, { alg: "RS256" })],
    ["ES384 said of P-256", () => ec.token(claims, { alg: "ES384" })],
    ["expired", () => ec.token({ ...claims, exp: secondsFromNow(-120) })],
    ["expired in 1970", () => ec.token({ ...claims, exp: 1 })],
    ["not yet valid", () => ec.token({ ...claims, nbf: secondsFromNow(120) })],
    ["expiry as a text", () => ec.token({ ...claims, exp: "never" })],
    ["expiry below zero", () => ec.token({ ...claims, exp: -1 })],
    ["another audience", () => ec.token({ ...claims, aud: "other" })],
    ["no audience", () => ec.token({ ...claims, aud: undefined })],
    ["part of an audience", () => ec.token({ ...claims, aud: "ap" })],
    ["another issuer", () => ec.token({ ...claims, iss: "nobody" })],
    ["another rule's issuer", () => ec.token({ ...claims, iss: "two" })],
    ["an issuer in upper case", () => ec.token({ ...claims, iss: "ONE" })],
    ["no issuer", () => ec.token({ ...claims, iss: undefined })],
    ["an issuer as a list", () => ec.token({ ...claims, iss: ["one"] })],
    ["an unknown kid", () => ec.token(claims, { kid: "unknown" })],
    ["another key's kid", () => ec.token(claims, { kid: "r" })],
    ["a kid that is a path", () => other.token(claims, { kid: "../../dev/null" })],
    ["another key under a known kid", () => other.token(claims)],
    ["a key of its own in the header", () => other.token(claims, { jwk: other.jwk })],
    ["a key's address in the header", () => other.token(claims, { jku: "https://two.example/keys", x5u: "https://two.example" })],
    ["no signature", () => `${header}.${payload}.`],
    ["no third part", () => `${header}.${payload}`],
    ["five parts", () => `${good()}.${payload}.${signature}`],
    ["an all-zero signature", () => `${header}.${payload}.${Buffer.alloc(64).toString("base64url")}`],
    ["a DER signature", () => derSigned()],
    ["half a signature", () => `${header}.${payload}.${signature?.slice(0, 43)}`],
    ["another token's signature", () => `${unsigned({ alg: "ES256", kid: "e" }, { ...valid, sub: "root" })}.${signature}`],
    ["no JSON", () => `${header}.${Buffer.from("{").toString("base64url")}.${signature}`],
    ["no base64", () => "%.%.%"],
    ["dots", () => ".."],
    ["a word", () => "token"],
    ["48 KB of nothing", () => "a".repeat(48_000)],
    [
      "48 KB of nesting",
      () =>
        `${header}.${Buffer.from(`${"[".repeat(20_000)}${"]".repeat(16_000)}`)
          .toString("base64url")
          .slice(0, 48_000)}.${signature}`,
    ],
  ])("a bad token is refused with 401: %s", async (_, token) => {
    const answer = await send(bearer(token()));
    expect(answer).toMatchObject({ status: 401, details: expect.stringMatching(/^jwt_authn_access_denied/) });
    const inQuery = await send({}, `/?access_token=${encodeURIComponent(token())}`);
    expect(inQuery.status).toBe(401);
  });

  function derSigned(): string {
    const text = unsigned({ alg: "ES256", kid: "e" }, { ...claims, exp: secondsFromNow(3600) });
    return `${text}.${sign("sha256", Buffer.from(text), ec.privateKey).toString("base64url")}`;
  }

  test("a token of 1 MB doesn't get that far: no request has room for it", async () => {
    const answer = await send(bearer("a".repeat(1_000_000))).catch(() => ({ status: 0 }));
    expect([0, 431]).toContain(answer.status);
    expect((await send(bearer(good()))).status).toBe(200);
  });

  test("no changed character goes unnoticed", async () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const bytesOf = (token: string): string =>
      token
        .split(".")
        .map((part) => Buffer.from(part, "base64url").toString("hex"))
        .join(".");
    const token = good();
    for (const [at, letter] of fc.sample(fc.tuple(fc.nat(token.length - 1), fc.constantFrom(...alphabet)), { seed: 4, numRuns: 300 })) {
      const changed = `${token.slice(0, at)}${letter}${token.slice(at + 1)}`;
      const isSame = bytesOf(changed) === bytesOf(token);
      expect({ changed, status: isSame ? 401 : (await send(bearer(changed))).status }).toEqual({ changed, status: 401 });
    }
  });

  test.each<readonly [string, (token: string) => readonly [headers: Record<string, string>, path: string]]>([
    ["a header with prefix", (token) => [{ "x-two": `JWT ${token}` }, "/"]],
    ["a header", (token) => [{ "x-bare": token }, "/"]],
    ["a parameter", (token) => [{}, `/?token=${token}`]],
    ["a cookie", (token) => [{ cookie: `a=b; session=${token}` }, "/"]],
  ])("a token is found in %s", async (_, place) => {
    const token = { iss: "two", sub: "bob", nested: { level: 3 }, roles: "a b", scope: "c d", text: "e f" };
    const [headers, path] = place(fetched.token(token));
    const answer = await send({ ...headers, "x-payload-out": "forged", "x-sub": "forged" }, path);
    expect(answer).toMatchObject({ status: 200, payload: { sub: "bob", roles: ["a", "b"], scope: ["c", "d"], text: "e f" } });
    const given = JSON.parse(Buffer.from(answer.upstream["x-payload-out"] ?? "", "base64url").toString());
    expect(given).toMatchObject({ sub: "bob", roles: "a b" });
    expect(answer.upstream).toMatchObject({ "x-sub": "bob", "x-level": "3", ...headers });
    const [badHeaders, badPath] = place(other.token(token));
    expect((await send(badHeaders, badPath)).status).toBe(401);
  });

  test("a token in the place of another rule is not looked at by the first", async () => {
    expect((await send(bearer(fetched.token({ iss: "two" })))).status).toBe(401);
    expect((await send({ "x-bare": ec.token(claims) })).status).toBe(401);
  });

  test("a good token doesn't make up for a bad one in another rule's place", async () => {
    const both = (first: string, second: string) => send({ ...bearer(first), "x-two": `JWT ${second}` });
    const [goodTwo, badTwo] = [fetched.token({ iss: "two", sub: "bob" }), other.token({ iss: "two", sub: "root" })];
    expect((await both(good(), badTwo)).status).toBe(401);
    expect((await both(other.token(claims), goodTwo)).status).toBe(401);
    expect((await send({ ...bearer(good()), "x-three": ec.token({ iss: "three" }) })).status).toBe(401);
    expect(await both(good(), goodTwo)).toMatchObject({ status: 200, payload: { sub: "bob" } });
  });

  test("headers that rules write can't be brought along", async () => {
    const answer = await send({ "x-payload-out": "forged", "x-sub": "root", "x-level": "9" });
    expect(answer.status).toBe(200);
    for (const name of ["x-payload-out", "x-sub", "x-level"]) expect(answer.upstream).not.toHaveProperty(name);
  });

  test("a rule whose keys can't be fetched refuses every token, and the others go on", async () => {
    for (const signer of [ec, fetched, other, rsa]) {
      const answer = await send({ "x-three": signer.token({ iss: "three" }) });
      expect(answer).toMatchObject({ status: 401, details: "jwt_authn_access_denied{Jwks_doesn't_have_any_valid_public_key}" });
    }
    expect((await send({ "x-three": `${unsigned({ alg: "none" }, { iss: "three" })}.` })).status).toBe(401);
    expect((await send({ "x-three": hmacToken("", {}, { iss: "three" }) })).status).toBe(401);
    expect((await send(bearer(good()))).status).toBe(200);
    expect((await send({ "x-two": `JWT ${fetched.token({ iss: "two" })}` })).status).toBe(200);
  });

  test("a preflight needs no token", async () => {
    const headers = { origin: "https://a.example", "access-control-request-method": "GET", authorization: "Bearer bad" };
    expect((await fetch(`http://127.0.0.1:${envoy.port}/`, { method: "OPTIONS", headers })).status).toBe(200);
  });
});

describe("of rules that share a place", () => {
  const [first, second, third] = ["a", "b", "c"].map((kid) => tokenSigner("ES256", kid));
  const rule = (iss: string, signer: TokenSigner | undefined, more: object = {}) => ({
    issuer: iss,
    jwks: signer === undefined ? "" : keySetOf(signer),
    ...more,
  });
  beforeAll(() => {
    const rules = [
      rule("a", first),
      rule("b", second, { fromHeaders: [{ name: "Authorization", prefix: "Bearer " }, { name: "x-b" }] }),
      rule("c", third, { fromHeaders: [{ name: "X-B" }], fromCookies: ["c"] }),
    ];
    return envoy.load(config([policy("shared", ...rules)]));
  });

  test("a token of any of them passes where its rule looks, and nowhere else", async () => {
    const [a, b, c] = [first, second, third].map((signer, index) => signer?.token({ iss: "abc"[index] }) ?? "");
    expect((await send({})).status).toBe(200);
    for (const token of [a, b]) expect((await send(bearer(token ?? ""))).status).toBe(200);
    for (const token of [b, c]) expect((await send({ "x-b": token ?? "" })).status).toBe(200);
    expect((await send({ cookie: `c=${c}` })).status).toBe(200);
    expect((await send(bearer(c ?? ""))).status).toBe(401);
    expect((await send({ "x-b": a ?? "" })).status).toBe(401);
    expect((await send({ cookie: `c=${b}` })).status).toBe(401);
    for (const headers of [bearer("bad"), { "x-b": "bad" }, { cookie: "c=bad" }]) expect((await send(headers)).status).toBe(401);
  });
});
