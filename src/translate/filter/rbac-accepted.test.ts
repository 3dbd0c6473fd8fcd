// Whatever passes the checks of an AuthorizationPolicy, Envoy takes: one RBAC that it refuses would cost a proxy its whole route table.

import fc from "fast-check";
import { expect, test } from "vitest";
import { startRbacEnvoy } from "../../../test/harness/rbac-envoy.ts";
import { codes } from "../../api/codes.ts";
import { conditionKeyOf, plainConditionKeys } from "../../api/security/condition-key.ts";
import { securityKinds } from "../../api/security/kinds.ts";
import { authorizationPoliciesOf } from "../../model/policies.ts";
import { rbacPerRoute } from "./rbac-filters.ts";

const odd: readonly string[] = [
  ..."* ** *a a* *a* a*b /a/{*} /{**} /a/{*}/b/{**} /a/{**}/b {*} [v] [] [*] [**] : :80 a:80 a:* *:80 [::1] [::1]:80 %00 \\".split(" "),
  ..."10.0.0.0/8 10.0.0.1/8 0.0.0.0/0 ::/0 ::1 fe80::1/64 ::ffff:10.0.0.1 2001:DB8::/32 1 65535 GET get / // /?a /#a".split(" "),
  ...["a b", "a\nb", "\t", "é", "日本", "\u0000", "\ud800", "\u{1f600}", "(?i)", "\\Q", "\\E", "$", "^", "[[:alpha:]]", "{1000}"],
  ...["a".repeat(2048), "é".repeat(2048), "*".repeat(2048), "İ".repeat(2048), "/{*}".repeat(512), `/${"a".repeat(2040)}/{**}`],
  ...["a".repeat(2049), "/{*}".repeat(513), "/".repeat(33), `${"/".repeat(32)}*`, "*a/".repeat(32), "a".repeat(1_000_000)],
];

const fields = {
  source: ["principals", "requestPrincipals", "namespaces", "serviceAccounts", "trustDomains", "ipBlocks", "remoteIpBlocks"],
  operation: ["hosts", "ports", "methods", "paths"],
} as const;

const keys = [
  ...plainConditionKeys,
  ...[
    "request.headers[x]",
    "request.headers[:path]",
    "request.headers[:nothing]",
    "request.headers[host]",
    `request.headers[${"x".repeat(1000)}]`,
  ],
  ...[
    "request.auth.claims[a]",
    "request.auth.claims[a b][\u0000][é]",
    "experimental.envoy.filters.http.a[b]",
    "experimental.envoy.filters.[ ]",
  ],
];

/** One rule with the value at one place. */
function rulesWith(value: string): readonly object[] {
  const not = (field: string): string => `not${field.charAt(0).toUpperCase()}${field.slice(1)}`;
  return [
    ...fields.source.flatMap((field) => [field, not(field)].map((name) => ({ from: [{ source: { [name]: [value] } }] }))),
    ...fields.operation.flatMap((field) => [field, not(field)].map((name) => ({ to: [{ operation: { [name]: [value] } }] }))),
    ...keys.flatMap((key) => [{ when: [{ key, values: [value] }] }, { when: [{ key, notValues: [value] }] }]),
  ];
}

/** Those rules that pass all checks, each as a route's configuration. */
function accepted(values: readonly string[]): ReturnType<typeof rbacPerRoute>[] {
  return values.flatMap(rulesWith).flatMap((rule) => {
    const metadata = { name: "p", namespace: "a" };
    const raw = { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata, spec: { rules: [rule] } };
    const { value, findings } = securityKinds.AuthorizationPolicy.read(raw);
    if (value === undefined || findings.some(({ code }) => codes[code].severity === "error")) return [];
    return [
      rbacPerRoute(authorizationPoliciesOf([value], { namespace: "a", labels: {} }, "istio-system"), { trustDomains: ["cluster.local"] }),
    ];
  });
}

async function expectTaken(routes: readonly ReturnType<typeof rbacPerRoute>[]): Promise<void> {
  await using envoy = await startRbacEnvoy();
  await envoy.load(new Map(routes.map((route, index) => [String(index), route])));
  expect(await envoy.admin("/ready")).toContain("LIVE");
}

test("odd but accepted values", async () => {
  const routes = accepted(odd);
  expect(routes.length).toBeGreaterThan(1000);
  await expectTaken(routes);
});

test("arbitrary values and keys", async () => {
  const text = fc
    .array(fc.constantFrom(..."*{}[]()\\|+?^$./:%@ab1 é\n", "{*}", "{**}", "\u0000", "ſ", "K"), { maxLength: 6 })
    .map((parts) => parts.join(""));
  const routes = accepted(fc.sample(text, { numRuns: 100, seed: 20_240_607 }));
  expect(routes.length).toBeGreaterThan(1000);
  await expectTaken(routes);
  expect(conditionKeyOf("request.headers[a\nb]")).toBeUndefined();
});
