// What `lateen policy can` answers for workloads named in words: who decides, and what is missing.

import { describe, expect, test } from "vitest";
import { resourcesOf, snapshotOf, worldOf } from "../../../test/harness/world.ts";
import { type AccessAnswer, type AccessQuestion, answerAccess } from "./answer-access.ts";

const workload = (name: string, more: { account?: string; sidecar?: boolean; namespace?: string } = {}) => {
  const { account = name, sidecar = true, namespace = "shop" } = more;
  const labels = `{app: ${name}${sidecar ? "" : ', sidecar.istio.io/inject: "false"'}}`;
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}-1, namespace: ${namespace}, labels: ${labels}}
spec: {serviceAccountName: ${account}, containers: [{name: main, image: i, ports: [{name: web, containerPort: 8080}]}]}
status: {podIP: 10.0.0.${name.length}, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: web}, {name: tcp-db, port: 5432}]}
---`;
};

const policy = (kind: string, name: string, spec: string, namespace = "shop") => `
apiVersion: security.istio.io/v1
kind: ${kind}
metadata: {name: ${name}, namespace: ${namespace}}
spec: ${spec}
---`;

const shop = workload("web") + workload("orders") + workload("legacy", { sidecar: false }) + workload("other", { namespace: "data" });
const viewer = policy(
  "AuthorizationPolicy",
  "viewer",
  `{selector: {matchLabels: {app: orders}}, rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}], to: [{operation: {methods: [GET]}}]}]}`,
);
const strict = policy("PeerAuthentication", "default", "{mtls: {mode: STRICT}}");

function ask(yaml: string, from: string, to: string, more: Partial<AccessQuestion> = {}) {
  const { mesh } = worldOf(yaml);
  return answerAccess({ from, to, namespace: "shop", headers: [], ...more }, { mesh, snapshot: snapshotOf(resourcesOf(yaml)) });
}

function answered(...given: Parameters<typeof ask>): AccessAnswer {
  const answer = ask(...given);
  if ("problem" in answer) throw new Error(answer.problem);
  return answer;
}

test("an ALLOW policy decides for the caller it names, by the identity that mutual TLS gives", () => {
  expect(answered(shop + viewer, "web", "orders")).toEqual({
    allowed: true,
    reason: "allowed by AuthorizationPolicy shop/viewer, rule 1",
    from: { name: "Service shop/web", proxy: "sidecar", identity: "spiffe://cluster.local/ns/shop/sa/web" },
    to: { name: "Service shop/orders", proxy: "sidecar", port: 8080, servicePort: 80, protocol: "http" },
    request: "GET orders.shop.svc.cluster.local/",
    transport: { kind: "mtls" },
    mtls: { mode: "PERMISSIVE" },
    policy: {
      name: "AuthorizationPolicy shop/viewer",
      rule: 0,
      manifest: {
        action: "ALLOW",
        rules: [{ from: [{ source: { principals: ["cluster.local/ns/shop/sa/web"] } }], to: [{ operation: { methods: ["GET"] } }] }],
      },
    },
    audited: [],
    needed: [],
    differs: false,
  });
});

describe("a no says what would be needed", () => {
  test.each<[string, string, readonly [string, string, Partial<AccessQuestion>?], string]>([
    [
      "another method",
      viewer,
      ["web", "orders", { method: "POST", path: "/a" }],
      "rule 1 of AuthorizationPolicy shop/viewer lets this caller in, but not for POST /a: add it to its operation",
    ],
    [
      "another caller",
      viewer,
      ["data/other", "orders"],
      'rule 1 of AuthorizationPolicy shop/viewer lets this request in, but not this caller: add principal "cluster.local/ns/data/sa/other" to its source',
    ],
    [
      "a caller without sidecar",
      viewer,
      ["legacy", "orders"],
      "Service shop/legacy shows no certificate (the caller has no sidecar): no rule can know it by name until it has one",
    ],
    [
      "a TCP port",
      viewer,
      ["web", "orders", { port: "5432" }],
      "rule 1 of AuthorizationPolicy shop/viewer asks for HTTP attributes, which a TCP port doesn't have: name the port's protocol, or write a rule without them",
    ],
    [
      "a DENY",
      policy("AuthorizationPolicy", "no", "{action: DENY, rules: [{}]}"),
      ["web", "orders"],
      "narrow rule 1 of AuthorizationPolicy shop/no: no ALLOW policy overrides a DENY",
    ],
    [
      "nothing is allowed",
      policy("AuthorizationPolicy", "none", "{}"),
      ["web", "orders"],
      'add an ALLOW policy or a rule for principal "cluster.local/ns/shop/sa/web"',
    ],
    ["plaintext to STRICT", strict, ["legacy", "orders"], 'give Service shop/legacy a sidecar (remove sidecar.istio.io/inject: "false")'],
  ])("%s", (_, policies, [from, to, more], expected) => {
    const answer = answered(shop + policies, from, to, more);
    expect(answer.allowed).toBe(false);
    expect(answer.needed[0]).toBe(expected);
  });
});

describe("how it travels decides who the caller is", () => {
  const rule = (mode: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: orders, namespace: shop}
spec: {host: orders, trafficPolicy: {tls: {mode: ${mode}}}}
---`;
  const disabled = policy("PeerAuthentication", "off", "{selector: {matchLabels: {app: orders}}, portLevelMtls: {8080: {mode: DISABLE}}}");

  test("DestinationRule DISABLE is plaintext, and STRICT refuses it", () => {
    expect(answered(shop + rule("DISABLE"), "web", "orders")).toMatchObject({
      allowed: true,
      from: { identity: "" },
      transport: { kind: "plaintext", reason: "DestinationRule shop/orders says tls DISABLE", source: "DestinationRule shop/orders" },
    });
    expect(answered(shop + rule("DISABLE") + strict, "web", "orders")).toMatchObject({
      allowed: false,
      reason: "the port takes mutual TLS only (PeerAuthentication shop/default: STRICT)",
      mtls: { mode: "STRICT", source: "PeerAuthentication shop/default" },
    });
  });

  test("PeerAuthentication DISABLE at a port is plaintext there only", () => {
    expect(answered(shop + disabled, "web", "orders")).toMatchObject({
      mtls: { mode: "DISABLE", source: "PeerAuthentication shop/off" },
      transport: { kind: "plaintext", reason: "PeerAuthentication shop/off says DISABLE for this port" },
    });
    expect(answered(shop + disabled, "web", "orders", { port: "5432" })).toMatchObject({
      mtls: { mode: "PERMISSIVE" },
      transport: { kind: "mtls" },
    });
    expect(answered(shop + disabled + rule("ISTIO_MUTUAL"), "web", "orders")).toMatchObject({
      allowed: false,
      reason: "the port takes plaintext only (PeerAuthentication shop/off: DISABLE)",
    });
  });

  test("a server without sidecar enforces nothing", () => {
    expect(answered(shop + strict + policy("AuthorizationPolicy", "none", "{}"), "web", "legacy")).toMatchObject({
      allowed: true,
      reason: "the server has no sidecar, so nothing is enforced: anybody may call it",
      transport: { kind: "plaintext", reason: "the server has no sidecar" },
    });
  });
});

describe("words", () => {
  test.each([
    ["web", "Service shop/web"],
    ["shop/web", "Service shop/web"],
    ["web.shop", "Service shop/web"],
    ["web.shop.svc.cluster.local", "Service shop/web"],
    ["svc/web", "Service shop/web"],
    ["pod/web-1", "Pod shop/web-1"],
    ["po/web-1.shop", "Pod shop/web-1"],
    ["pod/shop/web-1", "Pod shop/web-1"],
    ["other.data", "Service data/other"],
  ])("%s is %s", (word, name) => {
    expect(answered(shop, word, "orders").from.name).toBe(name);
  });

  test("what nobody is called has a suggestion", () => {
    expect(ask(shop, "wep", "orders")).toEqual({
      problem: 'there is no pod, deployment or service "wep" (namespace shop where none is named)',
      fix: "did you mean shop/web?",
    });
    expect(ask(shop, "other", "orders")).toMatchObject({ fix: "did you mean data/other?" });
    expect(ask(shop, "web", "orders", { port: "grpc" })).toEqual({
      problem: 'Service shop/orders has no port "grpc"',
      fix: "use one of 80 (http), 5432 (tcp-db)",
    });
  });

  test("a Deployment without pods stands for those it will make", () => {
    const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: batch, namespace: shop}
spec: {replicas: 0, selector: {matchLabels: {app: batch}}, template: {metadata: {labels: {app: batch}}, spec: {serviceAccountName: web, containers: [{name: a, image: i}]}}}
---`;
    expect(answered(shop + viewer + deployment, "batch", "orders")).toMatchObject({
      allowed: true,
      from: { name: "Deployment shop/batch" },
    });
  });
});

test("pods of one name that get different answers are told, and the no counts", () => {
  const second =
    workload("web").split("---")[0]?.replace("web-1", "web-2").replace("serviceAccountName: web", "serviceAccountName: b") ?? "";
  expect(answered(`${shop}${viewer}${second}---`, "web", "orders")).toMatchObject({ allowed: false, differs: true });
});

test("headers, claims and host are part of the question; a dry run is told apart", () => {
  const rules = `{rules: [{when: [{key: "request.headers[x-team]", values: [a]}, {key: "request.auth.claims[role]", values: [admin]}], to: [{operation: {hosts: [orders]}}]}]}`;
  const tokens = policy("RequestAuthentication", "tokens", '{jwtRules: [{issuer: "https://login", jwksUri: "https://login/keys"}]}');
  const yaml = shop + tokens + policy("AuthorizationPolicy", "all", rules);
  const full = { host: "orders", headers: [["x-team", "a"]] as const, claims: { iss: "https://login", role: "admin" } };
  expect(answered(yaml, "web", "orders", full).allowed).toBe(true);
  expect(answered(yaml, "web", "orders", { ...full, claims: undefined }).needed).toEqual([
    'rule 1 of AuthorizationPolicy shop/all matches but for its condition "request.auth.claims[role]"',
  ]);
  const dry = policy("AuthorizationPolicy", "try", "{action: DENY, rules: [{}]}").replace(
    "name: try",
    'name: try, annotations: {istio.io/dry-run: "true"}',
  );
  expect(answered(shop + dry, "web", "orders")).toMatchObject({ allowed: true, dryRun: { allowed: false } });
});

test("a token counts where somebody trusts its issuer, is refused by those who don't, and is not read elsewhere", () => {
  const tokens = policy("RequestAuthentication", "tokens", '{jwtRules: [{issuer: "https://login", jwksUri: "https://login/keys"}]}');
  const admins = policy("AuthorizationPolicy", "admins", '{rules: [{from: [{source: {requestPrincipals: ["https://login/me"]}}]}]}');
  const mine = { claims: { iss: "https://login", sub: "me" } };
  expect(answered(shop + tokens + admins, "web", "orders", mine).allowed).toBe(true);
  expect(answered(shop + admins, "web", "orders", mine).allowed).toBe(false);
  expect(answered(shop + tokens, "web", "orders", { claims: { iss: "other", sub: "me" } })).toMatchObject({
    allowed: false,
    reason: '401: no rule of RequestAuthentication shop/tokens trusts the token\'s issuer "other"',
  });
});
