// RequestAuthentication and routes by claims through the whole pipeline: a real gateway by ADS, and what a change of rules leaves untouched.

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { virtualServiceSchema } from "../../src/api/networking/virtual-service.ts";
import { parseKeySet } from "../../src/api/security/key-set.ts";
import { jwtExtensionName } from "../../src/envoy/names.ts";
import { matches } from "../../src/envoy/simulate-match.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import { createModel } from "../../src/model/mesh-of.ts";
import type { MtlsPhases } from "../../src/model/security.ts";
import { createTranslator } from "../../src/translate/proxy-config.ts";
import { routeMatch } from "../../src/translate/route/match.ts";
import { freePort, type GatewayEnvoy, gatewayYaml, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { keySetOf, tokenSigner } from "../harness/tokens.ts";
import { resourcesOf, snapshotOf, withEndpoints } from "../harness/world.ts";

const signer = tokenSigner("ES256", "a");
const uri = "https://issuer.example/keys";

function authentication(name: string, rule: string, namespace = "test", selector = ""): string {
  return `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: ${name}, namespace: ${namespace}}
spec: {${selector} jwtRules: [{issuer: issuer, ${rule}}]}
---
`;
}

describe("a gateway", () => {
  const answer = (status: number): string => `directResponse: {status: ${status}}`;
  const route = (match: string, status: number): string => `{match: [${match}], ${answer(status)}}`;
  const routes = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes, namespace: test}
spec:
  hosts: ["*"]
  gateways: [gateway]
  http:
    - ${route("{uri: {exact: /list}, headers: {'@request.auth.claims.groups': {exact: b}}}", 210)}
    - ${route("{uri: {exact: /nested}, headers: {'@request.auth.claims.a.b': {prefix: x}}}", 211)}
    - ${route("{uri: {exact: /nested}, headers: {'@request.auth.claims[d.e][f]': {regex: 'y+'}}}", 212)}
    - ${route("{uri: {exact: /present}, headers: {'@request.auth.claims.sub': {}}}", 213)}
    - ${route("{uri: {exact: /without}, withoutHeaders: {'@request.auth.claims.sub': {exact: alice}}}", 214)}
    - ${route("{uri: {exact: /scope}, headers: {'@request.auth.claims.scope': {exact: write}}}", 215)}
    - ${route("{uri: {exact: /number}, headers: {'@request.auth.claims.number': {}}}", 216)}
    - ${answer(299)}
---
`;
  let port: number;
  let gateway: GatewayEnvoy;
  let base: string;
  beforeAll(async () => {
    port = await freePort();
    base = gatewayYaml(port, "HTTP") + routes;
    gateway = await startGatewayEnvoy(base);
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  async function get(path: string, token?: string): Promise<number> {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status;
  }

  test("takes rules, keys and their end without a change of its listener", async () => {
    const token = signer.token({ iss: "issuer" });
    const rules = base + authentication("a", `jwksUri: "${uri}"`);
    expect(await get("/", "bad")).toBe(299);
    const before = await listeners(gateway);
    await gateway.apply(rules);
    expect([await get("/"), await get("/", "bad"), await get("/", token)]).toEqual([299, 401, 401]);
    await gateway.apply(rules, new Map([[uri, parseKeySet(keySetOf(signer)).keySet ?? ""]]));
    expect([await get("/"), await get("/", "bad"), await get("/", token)]).toEqual([299, 401, 299]);
    await gateway.apply(rules + authentication("b", "jwksUri: 'https://b.example/', fromHeaders: [{name: x-b}]"));
    expect([await get("/"), await get("/", "bad"), await get("/", token)]).toEqual([299, 401, 299]);
    await gateway.apply(base);
    expect(await get("/", "bad")).toBe(299);
    expect(await listeners(gateway)).toEqual(before);
  });

  test("routes by claims", async () => {
    await gateway.apply(base + authentication("a", `jwks: '${keySetOf(signer)}'`));
    const send = (path: string, claims: object): Promise<number> => get(path, signer.token({ iss: "issuer", ...claims }));
    expect(await send("/list", { groups: ["a", "b"] })).toBe(210);
    expect(await send("/list", { groups: "b" })).toBe(210);
    expect(await send("/list", { groups: ["a", "bb"] })).toBe(299);
    expect(await send("/list", { groups: { b: "b" } })).toBe(299);
    expect(await get("/list")).toBe(299);
    expect(await send("/nested", { a: { b: "xx" } })).toBe(211);
    expect(await send("/nested", { "a.b": "xx" })).toBe(299);
    expect(await send("/nested", { "d.e": { f: ["z", "yy"] } })).toBe(212);
    expect(await send("/nested", { "d.e": { f: "yyz" } })).toBe(299);
    expect(await send("/present", { sub: "x" })).toBe(213);
    expect(await get("/present")).toBe(299);
    expect(await send("/without", { sub: "alice" })).toBe(299);
    expect(await send("/without", { sub: "bob" })).toBe(214);
    expect(await get("/without")).toBe(214);
    expect(await send("/scope", { scope: "read write" })).toBe(215);
    expect(await send("/number", { number: 3 })).toBe(216);
    expect(await get("/list", tokenSigner("ES256", "a").token({ iss: "issuer", groups: ["b"] }))).toBe(401);
    const headers = { "@request.auth.claims.groups": "b" };
    const forged = await fetch(`http://127.0.0.1:${port}/list`, { headers }).then(
      ({ status }) => status,
      () => 0,
    );
    expect([0, 299, 400]).toContain(forged);
  });
});

/** Random matches and claims of few words, so that many match; nested ones and lists among them. */
const word = fc.constantFrom("a", "b", "ab", "a.b");
const scalar = fc.oneof({ weight: 4, arbitrary: word }, { weight: 1, arbitrary: fc.constantFrom(1, true, null, "") });
const claimValue = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 2 }),
  fc.dictionary(word, fc.oneof(scalar, fc.array(word)), { maxKeys: 2 }),
);
const claimName = fc.oneof(
  fc.constantFrom("a", "b").map((name) => `@request.auth.claims.${name}`),
  fc.constantFrom("a.b", "b.a", "a.ab").map((name) => `@request.auth.claims.${name}`),
  fc.tuple(word, word).map(([first, second]) => `@request.auth.claims[${first}][${second}]`),
);
const claimMatch = fc.oneof(
  fc.constant({}),
  word.map((exact) => ({ exact })),
  fc.constantFrom("a", "").map((prefix) => ({ prefix })),
  fc.constantFrom("a.*", "b|a", "*").map((regex) => ({ regex })),
);
const matchBlock = fc.record({
  headers: fc.dictionary(claimName, claimMatch, { maxKeys: 2 }),
  withoutHeaders: fc.dictionary(claimName, claimMatch, { maxKeys: 1 }),
});

test("matches on claims agree with a real Envoy", { timeout: 60_000 }, async () => {
  const blocks = fc.sample(matchBlock, { seed: 21, numRuns: 60 });
  const port = await freePort();
  const http = blocks.map((block, index) => ({
    match: [{ uri: { exact: `/${index}` }, ...block }],
    directResponse: { status: 210 },
  }));
  const virtualService = {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "routes", namespace: "test" },
    spec: { hosts: ["*"], gateways: ["gateway"], http: [...http, { directResponse: { status: 299 } }] },
  };
  const yaml = `${gatewayYaml(port, "HTTP")}${JSON.stringify(virtualService)}\n---\n`;
  await using gateway = await startGatewayEnvoy(yaml + authentication("a", `jwks: '${keySetOf(signer)}'`));
  expect(await gateway.stat("listener_manager.listener_create_success")).toBeGreaterThan(0);
  const parsedBlocks = virtualServiceSchema.parse(virtualService).spec.http.map(({ match }) => match[0]);
  const requests = fc.sample(fc.tuple(fc.nat(blocks.length - 1), fc.option(fc.dictionary(word, claimValue, { maxKeys: 3 }))), {
    seed: 22,
    numRuns: 600,
  });
  let matched = 0;
  for (const [index, given] of requests) {
    const claims = given === null ? undefined : { iss: "issuer", ...given };
    const headers = claims === undefined ? {} : { authorization: `Bearer ${signer.token(claims)}` };
    const { status } = await fetch(`http://127.0.0.1:${port}/${index}`, { headers });
    const request = { host: "x", path: `/${index}`, ...(claims === undefined ? {} : { claims }) };
    const isMatch = matches(routeMatch(parsedBlocks[index]), request);
    matched += isMatch ? 1 : 0;
    expect({ block: blocks[index], claims, status }).toEqual({ block: blocks[index], claims, status: isMatch ? 210 : 299 });
  }
  expect(matched).toBeGreaterThan(100);
});

async function listeners(gateway: GatewayEnvoy): Promise<readonly number[]> {
  const names = ["listener_added", "listener_modified", "listener_in_place_updated", "listener_removed", "listener_create_success"];
  return Promise.all(names.map((name) => gateway.stat(`listener_manager.${name}`)));
}

describe("a change of one proxy's rules", () => {
  const pod = (name: string): string => `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, namespace: a, labels: {app: ${name}}}
spec: {containers: [{name: app}]}
status: {podIP: 198.18.0.${name === "web" ? 1 : 2}}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: a}
spec: {clusterIP: 198.19.0.1, selector: {app: ${name}}, ports: [{name: http, port: 80}]}
---
`;
  const world = pod("web") + pod("other");
  const rules = world + authentication("one", `jwksUri: "${uri}"`, "a", "selector: {matchLabels: {app: web}},");

  test("leaves its listeners, clusters and routes, and everything of the others, the same objects", () => {
    const model = createModel();
    const translate = createTranslator();
    const noKeys = new Map<string, string>();
    let last: ReturnType<typeof snapshotOf> | undefined;
    let acknowledged: MtlsPhases = new Map();
    const resources = new Map([world, rules].map((yaml) => [yaml, withEndpoints(resourcesOf(yaml))]));
    const kept = resources.get(rules) ?? [];
    const configs = (list: typeof kept, jwks: ReadonlyMap<string, string>) => {
      last = snapshotOf(list, (last?.revision ?? 0) + 1, last);
      const mesh = model.meshOf(last, { settings: defaultMeshSettings, resolved: new Map(), settled: new Map(), jwks, mtls: acknowledged });
      acknowledged = mesh.mtls.phases;
      return ["web.a", "other.a"].map((id) => {
        const proxy = mesh.proxies.get(id);
        if (proxy === undefined) throw new Error(`no ${id}`);
        return translate(mesh, proxy);
      });
    };
    const [web, other] = configs(
      kept.filter(({ kind }) => kind !== "RequestAuthentication"),
      noKeys,
    );
    const [webWithRule, otherWithRule] = configs(kept, noKeys);
    const [webWithKeys, otherWithKeys] = configs(kept, new Map([[uri, keySetOf(signer)]]));
    expect(otherWithRule).toBe(other);
    expect(otherWithKeys).toBe(other);
    for (const next of [webWithRule, webWithKeys]) {
      expect(next?.listeners).toBe(web?.listeners);
      expect(next?.clusters).toBe(web?.clusters);
      expect(next?.routes).toBe(web?.routes);
    }
    const versions = [web, webWithRule, webWithKeys].map((config) => config?.extensions.get(jwtExtensionName)?.version);
    expect(new Set(versions).size).toBe(3);
    expect(webWithKeys?.extensions.get(jwtExtensionName)?.sources).toEqual(["RequestAuthentication a/one"]);
    expect(web?.extensions.get(jwtExtensionName)).toBe(other?.extensions.get(jwtExtensionName));
  });
});
