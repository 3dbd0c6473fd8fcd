// Random AuthorizationPolicies and requests from one small vocabulary, so that they meet often. The same seed gives the same cases.

import fc from "fast-check";
import type { JsonObject } from "../../src/api/json.ts";
import type { AuthorizationPolicy } from "../../src/api/security/authorization-policy.ts";
import { securityKinds } from "../../src/api/security/kinds.ts";

/** A client as the server sees it; undefined `uri` is plaintext. */
export interface AccessClient {
  readonly uri?: string;
  readonly dnsNames?: readonly string[];
  readonly address: string;
  readonly serverName: string;
}

export interface HttpCase {
  readonly client: number;
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Last entry of X-Forwarded-For. */
  readonly forwardedFor: string | undefined;
  readonly claims: number | undefined;
}

export interface AccessCase {
  readonly policies: readonly AuthorizationPolicy[];
  readonly requests: readonly HttpCase[];
}

const td = "spiffe://cluster.local";

export const accessClients: readonly AccessClient[] = [
  { address: "127.0.0.1", serverName: "" },
  { address: "127.0.0.2", serverName: "" },
  { uri: `${td}/ns/a/sa/x`, address: "127.0.0.1", serverName: "web.example" },
  { uri: `${td}/ns/a/sa/y`, address: "127.0.0.3", serverName: "Other.Example" },
  { uri: `${td}/ns/b/sa/x`, address: "127.0.0.2", serverName: "web.example" },
  { uri: `${td}/ns/a.b/sa/x.y`, address: "127.0.0.1", serverName: "x" },
  { uri: `${td}/ns/axb/sa/xxy`, address: "127.0.0.1", serverName: "x" },
  { uri: `${td}/ns/a/sa/x/more`, address: "127.0.0.1", serverName: "x" },
  { uri: "spiffe://old/ns/a/sa/x", address: "127.0.0.1", serverName: "web.example" },
  { uri: "spiffe://other/ns/a/sa/x", address: "127.0.1.1", serverName: "web.example" },
  { uri: "https://cluster.local/ns/a/sa/x", address: "127.0.0.1", serverName: "x" },
  // Its DNS SAN is the text of another's URI: must count for nothing.
  { uri: "spiffe://other/ns/evil/sa/evil", dnsNames: [`${td}/ns/a/sa/x`], address: "127.0.0.1", serverName: "x" },
];

export const accessClaims: readonly JsonObject[] = [
  { iss: "https://i", sub: "s", aud: "web", azp: "app", groups: ["dev", "ops"], nested: { role: "admin", "a.b": ["x"] } },
  { iss: "https://i/s", sub: "t", aud: ["web", "api"], groups: "dev", scope: "read write" },
  { iss: "https://j", sub: "s", aud: ["api"], admin: true, groups: [], nested: "admin" },
  { iss: "https://i", aud: "*", groups: ["de\nv"] },
];

/** The mesh's trust domain and its alias. */
export const accessTrustDomains = ["cluster.local", "old"] as const;

const some = (values: readonly string[], max = 2): fc.Arbitrary<string[]> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<string[]>([]) },
    { weight: 2, arbitrary: fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: max }) },
  );

const few = (values: readonly string[]): fc.Arbitrary<string[]> =>
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 }) },
  );

const words = {
  principals: [
    "cluster.local/ns/a/sa/x",
    "old/ns/a/sa/x",
    "other/ns/a/sa/x",
    "*",
    "cluster.local/ns/a*",
    "*/sa/x",
    "*y",
    "cluster.local/ns/a.b/sa/x.y",
    "other*",
  ],
  requestPrincipals: ["https://i/s", "https://i/*", "*/s", "*", "https://i/s/t", "https*", "*s", "*/s/t", "https://j/s"],
  namespaces: ["a", "b", "a*", "*b", "*", "a.b", "*.b", "a.*"],
  serviceAccounts: ["x", "a/x", "b/x", "a/x.y", "x.y"],
  trustDomains: ["cluster.local", "old", "o*", "*r", "*", "cluster.*"],
  blocks: ["127.0.0.0/8", "127.0.0.2", "127.0.0.2/31", "10.0.0.0/8", "::1", "2001:db8::/32", "203.0.113.7/32", "0.0.0.0/0"],
  hosts: ["web.example", "*.example", "web.*", "*", "WEB.example:8080", "web.example:*", "*example", "*.Example:80"],
  methods: ["GET", "P*", "*T", "*", "DELETE"],
  paths: ["/admin", "/admin/*", "*/x", "*", "/a/{*}/c", "/{**}", "/a/{**}", "/admin/{*}", "/a", "/", "/a.b/{*}", "*x", "/{**}/c"],
  headers: ["1", "2", "1*", "*2", "*", "1,2"],
  claims: ["dev", "ops", "*", "de*", "admin", "x", "web", "api", "app", "*s"],
} as const;

/** A list of each field of a source or operation, `not*` included; at least one of them is not empty. */
function listsOf(fields: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Record<string, string[]>> {
  const entries = Object.entries(fields).flatMap(([name, values]) => [
    [name, some(values)] as const,
    [`not${name.charAt(0).toUpperCase()}${name.slice(1)}`, few(values)] as const,
  ]);
  return fc
    .record(Object.fromEntries(entries))
    .map((lists) => Object.fromEntries(Object.entries(lists).filter(([, values]) => values.length > 0)))
    .filter((lists) => Object.keys(lists).length > 0);
}

const source = fc.oneof(
  listsOf({ principals: words.principals, namespaces: words.namespaces }),
  listsOf({ serviceAccounts: words.serviceAccounts }),
  listsOf({ requestPrincipals: words.requestPrincipals }),
  listsOf({ trustDomains: words.trustDomains, ipBlocks: words.blocks, remoteIpBlocks: words.blocks }),
);

function operation(ports: readonly string[]): fc.Arbitrary<Record<string, string[]>> {
  return fc.oneof(
    listsOf({ paths: words.paths }),
    listsOf({ hosts: words.hosts, methods: words.methods }),
    listsOf({ ports, paths: words.paths, methods: words.methods }),
  );
}

function condition(ports: readonly string[]): fc.Arbitrary<object> {
  const attributes: Readonly<Record<string, readonly string[]>> = {
    "request.headers[x-a]": words.headers,
    "request.headers[X-A]": words.headers,
    "request.headers[Host]": ["web.example", "web*"],
    "request.headers[:method]": ["GET"],
    "source.ip": words.blocks,
    "remote.ip": words.blocks,
    "source.namespace": words.namespaces,
    "source.serviceAccount": words.serviceAccounts,
    "source.trustDomain": words.trustDomains,
    "source.principal": words.principals,
    "request.auth.principal": words.requestPrincipals,
    "request.auth.audiences": words.claims,
    "request.auth.presenter": words.claims,
    "request.auth.claims[groups]": words.claims,
    "request.auth.claims[nested][role]": words.claims,
    "request.auth.claims[nested][a.b]": words.claims,
    "request.auth.claims[admin]": ["true", "*"],
    "request.auth.claims[scope]": ["read", "read write"],
    "destination.ip": words.blocks,
    "destination.port": ports,
    "connection.sni": ["web.example", "WEB*", "*example", "*", "x"],
    "experimental.envoy.filters.http.none[k]": ["v", "[v]"],
  };
  return fc
    .constantFrom(...Object.entries(attributes))
    .chain(([key, values]) =>
      fc
        .record({ key: fc.constant(key), values: some(values), notValues: few(values) })
        .filter((made) => made.values.length + made.notValues.length > 0),
    );
}

function policy(ports: readonly string[], index: number): fc.Arbitrary<AuthorizationPolicy> {
  const list = <T>(item: fc.Arbitrary<T>, max: number): fc.Arbitrary<T[]> => fc.array(item, { maxLength: max });
  const rule = fc.record({
    from: list(source, 2).map((items) => items.map((item) => ({ source: item }))),
    to: list(operation(ports), 2).map((items) => items.map((item) => ({ operation: item }))),
    when: fc.oneof({ weight: 2, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: list(condition(ports), 2) }),
  });
  const weighted = fc.oneof(
    { weight: 4, arbitrary: fc.constant("ALLOW") },
    { weight: 3, arbitrary: fc.constant("DENY") },
    { weight: 1, arbitrary: fc.constant("AUDIT") },
  );
  return fc
    .record({
      action: weighted,
      rules: list(rule, 3),
      namespace: fc.constantFrom("a", "istio-system"),
      dryRun: fc.constantFrom("", "", "", "", "true"),
    })
    .map(({ action, rules, namespace, dryRun }) => {
      const annotations = dryRun === "" ? {} : { "istio.io/dry-run": dryRun };
      const metadata = { name: `p${index}`, namespace, annotations };
      const raw = { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata, spec: { action, rules } };
      const { value, findings } = securityKinds.AuthorizationPolicy.read(raw);
      const wrong = findings.filter(({ code }) => !["LTN0307", "LTN0809", "LTN0226"].includes(code));
      if (value === undefined || wrong.length > 0) throw new Error(`the generator made a wrong policy: ${JSON.stringify([raw, wrong])}`);
      return value;
    });
}

const segment = fc.constantFrom(
  "admin",
  "admin",
  "a",
  "a",
  "x",
  "c",
  "..",
  ".",
  "%2e%2e",
  "%61dmin",
  "",
  "..;p",
  "a;p",
  "[x]",
  "b*",
  "%2F",
  "%5c",
  "a\\x",
  "a.b",
  "a%2Eb",
  "adm%69n",
  "%00",
  "{*}",
  "x#",
);
const path = fc
  .tuple(fc.array(segment, { maxLength: 4 }), fc.constantFrom("", "", "", "?q=/admin", "?/../x", "/"))
  .map(([segments, end]) => `/${segments.join("/")}${end}`);

const request: fc.Arbitrary<HttpCase> = fc.record({
  client: fc.nat(accessClients.length - 1),
  method: fc.constantFrom("GET", "GET", "POST", "PUT", "DELETE", "PATCH"),
  host: fc.constantFrom(
    "web.example",
    "WEB.Example",
    "web.example:80",
    "web.example.",
    "web.example.:1",
    "x.web.example",
    "web.example.evil",
    "other",
    "web.example:8080",
    "webxexample",
    "x.example:",
  ),
  path,
  headers: fc
    .constantFrom<string[]>([], ["1"], ["1", "2"], ["2", "1"], ["1,2"], [""], ["3", "12"])
    .map((values) => values.map((value): readonly [string, string] => ["x-a", value])),
  forwardedFor: fc.option(fc.constantFrom("10.1.2.3", "203.0.113.7", "2001:db8::1", "198.51.100.1"), { nil: undefined }),
  claims: fc.option(fc.nat(accessClaims.length - 1), { nil: undefined }),
});

/** So many sets of policies with so many requests each; `ports` are those a request may arrive at, and others. */
export function accessCases(options: {
  readonly seed: number;
  readonly sets: number;
  readonly requests: number;
  readonly ports: readonly string[];
}): readonly AccessCase[] {
  const one = fc.record({
    policies: fc.nat(2).chain((more) => fc.tuple(...Array.from({ length: more + 1 }, (_, index) => policy(options.ports, index)))),
    requests: fc.array(request, { minLength: options.requests, maxLength: options.requests }),
  });
  return fc.sample(one, { seed: options.seed, numRuns: options.sets });
}
