import { createHmac, createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { MeshError } from "../lib/errors.ts";
import { openTokenKeys } from "./jwks.ts";
import { temporaryDirectory, testSurroundings } from "./testing/world.ts";
import { refusedMessage, type TokenSubject, tokenService } from "./tokens.ts";

const surroundings = testSurroundings(Date.UTC(2030, 0, 1));
const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());
const keys = openTokenKeys({ directory: directory.path, surroundings });
const issuer = "https://kubernetes.default.svc.cluster.local";
const dead = new Set<string>();
const isAlive = ({ pod, serviceAccount }: TokenSubject) => !dead.has(serviceAccount.uid) && !dead.has(pod?.uid ?? "");
const service = tokenService({ keys, issuer, surroundings, isAlive });
const subject = { namespace: "shop", serviceAccount: { name: "web", uid: "sa-1" }, pod: { name: "web-7f", uid: "pod-1" } };
const audience = "lateen-ca";

async function made(extra: { readonly audiences?: readonly string[]; readonly lifetimeMs?: number } = {}) {
  return (await service.issue({ ...subject, audiences: [audience], ...extra })).token;
}

const part = (value: unknown) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const read = (token: string, index: number): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split(".")[index] ?? "", "base64url").toString());
const review = (token: string, at = 0, wanted = audience) => {
  const later = tokenService({ keys, issuer, surroundings: testSurroundings(surroundings.nowMs + at), isAlive });
  return later.review(token, wanted);
};

/** A token with our real key and any content. */
function forged(header: object, claims: object, key: KeyObject = keys.signer().key): string {
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createSign("sha256").update(text).sign({ key, dsaEncoding: "ieee-p1363" }, "base64url")}`;
}

describe("service-account tokens", () => {
  it("have Kubernetes' shape and live an hour", async () => {
    const { token, expiresAtMs } = await service.issue({ ...subject, audiences: [audience] });
    expect(read(token, 0)).toEqual({ alg: "ES256", kid: keys.signer().kid });
    const now = surroundings.nowMs / 1000;
    expect(read(token, 1)).toEqual({
      iss: issuer,
      sub: "system:serviceaccount:shop:web",
      aud: [audience],
      iat: now,
      nbf: now,
      exp: now + 3600,
      jti: expect.stringMatching(/^[0-9a-f]{32}$/),
      "kubernetes.io": { namespace: "shop", serviceaccount: { name: "web", uid: "sa-1" }, pod: { name: "web-7f", uid: "pod-1" } },
    });
    expect(await service.review(token, audience)).toEqual({ authenticated: true, subject, audiences: [audience], expiresAtMs });
  });

  it("are for their audience, time and living owner only", async () => {
    const token = await made({ audiences: ["other", audience] });
    const reasons = [
      await review(token, 0, "someone"),
      await review(token, 0, ""),
      await review(token, 3_606_000),
      await review(token, -10_000),
      await tokenService({ keys, issuer: "https://else", surroundings, isAlive }).review(token, audience),
    ].map((result) => (result.authenticated ? "accepted" : result.reason));
    expect(reasons).toEqual(["audience", "audience", "expired", "not yet valid", "issuer"]);
    expect((await review(token, 3_604_000)).authenticated).toBe(true);
    for (const uid of ["pod-1", "sa-1"]) {
      dead.add(uid);
      expect(await review(token)).toMatchObject({ authenticated: false, reason: "revoked" });
      dead.delete(uid);
    }
  });

  it("can't be forged", async () => {
    const token = await made();
    const [header, claims] = [read(token, 0), read(token, 1)];
    const [first = "", second = "", signature = ""] = token.split(".");
    const publicPem = keys.verifier(keys.signer().kid)?.export({ type: "spki", format: "pem" }).toString() ?? "";
    const publicJwk = JSON.stringify(keys.jwks().keys[0]);
    const hmac = (secret: string) => {
      const text = `${part({ ...header, alg: "HS256" })}.${second}`;
      return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
    };
    const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const strangerJwk = stranger.publicKey.export({ format: "jwk" });
    const rsaText = `${part({ ...header, alg: "RS256" })}.${second}`;
    const kubernetes = { namespace: "shop", serviceaccount: { name: "web", uid: "sa-1" } };
    const corpus: Readonly<Record<string, string>> = {
      none: `${part({ ...header, alg: "none" })}.${second}.`,
      "none with signature": `${part({ ...header, alg: "none" })}.${second}.${signature}`,
      None: `${part({ ...header, alg: "None" })}.${second}.`,
      "HS256 with the public PEM": hmac(publicPem),
      "HS256 with the public JWK": hmac(publicJwk),
      "HS256 with nothing": hmac(""),
      RS256: `${rsaText}.${createSign("sha256").update(rsaText).sign(rsa.privateKey, "base64url")}`,
      ES384: forged({ ...header, alg: "ES384" }, claims),
      "no alg": forged({ kid: header["kid"] }, claims),
      "no kid": forged({ alg: "ES256" }, claims),
      "other kid": forged({ ...header, kid: "other" }, claims),
      "__proto__ as kid": forged({ ...header, kid: "__proto__" }, claims),
      "a key of its own": forged({ ...header, jwk: strangerJwk, jku: "http://127.0.0.1/" }, claims, stranger.privateKey),
      "unknown crit": forged({ ...header, crit: ["x"], x: 1 }, claims),
      "changed claims": `${first}.${part({ ...claims, sub: "system:serviceaccount:shop:admin" })}.${signature}`,
      "DER signature": `${first}.${second}.${createSign("sha256").update(`${first}.${second}`).sign(keys.signer().key, "base64url")}`,
      "zero signature": `${first}.${second}.${Buffer.alloc(64).toString("base64url")}`,
      "no signature": `${first}.${second}.`,
      "no exp": forged(header, { ...claims, exp: undefined }),
      "exp as text": forged(header, { ...claims, exp: "9999999999" }),
      "no nbf": forged(header, { ...claims, nbf: undefined }),
      "no iat": forged(header, { ...claims, iat: undefined }),
      "no iss": forged(header, { ...claims, iss: undefined }),
      "no aud": forged(header, { ...claims, aud: undefined }),
      "no sub": forged(header, { ...claims, sub: undefined }),
      "sub of another": forged(header, { ...claims, sub: "system:serviceaccount:shop:admin" }),
      "no Kubernetes claims": forged(header, { ...claims, "kubernetes.io": undefined }),
      "odd namespace": forged(header, {
        ...claims,
        sub: "system:serviceaccount:a/b:web",
        "kubernetes.io": { ...kubernetes, namespace: "a/b" },
      }),
      "pod without uid": forged(header, { ...claims, "kubernetes.io": { ...kubernetes, pod: { name: "x" } } }),
      "a megabyte": `${first}.${"A".repeat(1_000_000)}.${signature}`,
      "deep claims": `${first}.${part(`${"[".repeat(3000)}`)}.${signature}`,
      "four parts": `${token}.x`,
      "two parts": `${first}.${second}`,
      empty: "",
      dots: "..",
      NUL: "\0",
    };
    expect((await review(forged(header, claims))).authenticated).toBe(true);
    const reasonOf = async (name: string) => {
      const result = await review(corpus[name] ?? "");
      return result.authenticated ? "accepted" : result.reason;
    };
    for (const name of ["none", "HS256 with the public PEM", "RS256", "ES384"]) expect(await reasonOf(name), name).toBe("algorithm");
    expect(await reasonOf("a megabyte")).toBe("too long");
    expect(await reasonOf("no kid")).toBe("unknown key");
    expect(await reasonOf("changed claims")).toBe("signature");
    for (const [name, text] of Object.entries(corpus)) {
      expect(await review(text), name).toEqual({ authenticated: false, message: refusedMessage, reason: expect.any(String) });
    }
  });

  it("never make the review throw", async () => {
    const token = await made();
    const mutated = fc
      .tuple(fc.nat(token.length - 1), fc.nat(3), fc.string({ maxLength: 3 }))
      .map(([at, cut, insert]) => token.slice(0, at) + insert + token.slice(at + cut));
    const json = fc
      .tuple(fc.json(), fc.json(), fc.string())
      .map(([header, claims, signature]) => `${part(header)}.${part(claims)}.${signature}`);
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, json, fc.string()), async (text) => {
        const result = await review(text);
        if (!result.authenticated) expect(result.message).toBe(refusedMessage);
        else expect([text.split(".").slice(0, 2), result.subject]).toEqual([token.split(".").slice(0, 2), subject]);
      }),
      { seed: 4, numRuns: 500 },
    );
  });

  it.each([
    { audiences: [] },
    { audiences: [""] },
    { lifetimeMs: 0 },
    { lifetimeMs: Number.NaN },
    { lifetimeMs: 86_400_001 },
    { namespace: "a:b" },
    { namespace: "" },
    { serviceAccount: { name: "a:b", uid: "1" } },
    { serviceAccount: { name: "web", uid: "" } },
    { pod: { name: "../x", uid: "1" } },
  ])("aren't made for %j", async (wrong) => {
    await expect(service.issue({ ...subject, audiences: [audience], ...wrong })).rejects.toBeInstanceOf(MeshError);
  });
});
