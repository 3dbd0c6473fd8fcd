import { describe, expect, test } from "vitest";
import { printPath } from "../../lib/field-path.ts";
import { fieldPaths } from "../schema-walk.ts";
import { declaredPaths, plainPath } from "../testing/declared-paths.ts";
import { parseYaml } from "../yaml.ts";
import { securityKinds } from "./kinds.ts";

type Kind = keyof typeof securityKinds;

/** "LTN0801 spec.rules[0]" of every finding. */
function findings(kind: Kind, spec: string, annotations = "{}"): readonly string[] {
  const text = `{apiVersion: security.istio.io/v1, kind: ${kind}, metadata: {name: web, annotations: ${annotations}}, spec: ${spec}}`;
  const [document] = parseYaml(text, "x.yaml");
  expect(document?.findings).toEqual([]);
  return securityKinds[kind].read(document?.value).findings.map(({ code, path }) => `${code} ${printPath(path)}`);
}

const rule = "spec.rules[0]";
const from = (fields: string) => `{rules: [{from: [{source: {${fields}}}]}]}`;
const to = (fields: string) => `{rules: [{to: [{operation: {${fields}}}]}]}`;
const when = (fields: string) => `{rules: [{when: [{${fields}}]}]}`;
const source = `${rule}.from[0].source`;
const operation = `${rule}.to[0].operation`;

const authorizationPolicies: readonly (readonly [spec: string, ...expected: string[]])[] = [
  ["{}"],
  ["{rules: [{}]}"],
  ["{action: DENY}", "LTN0307 spec.rules"],
  ["{action: AUDIT, rules: [{}], provider: {name: a}}", "LTN0805 spec.provider"],
  ["{action: CUSTOM, provider: {name: a}, rules: [{}]}", "LTN0804 spec.action"],
  ["{action: PERMIT}", "LTN0104 spec.action"],
  ["{selector: {matchLabels: {'a b': c}}}", 'LTN0106 spec.selector.matchLabels["a b"]'],
  ["{targetRef: {kind: Service, name: a}}", "LTN0804 spec.targetRef"],
  ["{targetRefs: [{kind: Service, name: a}]}", "LTN0804 spec.targetRefs"],
  [
    "{rules: [{from: [{}], to: [{operation: {}}], when: [{key: source.ip}]}]}",
    `LTN0803 ${source}`,
    `LTN0803 ${operation}`,
    `LTN0803 ${rule}.when[0]`,
  ],
  [from("principals: ['*', cluster.local/ns/a/sa/b, 'cluster.local/*', '*/sa/b']")],
  [
    from("principals: ['', 'spiffe://a/ns/b/sa/c'], notPrincipals: ['a/*/b']"),
    `LTN0801 ${source}.principals[0]`,
    `LTN0226 ${source}.principals[1]`,
    `LTN0809 ${source}.notPrincipals[0]`,
  ],
  [from("namespaces: [a, 'b-*', '*-c', '*'], trustDomains: [td], requestPrincipals: ['https://issuer/sub', '*']")],
  [from("namespaces: ['']"), `LTN0801 ${source}.namespaces[0]`],
  [from("serviceAccounts: [web, shop/web, my.account]")],
  [from("serviceAccounts: ['*', a/b/c, 'a/b*', Web]"), ...[0, 1, 2, 3].map((index) => `LTN0801 ${source}.serviceAccounts[${index}]`)],
  [from("serviceAccounts: [web], notNamespaces: [a]"), `LTN0805 ${source}`],
  [from("notServiceAccounts: [web], principals: [a]"), `LTN0805 ${source}`],
  [from("ipBlocks: [10.0.0.1, 10.0.0.0/8, '::1', 'fe80::/10']")],
  [
    from("ipBlocks: [10.0.0.0/33], notIpBlocks: [a], remoteIpBlocks: ['10.0.0.*'], notRemoteIpBlocks: ['']"),
    `LTN0220 ${source}.ipBlocks[0]`,
    `LTN0220 ${source}.notIpBlocks[0]`,
    `LTN0220 ${source}.remoteIpBlocks[0]`,
    `LTN0220 ${source}.notRemoteIpBlocks[0]`,
  ],
  [from("principal: [a]"), `LTN0101 ${source}.principal`],
  [to("hosts: [a.b, '*.b', 'a.*', '*', 'a.b:80'], ports: ['80'], methods: [GET, '*', 'GE*'], paths: [/a, '/a*', '*/b', '*']")],
  [to("hosts: ['', 'münchen.example']"), `LTN0801 ${operation}.hosts[0]`, `LTN0226 ${operation}.hosts[1]`],
  [
    to("ports: ['0', '65536', http, '*'], notPorts: ['080']"),
    ...[0, 1, 2, 3].map((index) => `LTN0105 ${operation}.ports[${index}]`),
    `LTN0105 ${operation}.notPorts[0]`,
  ],
  [to("methods: [get, '']"), `LTN0226 ${operation}.methods[0]`, `LTN0801 ${operation}.methods[1]`],
  [
    to("paths: [a, '/a?b', '/a#b', '']"),
    ...[0, 1, 2].map((index) => `LTN0226 ${operation}.paths[${index}]`),
    `LTN0801 ${operation}.paths[3]`,
  ],
  [to("paths: ['/a/*/b']"), `LTN0809 ${operation}.paths[0]`],
  [to("paths: ['/{*}', '/{**}', '/a/{*}/b/{**}', '/a/{*}/', '/{*}/{*}/c']")],
  [
    to(
      "paths: ['a/{*}', '/{**}/{*}', '/{**}/{**}', '/a{*}', '/{*}*', '/{a}', '/*/{*}', '/a b/{*}', '/a}', '/{**}/a/{**}'], notPaths: ['/{']",
    ),
    ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((index) => `LTN0802 ${operation}.paths[${index}]`),
    `LTN0802 ${operation}.notPaths[0]`,
  ],
  [when("key: 'request.headers[x-a]', values: [a, 'b*']")],
  [when("key: 'request.auth.claims[a][b]', notValues: ['*']")],
  [when("key: 'experimental.envoy.filters.network.mysql_proxy[a.b]', values: ['[update]']")],
  [when("key: source.ip, values: [a]"), `LTN0220 ${rule}.when[0].values[0]`],
  [when("key: destination.port, values: ['80'], notValues: [x]"), `LTN0105 ${rule}.when[0].notValues[0]`],
  [when("key: source.serviceAccount, values: ['*']"), `LTN0801 ${rule}.when[0].values[0]`],
  [when("key: connection.sni, values: ['']"), `LTN0801 ${rule}.when[0].values[0]`],
  ...[
    "source.user",
    "request.headers",
    "request.headers[]",
    "request.headers[a b]",
    "request.headers[a][b]",
    "request.auth.claims",
    "request.auth.claims[a",
    "experimental.envoy.filters.a",
    "constructor",
  ].map((key): readonly [string, string] => [when(`key: '${key}', values: [a]`), `LTN0806 ${rule}.when[0].key`]),
];

const peerAuthentications: readonly (readonly [spec: string, ...expected: string[]])[] = [
  ["{}"],
  ["{mtls: {}}"],
  ["{mtls: {mode: STRICT}}"],
  ["{mtls: {mode: strict}}", "LTN0104 spec.mtls.mode"],
  ["{portLevelMtls: {'80': {mode: DISABLE}}}", "LTN0807 spec.portLevelMtls"],
  ["{selector: {}, portLevelMtls: {'80': {mode: DISABLE}}}", "LTN0807 spec.portLevelMtls"],
  ["{selector: {matchLabels: {app: web}}, portLevelMtls: {80: {mode: DISABLE}, '81': {}}}"],
  [
    "{selector: {matchLabels: {app: web}}, portLevelMtls: {'0': {}, '65536': {}, http: {}}}",
    'LTN0105 spec.portLevelMtls["0"]',
    'LTN0105 spec.portLevelMtls["65536"]',
    "LTN0105 spec.portLevelMtls.http",
  ],
  ["{selector: {matchLabels: {'': a}}}", 'LTN0106 spec.selector.matchLabels[""]'],
];

const pointOfRfc7517 =
  '{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}';
const jwt = (fields: string) => `{jwtRules: [{issuer: a, ${fields}}]}`;
const at = "spec.jwtRules[0]";

const requestAuthentications: readonly (readonly [spec: string, ...expected: string[]])[] = [
  ["{}"],
  ["{jwtRules: [{issuer: a}]}"],
  ["{jwtRules: [{}, {issuer: ''}]}", `LTN0808 ${at}.issuer`, "LTN0808 spec.jwtRules[1].issuer"],
  ["{jwtRules: [{jwksUri: 'https://a.example/keys'}]}"],
  [`{jwtRules: [{jwks: '{"keys": [${pointOfRfc7517}]}'}]}`, `LTN0808 ${at}.issuer`],
  [jwt("jwksUri: 'https://a.example/keys', audiences: [b], timeout: 2s, forwardOriginalToken: true")],
  [jwt("jwks_uri: 'https://a.example/keys'")],
  [jwt("jwksUri: 'https://a.example/keys', jwks_uri: 'https://a.example/keys'"), `LTN0808 ${at}`],
  [jwt("jwksUri: 'https://a.example/keys', jwks: '{}'"), `LTN0808 ${at}`],
  [jwt("jwksUri: 'http://a.example/keys'"), `LTN0808 ${at}.jwksUri`],
  [jwt("jwks_uri: 'file:///etc/passwd'"), `LTN0808 ${at}.jwks_uri`],
  [jwt("jwksUri: keys"), `LTN0808 ${at}.jwksUri`],
  [jwt("jwksUri: 'https://a:b@c.example'"), `LTN0808 ${at}.jwksUri`],
  [jwt(`jwks: '{"keys": [${pointOfRfc7517}]}'`)],
  ...[
    '{"keys": []}',
    '{"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]}',
    "{",
    '{"keys": [{"kty": "oct", "k": "a"}]}',
    '{"keys": [{"kty": "EC", "d": "a"}]}',
  ].map((keys): readonly [string, string] => [jwt(`jwks: '${keys}'`), `LTN0808 ${at}.jwks`]),
  [jwt("fromHeaders: [{name: x-jwt, prefix: 'JWT '}], fromParams: [t], fromCookies: [c], outputPayloadToHeader: x-payload")],
  [
    jwt("fromHeaders: [{name: 'a b'}], fromParams: [''], fromCookies: [''], outputPayloadToHeader: ''"),
    `LTN0213 ${at}.fromHeaders[0].name`,
    `LTN0808 ${at}.fromParams[0]`,
    `LTN0808 ${at}.fromCookies[0]`,
    `LTN0213 ${at}.outputPayloadToHeader`,
  ],
  [
    jwt('fromHeaders: [{name: a, prefix: "a\\nb"}], outputPayloadToHeader: Host, outputClaimToHeaders: [{header: te, claim: a}]'),
    `LTN0808 ${at}.fromHeaders[0].prefix`,
    `LTN0808 ${at}.outputPayloadToHeader`,
    `LTN0808 ${at}.outputClaimToHeaders[0].header`,
  ],
  [
    jwt("outputClaimToHeaders: [{header: 'a:', claim: ''}]"),
    `LTN0213 ${at}.outputClaimToHeaders[0].header`,
    `LTN0808 ${at}.outputClaimToHeaders[0].claim`,
  ],
  [jwt("outputClaimToHeaders: [{header: x}]"), `LTN0102 ${at}.outputClaimToHeaders[0].claim`],
  [jwt("timeout: 0s"), `LTN0211 ${at}.timeout`],
  [jwt("timeout: soon"), `LTN0107 ${at}.timeout`],
  ["{targetRefs: [{kind: Gateway, name: a}]}", "LTN0804 spec.targetRefs"],
];

const tables = {
  AuthorizationPolicy: authorizationPolicies,
  PeerAuthentication: peerAuthentications,
  RequestAuthentication: requestAuthentications,
} as const;

describe.each(["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"] as const)("%s", (kind) => {
  test.each(tables[kind].map(([spec, ...expected]) => [spec, expected] as const))("%s: %j", (spec, expected) => {
    expect(findings(kind, spec).toSorted()).toEqual(expected.toSorted());
  });
});

test.each([
  ["{istio.io/dry-run: 'true'}"],
  ["{istio.io/dry-run: 'false'}"],
  ["{istio.io/dry-run: 'yes'}", 'LTN0104 metadata.annotations["istio.io/dry-run"]'],
])("annotations %s", (annotations, ...expected) => {
  expect(findings("AuthorizationPolicy", "{}", annotations)).toEqual(expected);
});

test("a missing spec is an empty one", () => {
  for (const kind of ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"] as const) {
    const raw = { apiVersion: "security.istio.io/v1", kind, metadata: { name: "a" } };
    expect(securityKinds[kind].read(raw)).toMatchObject({ findings: [], value: { kind } });
    expect(securityKinds[kind].read({ ...raw, spec: {} }).value?.spec).toEqual(securityKinds[kind].read(raw).value?.spec);
  }
});

test.each(
  (["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"] as const).flatMap((kind) =>
    securityKinds[kind].versions.map((version) => [kind, version] as const),
  ),
)("every field of %s %s is known", (kind, version) => {
  const ours = new Set(fieldPaths(securityKinds[kind].schema).map(plainPath));
  const declared = declaredPaths(`security.istio.io/${version}/${kind}.d.ts`);
  expect(declared.length).toBeGreaterThan(5);
  expect(declared.filter((path) => !ours.has(path))).toEqual([]);
});
