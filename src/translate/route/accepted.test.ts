// Whatever passes the checks of a VirtualService, Envoy takes: one route that it refuses would cost a proxy its whole table.

import fc from "fast-check";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import type { VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { VirtualHostSchema } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { startRouteEnvoy } from "../../../test/harness/route-envoy.ts";
import { routeWorld } from "../../../test/harness/route-world.ts";
import { parseManifests } from "../../api/parse.ts";
import { encodeJson } from "../../envoy/codec.ts";
import { routeConfiguration, routeConfigurationHead } from "./route-configuration.ts";
import { defaultRouteSettings } from "./settings.ts";

const route = [{ destination: { host: "a" } }];
const setting = (value: string, name = "x"): object => ({
  route,
  headers: { request: { set: { [name]: value } }, response: { add: { [name]: value } } },
});
const matching = (match: object): object => ({ match: [match], route });
const rewriting = (rewrite: object): object => ({ match: [{ uri: { prefix: "/a" } }], route, rewrite });

const commands = [
  "100%",
  "%FOO%",
  "%REQ(x)%",
  "%%",
  "50% off%",
  "%START_TIME(%",
  "%START_TIME(%Y)%",
  "%REQ()%",
  "%REQ(x?:path):10%",
  "%req(x)%",
];
const odd: readonly object[] = [
  ...[...commands, "", " ", "é", "a\tb", "x".repeat(20_000), "{{}}", "%DOWNSTREAM_REMOTE_ADDRESS%", "%UPSTREAM_METADATA(a:b)%"].map(
    (value) => setting(value),
  ),
  ...["%CEL(a)%", "%COALESCE({})%", "%FILTER_STATE(a)%", "%FILTER_STATE(a:b)%", "%RESPONSE_CODE(x)%", "%UPSTREAM_LOCAL_SUBJECT%"].map(
    (value) => setting(value),
  ),
  setting("1", "a".repeat(20_000)),
  setting("a%b", "Host"),
  setting("", "Host"),
  ...[{ prefix: "" }, { exact: "" }, { regex: "(a)\\1" }, { regex: "*" }, {}].flatMap((match) => [
    matching({ headers: { x: match } }),
    matching({ withoutHeaders: { x: match } }),
    matching({ queryParams: { x: match } }),
  ]),
  ...["", "q".repeat(2000), "a b", "@request.auth.claims[x]"].flatMap((name) => [
    matching({ queryParams: { [name]: { exact: "a" } } }),
    matching({ headers: { [name]: { exact: "a" } } }),
  ]),
  ...(["authority", "scheme", "method", "uri"] as const).map((field) => matching({ [field]: { prefix: "" } })),
  ...["*", "/a?b", "/a\n", "/é"].map((exact) => matching({ uri: { exact } })),
  ...[
    "(a|b){1,900}",
    "\\p{Greek}+[é-ü]",
    "a++",
    "(?<n>a)",
    "(?P<n>a)",
    "(?=a)",
    "\\Qa.b\\E",
    "a{1001}",
    "a\u0000",
    "(",
    "[[:alpha:]]",
    "\\pN",
    "(?i)a",
    "\\z",
    "\\Z",
  ].map((regex) => matching({ uri: { regex } })),
  ...["\\9", "\\x", "b\\", "\\1", "a\nb", "\\\\"].map((rewrite) => rewriting({ uriRegexRewrite: { match: "(a)", rewrite } })),
  ...["b", "/a\nb", "/a%20b", ""].map((uri) => rewriting({ uri })),
  ...["a b\n", "a%b", "é"].map((authority) => rewriting({ authority })),
  ...[
    { uri: "/a%20b" },
    { uri: "/a\n" },
    { authority: "a\n" },
    { authority: "%REQ(x)%" },
    { port: 70_000 },
    { port: 0 },
    {},
    { scheme: "a b" },
    { prefixRewrite: "" },
  ].map((redirect) => ({ redirect })),
  ...[
    { status: 999 },
    { status: 100 },
    { status: 200, body: { string: "50% %FOO%" } },
    { status: 200, body: { string: "x".repeat(2 ** 20 + 1) } },
  ].map((directResponse) => ({ directResponse })),
  ...["!!", "_-8=", "aGk", "a", "aGk=\n"].map((bytes) => ({ directResponse: { status: 200, body: { bytes } } })),
  ...["999999h", "1ns", "-1s", "0s"].flatMap((time) => [
    { route, timeout: time },
    { route, retries: { attempts: 1, perTryTimeout: time } },
    { route, retries: { attempts: 1, backoff: time } },
    { route, fault: { delay: { fixedDelay: time, percentage: { value: 1 } } } },
    { route, corsPolicy: { maxAge: time } },
  ]),
  ...[{ attempts: 2 ** 31 - 1 }, { attempts: -1 }, { attempts: 1, retryOn: "599, ,x,5xx" }].map((retries) => ({ route, retries })),
  ...[{ grpcStatus: "14" }, { grpcStatus: "99" }, { grpcStatus: "not_found" }, { httpStatus: 199 }, { httpStatus: 600 }, {}].map(
    (abort) => ({
      route,
      fault: { abort: { ...abort, percentage: { value: 100 } } },
    }),
  ),
  ...[-1, 0, 0.000_01, 100, 100.000_01].map((value) => ({ route, mirror: { host: "b" }, mirrorPercentage: { value } })),
  { route: ["a", "b"].map((host) => ({ destination: { host }, weight: 2 ** 31 - 1 })) },
  { route: ["a", "a"].map((host) => ({ destination: { host }, weight: 1 })) },
  ...[{ allowOrigins: [{ prefix: "" }] }, { allowOrigins: [{ regex: "(" }] }, { allowMethods: ["a\nb"] }, {}].map((corsPolicy) => ({
    route,
    corsPolicy,
  })),
  ...["a b|c\n", "a".repeat(5000)].flatMap((name) => [matching({ statPrefix: name }), { name, route }, matching({ name })]),
];

/** The virtual hosts of those routes that pass all checks, each under a host name of its own. */
function accepted(routes: readonly object[]): VirtualHostJson[] {
  return routes.flatMap((http, index) => {
    const spec = { hosts: [`h${index}.test`], http: [http] };
    const object = { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: { name: "web" }, spec };
    const text = stringify(object, { aliasDuplicateObjects: false });
    if (parseManifests(text, { file: "web.yaml" }).resources.length === 0) return [];
    const { table, client } = routeWorld(text);
    return routeConfiguration(table, client, defaultRouteSettings).virtualHosts ?? [];
  });
}

async function expectTaken(virtualHosts: readonly VirtualHostJson[]): Promise<void> {
  for (const host of virtualHosts) encodeJson(VirtualHostSchema, host);
  await using envoy = await startRouteEnvoy({ name: "80", ...routeConfigurationHead, virtualHosts: [...virtualHosts] }, []);
  expect(await envoy.admin("/ready")).toContain("LIVE");
}

test("odd but accepted routes", async () => {
  const virtualHosts = accepted(odd);
  expect(virtualHosts.length).toBeGreaterThan(60);
  await expectTaken(virtualHosts);
});

test("arbitrary header formats, patterns and rewrites", async () => {
  const text = fc
    .array(fc.constantFrom(..."%%%()[]{}\\|*+?:^$.-/ab1,", "REQ(", "%REQ(x)%", "HOSTNAME", "\\1", "[^", "{2}", "é"), { maxLength: 8 })
    .map((parts) => parts.join(""));
  const http = fc.oneof(
    text.map((value) => setting(value)),
    text.map((regex) => matching({ uri: { regex } })),
    fc.tuple(text, text).map(([match, rewrite]) => rewriting({ uriRegexRewrite: { match, rewrite } })),
    text.map((uri) => rewriting({ uri: `/${uri}` })),
    text.map((authority) => rewriting({ authority })),
    text.map((uri) => ({ redirect: { uri, authority: uri } })),
  );
  const virtualHosts = accepted(fc.sample(http, { numRuns: 1500, seed: 20_240_607 }));
  expect(virtualHosts.length).toBeGreaterThan(300);
  await expectTaken(virtualHosts);
});
