import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { calculateJwkThumbprint, createLocalJWKSet, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { BadInput } from "../lib/errors.ts";
import { defaultKeyPolicy, isKeyDue, makeTokenKey, neededKeys, openTokenKeys, signingKey } from "./jwks.ts";
import { outputOf, startInOtherProcess } from "./testing/other-process.ts";
import { temporaryDirectory, testSurroundings } from "./testing/world.ts";
import { tokenService } from "./tokens.ts";

const policy = { rotateAfterMs: 1000, publishMs: 10, maxTokenLifetimeMs: 100 };
const key = (createdAtMs: number) => ({ kid: `k${createdAtMs}`, keyPem: "", createdAtMs });
const kids = (keys: readonly { readonly kid: string }[]) => keys.map(({ kid }) => kid);

describe("which key", () => {
  it("signs: the newest one that everybody has read", () => {
    const keys = [key(1000), key(0)];
    expect([1000, 1009, 1010, 5000].map((now) => signingKey(keys, now, policy)?.kid)).toEqual(["k0", "k0", "k1000", "k1000"]);
    expect(signingKey([key(1000)], 1000, policy)?.kid).toBe("k1000");
    expect(signingKey([], 0, policy)).toBeUndefined();
  });

  it("is kept: until the last token it signed is over", () => {
    const keys = [key(1000), key(0)];
    expect([1000, 1109, 1110].map((now) => kids(neededKeys(keys, now, policy)))).toEqual([["k1000", "k0"], ["k1000", "k0"], ["k1000"]]);
  });

  it("is followed: after its time", () => {
    expect([0, 999, 1000].map((now) => isKeyDue([key(0)], now, policy))).toEqual([false, false, true]);
    expect(isKeyDue([], 0, policy)).toBe(true);
  });
});

describe("stored token keys", () => {
  it("verify every token through a rotation, and no longer than its life", async () => {
    using directory = temporaryDirectory();
    const surroundings = testSurroundings();
    const options = { directory: directory.path, surroundings };
    const [one, two] = [openTokenKeys(options), openTokenKeys(options)];
    const isAlive = () => true;
    const [maker, reader] = [one, two].map((keys) => tokenService({ keys, issuer: "us", surroundings, isAlive }));
    const request = { namespace: "a", serviceAccount: { name: "b", uid: "1" }, audiences: ["ca"], lifetimeMs: 86_400_000 };
    const token = async () => (await maker?.issue(request))?.token ?? "";
    const accepts = async (text: string) => (await reader?.review(text, "ca"))?.authenticated;
    const before = await token();
    one.rotate();
    expect(one.signer().kid).toBe(two.signer().kid);
    expect(await accepts(await token())).toBe(true);
    surroundings.nowMs += defaultKeyPolicy.publishMs;
    expect(two.refresh()).toBe(true);
    const after = await token();
    expect([await accepts(before), await accepts(after)]).toEqual([true, true]);
    expect(two.jwks().keys).toHaveLength(2);
    surroundings.nowMs += 86_400_000;
    expect(two.refresh()).toBe(true);
    expect(two.jwks().keys).toHaveLength(1);
    expect(two.refresh()).toBe(false);
  });

  it("are published as a JWK set that another library verifies with, without the private part", async () => {
    using directory = temporaryDirectory();
    const keys = openTokenKeys({ directory: directory.path });
    const [jwk] = keys.jwks().keys;
    if (jwk === undefined) throw new Error("no key");
    expect(Object.keys(jwk).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
    expect(jwk.kid).toBe(await calculateJwkThumbprint({ ...jwk }));
    const { token } = await tokenService({ keys, issuer: "us", isAlive: () => true }).issue({
      namespace: "a",
      serviceAccount: { name: "b", uid: "1" },
      audiences: ["ca"],
    });
    const { payload } = await jwtVerify(token, createLocalJWKSet({ keys: [{ ...jwk }] }), { audience: "ca", issuer: "us" });
    expect(payload.sub).toBe("system:serviceaccount:a:b");
  });

  it("are refused when damaged", () => {
    using directory = temporaryDirectory();
    openTokenKeys({ directory: directory.path });
    const file = join(directory.path, readdirSync(directory.path)[0] ?? "");
    const text = readFileSync(file, "utf8");
    const stranger = makeTokenKey(0);
    for (const damage of [
      "",
      "{}",
      text.slice(0, -20),
      text.replace("MIG", "AAA"),
      text.replace(/"kid": "[^"]*"/, `"kid": "${stranger.kid}"`),
    ]) {
      writeFileSync(file, damage);
      expect(() => openTokenKeys({ directory: directory.path })).toThrow(BadInput);
    }
  });

  it("are made once by processes that begin at the same time", async () => {
    using directory = temporaryDirectory();
    const code = `process.stdout.write(ca.openTokenKeys({ directory }).signer().kid)`;
    const made = await Promise.all([1, 2].map(() => outputOf(startInOtherProcess("jwks.ts", code, [directory.path]))));
    expect(new Set(made).size).toBe(1);
  });
});
