import { describe, expect, test } from "vitest";
import { securityKinds } from "../api/security/kinds.ts";
import { authorizationPoliciesOf, mtlsModeOf, mtlsOf, requestAuthenticationsOf } from "./policies.ts";

interface Place {
  readonly namespace?: string;
  readonly name?: string;
  readonly created?: string;
}

function raw(kind: string, spec: object, { namespace = "shop", name = "p", created = "" }: Place): object {
  return { apiVersion: "security.istio.io/v1", kind, metadata: { name, namespace, creationTimestamp: created }, spec };
}

function peer(spec: object, place: Place = {}) {
  const { value } = securityKinds.PeerAuthentication.read(raw("PeerAuthentication", spec, place));
  if (value === undefined) throw new Error("not a PeerAuthentication");
  return value;
}

function authorization(spec: object, place: Place = {}) {
  const { value } = securityKinds.AuthorizationPolicy.read(raw("AuthorizationPolicy", spec, place));
  if (value === undefined) throw new Error("not an AuthorizationPolicy");
  return value;
}

function request(spec: object, place: Place = {}) {
  const { value } = securityKinds.RequestAuthentication.read(raw("RequestAuthentication", spec, place));
  if (value === undefined) throw new Error("not a RequestAuthentication");
  return value;
}

const root = "istio-system";
const web = { namespace: "shop", labels: { app: "web", version: "v1" } };
const forWeb = { selector: { matchLabels: { app: "web" } } };
const forApi = { selector: { matchLabels: { app: "api" } } };
const mode = (value: string): object => ({ mtls: { mode: value } });

describe("mTLS", () => {
  const mesh = peer(mode("STRICT"), { namespace: root });
  const namespace = peer(mode("DISABLE"));
  const workload = peer({ ...forWeb, ...mode("PERMISSIVE") }, { name: "w" });
  const cases = [
    ["nothing", [], "PERMISSIVE"],
    ["the mesh", [mesh], "STRICT"],
    ["the namespace over the mesh", [mesh, namespace], "DISABLE"],
    ["the workload over both", [mesh, namespace, workload], "PERMISSIVE"],
    ["an unset mesh", [peer({}, { namespace: root })], "PERMISSIVE"],
    ["an unset namespace inherits", [mesh, peer(mode("UNSET"))], "STRICT"],
    ["an unset workload inherits", [mesh, peer({ ...forWeb, mtls: {} })], "STRICT"],
    ["another workload's", [mesh, peer({ ...forApi, ...mode("DISABLE") })], "STRICT"],
    ["another namespace's", [mesh, peer(mode("DISABLE"), { namespace: "other" })], "STRICT"],
    ["the root namespace with a selector is for nobody", [mesh, peer({ ...forWeb, ...mode("DISABLE") }, { namespace: root })], "STRICT"],
    ["empty labels select the namespace", [peer({ selector: {}, ...mode("STRICT") })], "STRICT"],
    [
      "the oldest of two",
      [
        peer(mode("STRICT"), { name: "a", created: "2026-01-02T00:00:00Z" }),
        peer(mode("DISABLE"), { name: "b", created: "2026-01-01T00:00:00Z" }),
      ],
      "DISABLE",
    ],
    ["of equal age the first by name", [peer(mode("STRICT"), { name: "b" }), peer(mode("DISABLE"), { name: "a" })], "DISABLE"],
  ] as const;

  test.each(cases)("%s", (_title, policies, expected) => {
    expect(mtlsOf(policies, web, root).mode).toBe(expected);
    expect(mtlsOf([...policies].reverse(), web, root).mode).toBe(expected);
  });

  test("a port wins over its workload, and inherits when unset", () => {
    const ports = { portLevelMtls: { "8080": { mode: "DISABLE" }, "9090": { mode: "UNSET" }, "80": {} } };
    const mtls = mtlsOf([mesh, peer({ ...forWeb, ...ports })], web, root);
    expect([...mtls.ports]).toEqual([
      [80, "STRICT"],
      [8080, "DISABLE"],
      [9090, "STRICT"],
    ]);
    expect([mtlsModeOf(mtls, 8080), mtlsModeOf(mtls, 9090), mtlsModeOf(mtls, 1)]).toEqual(["DISABLE", "STRICT", "STRICT"]);
  });

  test("ports of a policy for the whole namespace count for nothing", () => {
    expect(mtlsOf([peer({ portLevelMtls: { "80": { mode: "DISABLE" } } })], web, root).ports.size).toBe(0);
  });
});

describe("AuthorizationPolicies", () => {
  test("come by action: the root namespace's, the own namespace's, those whose labels select the workload", () => {
    const policies = [
      authorization({ action: "DENY" }, { name: "z" }),
      authorization({ action: "DENY", ...forWeb }, { name: "a" }),
      authorization({ action: "DENY", ...forApi }, { name: "api" }),
      authorization({ action: "DENY" }, { name: "m", namespace: root }),
      authorization({ action: "DENY", ...forWeb }, { name: "n", namespace: root }),
      authorization({ action: "DENY", ...forApi }, { name: "o", namespace: root }),
      authorization({ action: "DENY" }, { name: "else", namespace: "other" }),
      authorization({ targetRefs: [{ kind: "Service", name: "web" }] }, { name: "target" }),
      authorization({}, { name: "allow" }),
      authorization({ action: "AUDIT" }, { name: "audit" }),
      authorization({ action: "CUSTOM" }, { name: "custom" }),
    ];
    const { custom, deny, allow, audit } = authorizationPoliciesOf(policies, web, root);
    const names = [custom, deny, allow, audit].map((list) => list.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
    expect(names).toEqual([["shop/custom"], ["istio-system/m", "istio-system/n", "shop/a", "shop/z"], ["shop/allow"], ["shop/audit"]]);
  });

  test("a label of the prototype is no label", () => {
    const selecting = authorization({ selector: { matchLabels: { constructor: "Object" } } });
    expect(authorizationPoliciesOf([selecting], web, root).allow).toEqual([]);
  });
});

test("RequestAuthentications add up, oldest first", () => {
  const policies = [
    request({}, { name: "young", created: "2026-01-02T00:00:00Z" }),
    request(forWeb, { name: "old", namespace: root, created: "2026-01-01T00:00:00Z" }),
    request(forApi, { name: "api" }),
  ];
  expect(requestAuthenticationsOf(policies, web, root).map(({ metadata }) => metadata.name)).toEqual(["old", "young"]);
});
