// What generated HTTP RBAC does in a real Envoy: the classes of mistakes that other meshes had to publish fixes for; those about paths are in
// rbac-paths-behaviour.test.ts.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { testPolicy } from "../../../test/harness/policies.ts";
import { rawConnection } from "../../../test/harness/raw-http.ts";
import { asCase, load, perRoute } from "../../../test/harness/rbac-case.ts";
import { caseHeader, detailsHeader, metadataHeader, type RbacEnvoy, startRbacEnvoy } from "../../../test/harness/rbac-envoy.ts";
import type { AuthorizationPolicy } from "../../api/security/authorization-policy.ts";

test("random identities of regex syntax match nobody but themselves, as principal, namespace and account", async () => {
  await using envoy = await startRbacEnvoy();
  // No "*" at an end: there it is the notation's own wildcard.
  const inner = fc.array(fc.constantFrom(...".*+?[](){}\\|^$ab-"), { minLength: 0, maxLength: 6 }).map((parts) => parts.join(""));
  const end = fc.constantFrom(...".+?[](){}\\|^$ab");
  const drawn = fc.sample(fc.tuple(end, inner, end), { seed: 41, numRuns: 40 }).map((parts) => parts.join(""));
  const names = [...new Set([...drawn, ...drawn.map((name) => name.replace(/[^ab-]/g, "a"))])];
  const uri = (name: string): string => `spiffe://cluster.local/ns/${name}/sa/${name}`;
  const source = (name: string): object => ({
    principals: [`cluster.local/ns/${name}/sa/${name}`],
    namespaces: [name],
    serviceAccounts: [`${name}/${name}`],
  });
  const fields = ["principals", "namespaces", "serviceAccounts"] as const;
  const only = (name: string, field: string): object => Object.fromEntries(Object.entries(source(name)).filter(([key]) => key === field));
  await envoy.load(
    new Map(
      names.flatMap((name, index) =>
        fields.map((field) => [`${field} ${index}`, perRoute(testPolicy({ rules: [{ from: [{ source: only(name, field) }] }] }))] as const),
      ),
    ),
  );
  const wrong: string[] = [];
  for (const given of names) {
    using connection = rawConnection({
      port: envoy.tlsPort,
      tls: { certificate: envoy.authority.issue({ uri: uri(given) }), serverName: "" },
    });
    for (const [index, name] of names.entries()) {
      for (const field of fields) {
        const { status } = await connection.send({ path: "/", host: "h", headers: [[caseHeader, `${field} ${index}`]] });
        if ((status === 200) !== (given === name)) wrong.push(`${field} ${name} ${status} for ${given}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(names.length).toBeGreaterThan(45);
});

test("a repeated header is matched value by value, in both orders", async () => {
  await using envoy = await startRbacEnvoy();
  using connection = rawConnection({ port: envoy.plainPort });
  await load(envoy, testPolicy({ action: "DENY", rules: [{ when: [{ key: "request.headers[x-role]", values: ["banned"] }] }] }));
  const statusOf = async (...values: readonly string[]): Promise<number> =>
    (await connection.send(asCase({ path: "/", host: "h", headers: values.map((value) => ["X-Role", value] as const) }))).status;
  const both = async (): Promise<readonly number[]> => [
    await statusOf("banned"),
    await statusOf("banned", "ok"),
    await statusOf("ok", "banned"),
    await statusOf("banned, ok"),
    await statusOf("ok"),
    await statusOf(),
  ];
  // One line with both values is one value that neither is.
  expect(await both()).toEqual([403, 403, 403, 200, 200, 200]);
  await load(envoy, testPolicy({ rules: [{ when: [{ key: "request.headers[x-role]", values: ["ok"] }] }] }));
  expect(await both()).toEqual([403, 200, 200, 403, 200, 403]);
  await load(envoy, testPolicy({ action: "DENY", rules: [{ when: [{ key: "request.headers[x-role]", notValues: ["ok"] }] }] }));
  expect(await both()).toEqual([403, 200, 200, 403, 200, 403]);
});

test("a denied host is denied in any case, with any port, and with a final dot", async () => {
  await using envoy = await startRbacEnvoy();
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { hosts: ["Secret.example"] } }] }] }));
  using connection = rawConnection({ port: envoy.plainPort });
  const denied = ["secret.example", "SECRET.example", "secret.example:80", "Secret.Example:8080", "secret.example.", "secret.example.:80"];
  for (const host of denied) expect([host, (await connection.send(asCase({ path: "/", host }))).status]).toEqual([host, 403]);
  expect((await connection.send(asCase({ path: "/", host: "secretxexample" }))).status).toBe(200);
});

describe("identities", () => {
  const hostile = [
    "a.b",
    "a*",
    "a+",
    "a?",
    "[a]",
    "(a)",
    "{a}",
    "a|b",
    "^a",
    "a$",
    "\\",
    "a\\.b",
    ".*",
    ".+",
    "[^/]+",
    "(?i)a",
    "\\Qa\\E",
    "x{2}",
    "a-b",
    "é",
  ];

  test("names full of regex syntax match nobody but themselves", async () => {
    await using envoy = await startRbacEnvoy();
    const uri = (namespace: string, account: string): string => `spiffe://cluster.local/ns/${namespace}/sa/${account}`;
    const allow = (source: object): AuthorizationPolicy => testPolicy({ rules: [{ from: [{ source }] }] });
    const policies = hostile.flatMap((name, index) => [
      [`ns ${index}`, perRoute(allow({ namespaces: [name] }))] as const,
      [`sa ${index}`, perRoute(allow({ serviceAccounts: [`a/${name}`] }))] as const,
      [`principal ${index}`, perRoute(allow({ principals: [`*${uri(name, "x").slice("spiffe://cluster.local".length)}`] }))] as const,
    ]);
    await envoy.load(new Map(policies));
    const others = ["a", "ab", "axb", "aa", "b", "A", "xx", "", "a.b.c"];
    for (const given of [...hostile, ...others]) {
      using byNamespace = tls(envoy, uri(given, "x"));
      using byAccount = tls(envoy, uri("a", given));
      for (const [index, name] of hostile.entries()) {
        const send = async (kind: string, connection: typeof byNamespace): Promise<boolean> =>
          (await connection.send({ path: "/", host: "h", headers: [[caseHeader, `${kind} ${index}`]] })).status === 200;
        // "*" at an end of a namespace is the notation's own wildcard.
        const isWild = name.startsWith("*") || name.endsWith("*");
        const expected = isWild ? given !== "" && given.startsWith(name.slice(0, -1)) : given === name;
        expect([name, given, await send("ns", byNamespace)]).toEqual([name, given, expected]);
        expect([name, given, await send("sa", byAccount)]).toEqual([name, given, given === name]);
        expect([name, given, await send("principal", byNamespace)]).toEqual([name, given, given === name]);
      }
    }
  });

  test("a DNS SAN with the text of another's URI counts for nothing", async () => {
    await using envoy = await startRbacEnvoy();
    const victim = "cluster.local/ns/a/sa/b";
    const sources = [
      { principals: [victim] },
      { principals: [`${victim}*`] },
      { principals: ["*/sa/b"] },
      { namespaces: ["a"] },
      { serviceAccounts: ["a/b"] },
      { trustDomains: ["cluster.local"] },
    ];
    await envoy.load(new Map(sources.map((source, index) => [String(index), perRoute(testPolicy({ rules: [{ from: [{ source }] }] }))])));
    const forged = envoy.authority.issue({ uri: "spiffe://evil/ns/e/sa/e", dnsNames: [`spiffe://${victim}`] });
    const genuine = envoy.authority.issue({ uri: `spiffe://${victim}` });
    for (const [certificate, status] of [
      [forged, 403],
      [genuine, 200],
    ] as const) {
      using connection = rawConnection({ port: envoy.tlsPort, tls: { certificate, serverName: "" } });
      for (const index of sources.keys()) {
        expect((await connection.send({ path: "/", host: "h", headers: [[caseHeader, String(index)]] })).status).toBe(status);
      }
    }
  });

  test("plaintext has no identity, and is not any of those a policy excludes", async () => {
    await using envoy = await startRbacEnvoy();
    using connection = rawConnection({ port: envoy.plainPort });
    await load(
      envoy,
      testPolicy({
        rules: [{ from: [{ source: { principals: ["*"] } }, { source: { namespaces: ["*"] } }, { source: { trustDomains: ["*"] } }] }],
      }),
    );
    expect((await connection.send(asCase({ path: "/", host: "h" }))).status).toBe(403);
    await load(envoy, testPolicy({ action: "DENY", rules: [{ from: [{ source: { notPrincipals: ["*"] } }] }] }));
    expect((await connection.send(asCase({ path: "/", host: "h" }))).status).toBe(403);
  });

  function tls(envoy: RbacEnvoy, uri: string): ReturnType<typeof rawConnection> {
    return rawConnection({ port: envoy.tlsPort, tls: { certificate: envoy.authority.issue({ uri }), serverName: "" } });
  }
});

test("a denial names its policy, in the answer's details and in a metric; a dry run only notes what it would do", async () => {
  await using envoy = await startRbacEnvoy();
  await load(
    envoy,
    testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/no"] } }] }] }, { name: "no" }),
    testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/tried"] } }] }] }, { name: "tried", dryRun: true }),
    testPolicy({ rules: [{ to: [{ operation: { paths: ["/yes", "/no", "/tried"] } }] }] }, { name: "yes" }),
  );
  using connection = rawConnection({ port: envoy.plainPort });
  const send = (path: string) => connection.send(asCase({ path, host: "h" }));
  expect((await send("/no")).headers[detailsHeader]).toBe("rbac_access_denied_matched_policy[ns[a]-policy[no]-rule[0]]");
  expect((await send("/other")).headers[detailsHeader]).toBe("rbac_access_denied_matched_policy[ns[a]-policy[yes]-rule[none]]");
  const tried = await send("/tried");
  expect(tried.status).toBe(200);
  expect(JSON.parse(tried.headers[metadataHeader] ?? "{}")).toMatchObject({
    istio_dry_run_deny_shadow_effective_policy_id: "ns[a]-policy[tried]-rule[0]",
    istio_dry_run_deny_shadow_engine_result: "denied",
  });
  const stats = await envoy.admin("/stats?filter=rbac.*policy");
  expect(stats).toContain("policy.ns[a]-policy[no]-rule[0].denied: 1");
  expect(stats).toContain("policy.ns[a]-policy[yes]-rule[none].denied: 1");
  expect(stats).toContain("policy.ns[a]-policy[tried]-rule[0].shadow_denied: 1");
  expect(await envoy.admin("/stats?filter=listener_manager.listener_modified")).toContain("listener_modified: 0");
});
