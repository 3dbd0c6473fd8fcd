// What generated HTTP RBAC does in a real Envoy with a backend behind it: the classes of mistakes that other meshes had to publish fixes for.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { startEchoServer } from "../../../test/harness/echo-server.ts";
import { testPolicy } from "../../../test/harness/policies.ts";
import { type RawRequest, rawConnection } from "../../../test/harness/raw-http.ts";
import { caseHeader, detailsHeader, metadataHeader, pathHeader, type RbacEnvoy, startRbacEnvoy } from "../../../test/harness/rbac-envoy.ts";
import { normalizePath } from "../../analyze/access/normalize-path.ts";
import type { AuthorizationPolicy } from "../../api/security/authorization-policy.ts";
import { authorizationPoliciesOf } from "../../model/policies.ts";
import { rbacPerRoute } from "./rbac-filters.ts";

const perRoute = (...policies: readonly AuthorizationPolicy[]) =>
  rbacPerRoute(authorizationPoliciesOf(policies, { namespace: "a", labels: {} }, "istio-system"), { trustDomains: ["cluster.local"] });

/** Loads one case named "it". */
const load = (envoy: RbacEnvoy, ...policies: readonly AuthorizationPolicy[]): Promise<void> =>
  envoy.load(new Map([["it", perRoute(...policies)]]));

const asCase = (request: RawRequest): RawRequest => ({ ...request, headers: [[caseHeader, "it"], ...(request.headers ?? [])] });

const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

test("a denied path is denied in all its spellings", async () => {
  const reached: string[] = [];
  await using backend = await startEchoServer("backend", ({ path }) => reached.push(path));
  await using envoy = await startRbacEnvoy({ backendPort: backend.port });
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/admin", "/admin/*"] } }] }] }));
  using connection = rawConnection({ port: envoy.plainPort });
  const encodings = [..."admin"].flatMap((letter, index) =>
    [hex, (byte: number) => hex(byte).toUpperCase()].map(
      (digits) => `/${"admin".slice(0, index)}%${digits(letter.charCodeAt(0))}${"admin".slice(index + 1)}`,
    ),
  );
  const spellings = [
    ...encodings,
    ...["/%61%64%6d%69%6e", "/./admin", "/x/../admin", "/x/..;p/admin", "/%2e/admin", "/x/%2e%2e/admin", "/x/.%2E/admin", "/../admin"],
    ...["/admin?x", "/admin?", "/admin/", "/admin/.", "/admin/x/..", "\\admin", "/x\\..\\admin", "/x/..\\admin"].map((path) =>
      path.replace(/^\\/, "/x/..\\"),
    ),
  ];
  for (const path of spellings) {
    const { status } = await connection.send(asCase({ path, host: "h" }));
    expect([path, status]).toEqual([path, 403]);
  }
  for (const path of ["/admin#x", "/admin#", "/admin%00", "/%00admin", "/admin\u0001", "/\u00e0dmin"]) {
    const { status } = await connection.send(asCase({ path, host: "h" }));
    expect([path, status]).toEqual([path, 400]);
  }
  expect(reached).toEqual([]);
});

test("whatever one of the 255 percent-encodings stands for, nothing that decodes to the denied path reaches the backend", async () => {
  const reached: string[] = [];
  await using backend = await startEchoServer("backend", ({ path }) => reached.push(path));
  await using envoy = await startRbacEnvoy({ backendPort: backend.port });
  const allowed = Array.from({ length: 255 }, (_, index) => index + 1);
  // The denied path has a byte of every value in turn; it is asked for by each of its encodings, and as it stands.
  const printable = allowed.filter((byte) => byte > 0x20 && byte < 0x7f && !'#%*/?\\{}"<>^`|'.includes(String.fromCharCode(byte)));
  const name = (byte: number): string => `b${byte}`;
  await envoy.load(
    new Map(
      printable.map((byte) => {
        const character = String.fromCharCode(byte);
        return [
          name(byte),
          perRoute(
            testPolicy({
              action: "DENY",
              rules: [{ to: [{ operation: { paths: [`/x${character}y`, `/x%${hex(byte)}y`, `/x%${hex(byte).toUpperCase()}y`] } }] }],
            }),
          ),
        ];
      }),
    ),
  );
  using connection = rawConnection({ port: envoy.plainPort });
  for (const byte of printable) {
    for (const path of [`/x${String.fromCharCode(byte)}y`, `/x%${hex(byte)}y`, `/x%${hex(byte).toUpperCase()}y`]) {
      const { status } = await connection.send({ path, host: "h", headers: [[caseHeader, name(byte)]] });
      expect([path, status]).toEqual([path, 403]);
    }
  }
  // And every encoding in a path beside the denied one: only what the server itself would not take for it gets through.
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/admin", "/admin/*"] } }] }] }));
  for (const byte of allowed) {
    for (const path of [`/%${hex(byte)}dmin`, `/admi%${hex(byte)}`, `/a%${hex(byte)}min`])
      await connection.send(asCase({ path, host: "h" }));
  }
  expect(reached.length).toBeGreaterThan(700);
  expect(reached.filter((path) => decodeURIComponentSafely(path).split("/").includes("admin"))).toEqual([]);
});

function decodeURIComponentSafely(path: string): string {
  return Buffer.from(
    path.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    "latin1",
  ).toString("latin1");
}

test("DECODE_AND_MERGE_SLASHES: encoded and repeated slashes lead to no way around a denied path", async () => {
  const reached: string[] = [];
  await using backend = await startEchoServer("backend", ({ path }) => reached.push(path));
  await using envoy = await startRbacEnvoy({ backendPort: backend.port, pathNormalization: "DECODE_AND_MERGE_SLASHES" });
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/a/admin", "/a/admin/*"] } }] }] }));
  using connection = rawConnection({ port: envoy.plainPort });
  for (const separator of [
    "/",
    "//",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "\\",
    "/%2f",
    "%2f%2F/",
    "/./",
    "%2f.%2f",
    "/x/../",
    "%2fx%2f..%2f",
    "/x%5c..%5c",
  ]) {
    for (const path of [`/a${separator}admin`, `/a/admin${separator}x`, `/${separator}a/admin`]) {
      const { status } = await connection.send(asCase({ path, host: "h" }));
      expect([path, status]).toEqual([path, 403]);
    }
  }
  for (let byte = 1; byte < 256; byte += 1) {
    for (const path of [
      `/a%${hex(byte)}admin`,
      `/a/%${hex(byte)}admin`,
      `/a/admin%${hex(byte)}x`,
      `/%${hex(byte)}a/admin`,
      `/a/%${hex(byte)}dmin`,
    ]) {
      await connection.send(asCase({ path, host: "h" }));
    }
  }
  const isDenied = (path: string): boolean => /^\/+a\/+admin(?:\/|$)/.test(decodeURIComponentSafely(path).replaceAll("\\", "/"));
  expect(reached.length).toBeGreaterThan(1000);
  expect(reached.filter(isDenied)).toEqual([]);
});

const levels = ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] as const;

test.each(levels)("%s: normalizePath is what Envoy makes of every byte, raw and encoded, of dot segments and slashes", async (level) => {
  await using envoy = await startRbacEnvoy({ pathNormalization: level });
  await load(envoy);
  using connection = rawConnection({ port: envoy.plainPort });
  const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => ![0x0a, 0x0d, 0x20].includes(byte));
  const pieces = [
    "..",
    ".",
    "",
    "a",
    "..;x",
    ".;x",
    "%2e",
    "%2E%2e",
    "...",
    "a;",
    ";",
    "..%2f",
    "%2e%2e;",
    "..a",
    "a..",
    "%5c..",
    "\\",
    "a\\..",
    "%2F",
    "a%5c",
  ];
  const paths = [
    ...bytes.flatMap((byte) => [`/x%${hex(byte)}y`, `/x%${hex(byte).toUpperCase()}y`, `/x${String.fromCharCode(byte)}y`]),
    ...["%", "%2", "%zz", "%%41", "%4%31", "?", "?a=/../b", "?%61", "?\\", "?a?b", "a?#"].map((end) => `/x${end}`),
    ...pieces.flatMap((first) =>
      pieces.flatMap((second) => [`/${first}/${second}`, `/a/${first}/${second}/b`, `/a/b/${first}/c/${second}`]),
    ),
  ];
  const scraps = fc.array(fc.constantFrom("%", "2", "e", "4", "1", ".", "/", ";", "5", "%2", "f", "a", "%2e"), { maxLength: 12 });
  paths.push(...fc.sample(scraps, { seed: 7, numRuns: 2000 }).map((parts) => `/${parts.join("")}`));
  const wrong: string[] = [];
  for (const path of paths) {
    const { status, headers } = await connection.send(asCase({ path, host: "h" }));
    const seen = status === 200 ? headers[pathHeader]?.split("?")[0] : undefined;
    const made = normalizePath(path, level)?.path;
    if (made !== seen) wrong.push(`${path}: Envoy ${seen}, we ${made}`);
  }
  expect(wrong).toEqual([]);
  expect(paths.length).toBeGreaterThan(1500);
});

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

test("{*} takes every segment there is", async () => {
  await using envoy = await startRbacEnvoy();
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/a/{*}"] } }] }] }));
  using connection = rawConnection({ port: envoy.plainPort });
  // Envoy's own uri_template doesn't take the brackets.
  for (const path of ["/a/x", "/a/[x]", "/a/x*", '/a/"x"', "/a/x;y", "/a/%FF", "/a/x=y", "/a/'"]) {
    expect([path, (await connection.send(asCase({ path, host: "h" }))).status]).toEqual([path, 403]);
  }
  for (const path of ["/a", "/a/", "/a/x/", "/a/x/y", "/b/x"])
    expect((await connection.send(asCase({ path, host: "h" }))).status).toBe(200);
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
