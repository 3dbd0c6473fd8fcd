// What decideAccess says, in words; that it decides as Envoy does is in agreement.test.ts.

import { describe, expect, test } from "vitest";
import { testPolicy } from "../../../test/harness/policies.ts";
import type { AuthorizationPolicy } from "../../api/security/authorization-policy.ts";
import { authorizationPoliciesOf } from "../../model/policies.ts";
import type { AccessRequest } from "./access-request.ts";
import { decideAccess } from "./decide-access.ts";
import { isInRange } from "./ip-range.ts";

const get = { method: "GET", authority: "web", path: "/a", headers: [] };
const fromWeb: AccessRequest = {
  peer: ["spiffe://cluster.local/ns/a/sa/web"],
  sourceIp: "10.0.0.1",
  remoteIp: "10.0.0.1",
  destinationIp: "10.0.0.2",
  destinationPort: 8080,
  serverName: "",
  http: get,
};

const decide = (policies: readonly AuthorizationPolicy[], request = fromWeb) =>
  decideAccess(authorizationPoliciesOf(policies, { namespace: "a", labels: {} }, "istio-system"), request, {
    trustDomains: ["td", "cluster.local"],
  });

const toPath = (path: string): object => ({ to: [{ operation: { paths: [path] } }] });

test("without policies everything is allowed", () => {
  expect(decide([])).toEqual({
    allowed: true,
    reason: "no ALLOW policy is for this workload, so what isn't denied is allowed",
    audited: [],
  });
});

test("the reason names policy and rule", () => {
  const deny = testPolicy({ action: "DENY", rules: [toPath("/b"), toPath("/a")] }, { name: "deny" });
  const allow = testPolicy({ rules: [toPath("/a"), toPath("/c")] }, { name: "allow" });
  expect(decide([deny, allow])).toEqual({
    allowed: false,
    reason: "denied by AuthorizationPolicy a/deny, rule 2",
    policy: "AuthorizationPolicy a/deny",
    rule: 1,
    audited: [],
  });
  expect(decide([allow]).reason).toBe("allowed by AuthorizationPolicy a/allow, rule 1");
  expect(decide([allow], { ...fromWeb, http: { ...get, path: "/x" } }).reason).toBe(
    "no rule of the ALLOW policies matches: AuthorizationPolicy a/allow",
  );
  expect(decide([allow], { ...fromWeb, http: { ...get, path: "/a#b" } }).reason).toBe("Envoy answers 400: the path is not a valid one");
});

test("AUDIT marks what was let in and decides nothing", () => {
  const audit = testPolicy({ action: "AUDIT", rules: [{}] }, { name: "audit" });
  expect(decide([audit])).toMatchObject({ allowed: true, audited: ["AuthorizationPolicy a/audit"] });
  expect(decide([audit, testPolicy({})])).toMatchObject({ allowed: false, audited: [] });
});

test("a dry run says what would be", () => {
  const tried = testPolicy({ action: "DENY", rules: [toPath("/a")] }, { name: "tried", dryRun: true });
  expect(decide([tried])).toMatchObject({
    allowed: true,
    dryRun: { allowed: false, reason: "denied by AuthorizationPolicy a/tried, rule 1" },
  });
  expect(decide([testPolicy({}, { dryRun: true })])).toMatchObject({ allowed: true, dryRun: { allowed: false } });
});

test("the mesh's trust domain stands for its aliases", () => {
  const allow = (principal: string): AuthorizationPolicy => testPolicy({ rules: [{ from: [{ source: { principals: [principal] } }] }] });
  expect(decide([allow("td/ns/a/sa/web")]).allowed).toBe(true);
  expect(decide([allow("other/ns/a/sa/web")]).allowed).toBe(false);
});

test("STRICT keeps plaintext out; DISABLE takes identities away", () => {
  const policies = authorizationPoliciesOf(
    [testPolicy({ rules: [{ from: [{ source: { namespaces: ["a"] } }] }] })],
    { namespace: "a", labels: {} },
    "root",
  );
  const allowed = (peer: readonly string[], mtls: "STRICT" | "PERMISSIVE" | "DISABLE"): boolean =>
    decideAccess(policies, { ...fromWeb, peer }, { trustDomains: [], mtls }).allowed;
  expect((["STRICT", "PERMISSIVE", "DISABLE"] as const).map((mtls) => allowed(fromWeb.peer, mtls))).toEqual([true, true, false]);
  const open = authorizationPoliciesOf([], { namespace: "a", labels: {} }, "root");
  const plain = { ...fromWeb, peer: [] };
  expect(decideAccess(open, plain, { trustDomains: [], mtls: "STRICT" })).toMatchObject({
    allowed: false,
    reason: expect.stringContaining("STRICT"),
  });
  expect(decideAccess(open, plain, { trustDomains: [], mtls: "PERMISSIVE" }).allowed).toBe(true);
});

describe("addresses", () => {
  test.each([
    ["10.0.0.1", "10.0.0.0/8", true],
    ["10.0.0.1", "10.0.0.1", true],
    ["11.0.0.1", "10.0.0.0/8", false],
    ["10.128.0.1", "10.0.0.0/9", false],
    ["10.0.0.1", "0.0.0.0/0", true],
    ["10.0.0.1", "::/0", false],
    ["::1", "::1", true],
    ["0:0:0:0:0:0:0:1", "::1/128", true],
    ["2001:db8::7", "2001:db8::/32", true],
    ["2001:db9::7", "2001:db8::/32", false],
    ["2001:DB8:0:0::7", "2001:db8:0:0:8000::/65", false],
    ["::ffff:10.0.0.1", "::ffff:0a00:1", true],
    ["nothing", "10.0.0.0/8", false],
  ])("%s in %s: %s", (address, block, expected) => expect(isInRange(address, block)).toBe(expected));
});
