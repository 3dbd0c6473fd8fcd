import { expect, test } from "vitest";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { routeWorld } from "../../../test/harness/route-world.ts";
import { decodeJson, encodeJson } from "../../envoy/codec.ts";
import { EncodeCache } from "../../envoy/encode-cache.ts";
import type { RouteHost, RouteTable } from "../../model/routes.ts";
import { RouteEncoder, routeConfiguration } from "./route-configuration.ts";
import { defaultRouteSettings } from "./settings.ts";

const client = { namespace: "default", labels: {} };

function encoder(): RouteEncoder {
  return new RouteEncoder(new EncodeCache(), defaultRouteSettings);
}

function host(name: string, timeout = "1s"): RouteHost {
  const { table } = routeWorld(`
kind: VirtualService
apiVersion: networking.istio.io/v1
metadata: {name: ${name}}
spec:
  hosts: [${name}]
  http:
  - timeout: ${timeout}
    mirror: {host: shadow}
    route:
    - {destination: {host: ${name}, subset: v1}, weight: 90}
    - {destination: {host: ${name}, subset: v2}, weight: 10}
`);
  const [made] = table.hosts;
  if (made === undefined) throw new Error("no host");
  return made;
}

function tableOf(hosts: readonly RouteHost[]): RouteTable {
  return { name: "80", hosts, unknownHosts: "passthrough" };
}

const names = Array.from({ length: 50 }, (_, index) => `svc${index}`);
const hosts = names.map((name) => host(name));

test("bytes are head and parts, and say what the JSON says", () => {
  const resource = encoder().routeConfiguration(tableOf(hosts), client);
  const json = routeConfiguration(tableOf(hosts), client, defaultRouteSettings);
  expect(decodeJson(RouteConfigurationSchema, resource.bytes)).toEqual(
    decodeJson(RouteConfigurationSchema, encodeJson(RouteConfigurationSchema, json)),
  );
  const parts = resource.composite?.parts ?? [];
  expect(Buffer.concat([resource.composite?.head ?? new Uint8Array(), ...parts.map(({ bytes }) => bytes)])).toEqual(
    Buffer.from(resource.bytes),
  );
});

test("names what must be there first, and where it came from", () => {
  const resource = encoder().routeConfiguration(tableOf([host("web")]), client);
  expect(resource.references.map(({ name }) => name)).toEqual([
    "PassthroughCluster",
    "outbound|80|v1|web.default.svc.cluster.local",
    "outbound|80|v2|web.default.svc.cluster.local",
    "outbound|80||shadow.default.svc.cluster.local",
  ]);
  expect(resource.sources).toEqual(["VirtualService default/web"]);
  expect(resource.composite?.parts.map(({ name }) => name)).toEqual(["web.default.svc.cluster.local:80", "allow_any"]);
});

test("the same hosts give the same resource", () => {
  const routes = encoder();
  const first = routes.routeConfiguration(tableOf(hosts), client);
  expect(routes.routeConfiguration(tableOf([...hosts].reverse()), { ...client })).toBe(first);
});

test("one changed host leaves the parts of the others as they were", () => {
  const routes = encoder();
  const before = routes.routeConfiguration(tableOf(hosts), client).composite?.parts ?? [];
  const changed = hosts.map((each, index) => (index === 7 ? host("svc7", "2s") : each));
  const after = routes.routeConfiguration(tableOf(changed), client).composite?.parts ?? [];
  expect(after.filter((part) => !before.includes(part)).map(({ name }) => name)).toEqual(["svc7.default.svc.cluster.local:80"]);
});

test("weights in motion change nothing", () => {
  const routes = encoder();
  const before = routes.routeConfiguration(tableOf(hosts), client);
  // Even a model that made new objects for a weight: the settled weights are what counts.
  const remade = hosts.map((each) => ({ ...each, rules: each.rules.map((rule) => ({ ...rule })) }));
  expect(routes.routeConfiguration(tableOf(remade), client)).toBe(before);
});

test("clients share what they see alike", () => {
  const routes = encoder();
  const mine = routes.routeConfiguration(tableOf(hosts), client);
  expect(routes.routeConfiguration(tableOf(hosts), { namespace: "default", labels: { app: "x" } })).toBe(mine);
  const other = routes.routeConfiguration(tableOf(hosts), { namespace: "other", labels: {} });
  expect(other.version).not.toBe(mine.version);
  expect(routes.routeConfiguration(tableOf(hosts), { namespace: "third", labels: {} })).toBe(other);
});

test("source conditions make variants, not more", () => {
  const { table } = routeWorld(`
kind: VirtualService
apiVersion: networking.istio.io/v1
metadata: {name: web}
spec:
  hosts: [shop.example]
  http:
  - match: [{sourceLabels: {app: a}, uri: {prefix: /a}}]
    route: [{destination: {host: a}}]
  - route: [{destination: {host: b}}]
`);
  const routes = encoder();
  const [asA, asA2, asB] = [{ app: "a" }, { app: "a", version: "v2" }, { app: "b" }].map((labels) =>
    routes.routeConfiguration(table, { namespace: "default", labels }),
  );
  expect(asA2).toBe(asA);
  expect(asB?.references.map(({ name }) => name)).toEqual(["outbound|80||b.default.svc.cluster.local"]);
  expect(asA?.references).toHaveLength(2);
});

test("a table without hosts is a resource too", () => {
  const resource = encoder().routeConfiguration({ name: "http.80", hosts: [], unknownHosts: "not-found" }, client);
  expect(decodeJson(RouteConfigurationSchema, resource.bytes)).toEqual({
    name: "http.80",
    validateClusters: false,
    maxDirectResponseBodySizeBytes: 1_048_576,
    ignorePortInHostMatching: true,
  });
});

test("requests to a port that speaks HTTP/1.1 pass no filter that counts messages", () => {
  const [plain = {}, undeclared = {}] =
    routeConfiguration(tableOf([{ ...host("a"), speaksHttp1: true }, host("b")]), client, defaultRouteSettings).virtualHosts ?? [];
  expect(plain.typedPerFilterConfig).toMatchObject({ "envoy.filters.http.grpc_stats": { disabled: true } });
  expect(undeclared).not.toHaveProperty("typedPerFilterConfig");
});
