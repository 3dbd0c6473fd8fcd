// Key sets in a real Envoy's JWT filter: they come, change and go while it runs, and it takes whatever we take.

import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bearer, configOf, policy, published, send as sendTo } from "../../../test/harness/jwt-case.ts";
import { type JwtEnvoy, startJwtEnvoy } from "../../../test/harness/jwt-envoy.ts";
import { tokenSigner } from "../../../test/harness/tokens.ts";
import { parseKeySet } from "../../api/security/key-set.ts";
import { jwtAuthentication } from "./jwt.ts";

const [rsa, ec, edwards, other] = [
  tokenSigner("RS256", "r"),
  tokenSigner("ES256", "e"),
  tokenSigner("EdDSA", "d"),
  tokenSigner("ES256", "e"),
];
const pss = tokenSigner("PS256", "p");
const fetched = tokenSigner("ES384", "f");

let envoy: JwtEnvoy;
beforeAll(async () => {
  envoy = await startJwtEnvoy({});
});
afterAll(() => envoy[Symbol.asyncDispose]());

const send = (headers: Readonly<Record<string, string>>, path?: string) => sendTo(envoy, headers, path);

describe("of one rule", () => {
  const single = policy("three", { issuer: "three", jwksUri: "https://three.example/keys" });
  const setsOf = (text: string) => new Map([["https://three.example/keys", text]]);

  test("keys come, change and go without a touch of the listener", async () => {
    const get = async (signer: typeof ec) => (await send(bearer(signer.token({ iss: "three" })))).status;
    const modified = await envoy.stat("listener_manager.listener_modified");
    const created = await envoy.stat("listener_manager.listener_create_success");
    await envoy.load(configOf([single], new Map()));
    expect([await get(ec), await get(fetched), (await send({})).status]).toEqual([401, 401, 200]);
    await envoy.load(configOf([single], setsOf(published(ec))));
    expect([await get(ec), await get(fetched), (await send({})).status]).toEqual([200, 401, 200]);
    await envoy.load(configOf([single], setsOf(published(fetched, ec))));
    expect([await get(ec), await get(fetched)]).toEqual([200, 200]);
    await envoy.load(configOf([single], setsOf(published(fetched))));
    expect([await get(ec), await get(fetched)]).toEqual([401, 200]);
    await envoy.load(configOf([], new Map()));
    expect([await get(other), (await send({})).status]).toEqual([200, 200]);
    expect(await envoy.stat("listener_manager.listener_modified")).toBe(modified);
    expect(await envoy.stat("listener_manager.listener_create_success")).toBe(created);
  });

  test("without issuer, whoever has the keys names himself", async () => {
    const anybody = policy("any", { jwksUri: "https://three.example/keys" });
    await envoy.load(configOf([anybody], setsOf(published(ec))));
    for (const iss of ["a", "b", undefined]) expect((await send(bearer(ec.token({ iss })))).status).toBe(200);
    expect((await send(bearer(other.token({ iss: "a" })))).status).toBe(401);
  });

  beforeEach(() => {
    expect(envoy.log()).not.toMatch(/deprecated|rejected/i);
  });
});

test("Envoy takes every key set that is read from anything", async () => {
  const member = fc.constantFrom("kty", "crv", "x", "y", "n", "e", "alg", "use", "kid");
  const value = fc.oneof(
    fc.constantFrom("RSA", "EC", "OKP", "P-256", "P-384", "P-521", "Ed25519", "AQAB", "sig", "ES256", ""),
    fc.uint8Array({ minLength: 32, maxLength: 66 }).map((bytes) => Buffer.from(bytes).toString("base64url")),
    fc.string({ unit: "binary" }),
  );
  const jwks = [rsa, ec, edwards, pss, fetched].map(({ jwk }) => jwk);
  const key = fc
    .tuple(fc.constantFrom(...jwks), fc.dictionary(member, value, { maxKeys: 2 }))
    .map(([jwk, changes]) => ({ ...jwk, ...changes }));
  const sets = fc.sample(fc.array(key, { minLength: 1, maxLength: 3 }), { seed: 9, numRuns: 400 });
  const read = sets.map((keys) => parseKeySet(JSON.stringify({ keys })).keySet).filter((text) => text !== undefined);
  expect(read.length).toBeGreaterThan(50);
  const rules = read.map((_, index) => ({ issuer: `i${index}`, jwksUri: `https://${index}.example/keys` }));
  const all = new Map(read.map((text, index) => [`https://${index}.example/keys`, text]));
  await envoy.load(jwtAuthentication([policy("all", ...rules)], { keySets: all, clearRouteCache: true }));
  expect((await send({})).status).toBe(200);
});
