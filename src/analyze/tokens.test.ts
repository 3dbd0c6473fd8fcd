import { describe, expect, test } from "vitest";
import { keySetOf, tokenSigner } from "../../test/harness/tokens.ts";
import { parseManifests } from "../api/parse.ts";
import { snapshotOf } from "../api/snapshot-of.ts";
import { analyze } from "./analyze.ts";
import { keySetFindings } from "./key-sets.ts";

const codes = ["LTN0820", "LTN0821", "LTN0822", "LTN0824"];

function snapshot(text: string) {
  const { resources, diagnostics } = parseManifests(text, { file: "a.yaml" });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  return snapshotOf(resources.map(({ value }) => value));
}

function found(text: string): readonly string[] {
  return analyze(snapshot(text))
    .filter(({ code }) => codes.includes(code))
    .map(({ code, resource, path }) => `${code} ${resource} ${path}`);
}

const object = (kind: string, name: string, spec: string, namespace = "shop") => `
apiVersion: ${kind.endsWith("Service") || kind === "Gateway" ? "networking" : "security"}.istio.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
---`;
const rule = "jwtRules: [{issuer: a, jwksUri: 'https://a.example/keys'}]";
const asks = "rules: [{from: [{source: {requestPrincipals: ['*']}}]}]";
const web = "selector: {matchLabels: {app: web}}";

describe("tokens that nothing requires", () => {
  const authentication = object("RequestAuthentication", "a", `{${web}, ${rule}}`);
  const warning = ["LTN0820 RequestAuthentication shop/a spec.jwtRules"];
  test.each<readonly [string, string, readonly string[]]>([
    ["no policy", "", warning],
    [
      "a policy that asks for something else",
      object("AuthorizationPolicy", "p", "{rules: [{to: [{operation: {methods: [GET]}}]}]}"),
      warning,
    ],
    ["a policy of other workloads", object("AuthorizationPolicy", "p", `{selector: {matchLabels: {app: x}}, ${asks}}`), warning],
    ["a policy of another namespace", object("AuthorizationPolicy", "p", `{${asks}}`, "other"), warning],
    ["a policy of the namespace", object("AuthorizationPolicy", "p", `{${asks}}`), []],
    ["a policy of the mesh", object("AuthorizationPolicy", "p", `{${asks}}`, "istio-system"), []],
    ["a policy of the workload", object("AuthorizationPolicy", "p", `{${web}, ${asks}}`), []],
    ["a policy of other labels", object("AuthorizationPolicy", "p", `{selector: {matchLabels: {version: v1}}, ${asks}}`), []],
    [
      "a DENY of those without",
      object("AuthorizationPolicy", "p", "{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}"),
      [],
    ],
    ["a condition", object("AuthorizationPolicy", "p", "{rules: [{when: [{key: 'request.auth.claims[a]', values: [b]}]}]}"), []],
  ])("%s", (_, policy, expected) => {
    expect(found(authentication + policy)).toEqual(expected);
  });

  test("the mesh's own root namespace counts", () => {
    const config = `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "rootNamespace: root"}
---`;
    expect(found(config + authentication + object("AuthorizationPolicy", "p", `{${asks}}`, "root"))).toEqual([]);
    expect(found(config + authentication + object("AuthorizationPolicy", "p", `{${asks}}`, "istio-system"))).toEqual(warning);
  });
});

test("rules without usable keys", () => {
  const policy = object("AuthorizationPolicy", "p", `{${asks}}`);
  const rules = (list: string) => found(policy + object("RequestAuthentication", "a", `{jwtRules: [${list}]}`));
  const some = JSON.stringify({ keys: [tokenSigner("ES256", "a").jwk, { kty: "EC", crv: "P-256", x: "a", y: "b" }] });
  const at = "RequestAuthentication shop/a spec.jwtRules[0]";
  expect(rules("{issuer: a}")).toEqual([`LTN0821 ${at}`]);
  expect(rules("{issuer: 'https://a.example'}, {issuer: a, jwksUri: 'https://a.example/keys'}")).toEqual([]);
  expect(rules(`{issuer: a, jwks: '${keySetOf(tokenSigner("ES256", "a"))}'}`)).toEqual([]);
  expect(rules(`{issuer: a, jwks: '${some}'}`)).toEqual([`LTN0821 ${at}.jwks`]);
});

describe("routes by claims", () => {
  const route = (gateways: string) =>
    object(
      "VirtualService",
      "v",
      `{hosts: [a.example], ${gateways} http: [{match: [{headers: {'@request.auth.claims.a': {exact: b}}}], directResponse: {status: 200}}]}`,
    );
  const gateway = object(
    "Gateway",
    "g",
    "{selector: {app: gateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}",
  );
  const pod = `
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: edge, labels: {app: gateway}}
spec: {containers: [{name: a, image: a}]}
---`;
  const policy = object("AuthorizationPolicy", "p", `{${asks}}`, "istio-system");
  const warning = ['LTN0822 VirtualService shop/v spec.http[0].match[0].headers["@request.auth.claims.a"]'];
  const authentication = (namespace: string, selector = "") =>
    policy + object("RequestAuthentication", "a", `{${selector} ${rule}}`, namespace);

  test.each<readonly [string, string, readonly string[]]>([
    ["on the mesh", route(""), warning],
    ["on a gateway without rules", gateway + pod + route("gateways: [g],"), warning],
    ["on a gateway with rules in another namespace", gateway + pod + route("gateways: [g],") + authentication("shop"), warning],
    [
      "on a gateway with rules for other pods",
      gateway + pod + route("gateways: [g],") + authentication("edge", "selector: {matchLabels: {app: x}},"),
      warning,
    ],
    ["on a gateway with rules", gateway + pod + route("gateways: [g],") + authentication("edge"), []],
    ["on a gateway with rules of the mesh", gateway + pod + route("gateways: [g, mesh],") + authentication("istio-system"), []],
    ["on a gateway without pods", gateway + route("gateways: [g],"), []],
  ])("%s", (_, text, expected) => {
    expect(found(text)).toEqual(expected);
  });
});

test("keys that can't be fetched are told on each rule that needs them", () => {
  const text = object(
    "RequestAuthentication",
    "a",
    "{jwtRules: [{issuer: 'https://i.example/'}, {issuer: b, jwksUri: 'https://b.example/keys'}, {issuer: c, jwks_uri: 'https://c.example/'}]}",
  );
  const policies = snapshot(text).list("RequestAuthentication");
  const problems = new Map([
    ["https://i.example/.well-known/openid-configuration", "it answered 404"],
    ["https://b.example/keys", "b.example is at a private address"],
  ]);
  const findings = keySetFindings(policies, { jwks: new Map([["https://b.example/keys", "x"]]), problems });
  expect(findings.map(({ code, path, message }) => [code, path, message])).toEqual([
    [
      "LTN0823",
      "spec.jwtRules[0].issuer",
      "the keys at https://i.example/.well-known/openid-configuration can't be fetched: it answered 404; every token of https://i.example/ gets 401",
    ],
    [
      "LTN0823",
      "spec.jwtRules[1].jwksUri",
      "the keys at https://b.example/keys can't be fetched: b.example is at a private address; those fetched before are still used",
    ],
  ]);
  expect(keySetFindings(policies, { jwks: new Map(), problems: new Map() })).toEqual([]);
});

describe("tokens on ports whose protocol is detected", () => {
  const pods = `
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: app}]}
---`;
  const service = (port: string) => `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, ${port}}]}
---`;
  const world = pods + object("RequestAuthentication", "a", `{${web}, ${rule}}`) + object("AuthorizationPolicy", "p", `{${asks}}`);
  test.each([
    ["name: any", ["LTN0824 RequestAuthentication shop/a spec.jwtRules"]],
    ["name: http-web", []],
    ["appProtocol: http", []],
    ["name: tcp-web", []],
  ])("%s", (port, expected) => {
    expect(found(world + service(port))).toEqual(expected);
  });
});
