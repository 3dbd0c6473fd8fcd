// Which requests a VirtualService's http route takes: every kind of match, and every way to write a host name, through real sidecars.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { istioYaml, routedServiceYaml, routesYaml, subsetsYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly port?: number;
}

interface MatchCase {
  readonly name: string;
  readonly match: object;
  readonly takes: readonly Ask[];
  readonly leaves: readonly Ask[];
}

const withHeader = (name: string, value: string): Ask => ({ headers: { [name]: value } });

/** What matches goes to v2, everything else to v1. */
const cases: readonly MatchCase[] = [
  {
    name: "uri-exact",
    match: { uri: { exact: "/one" } },
    takes: [{ path: "/one" }, { path: "/one?x=1" }],
    leaves: [{ path: "/one/" }, { path: "/ONE" }, { path: "/" }],
  },
  {
    name: "uri-prefix",
    match: { uri: { prefix: "/one" } },
    takes: [{ path: "/one" }, { path: "/one/two" }, { path: "/onetwo" }],
    leaves: [{ path: "/on" }, { path: "/x/one" }],
  },
  {
    name: "uri-regex",
    match: { uri: { regex: "/v[0-9]+/(a|b)" } },
    takes: [{ path: "/v12/a" }, { path: "/v1/b?q=1" }],
    leaves: [{ path: "/v/a" }, { path: "/v1/abc" }, { path: "/x/v1/a" }],
  },
  {
    name: "uri-any-case",
    match: { uri: { prefix: "/One" }, ignoreUriCase: true },
    takes: [{ path: "/one" }, { path: "/ONE/two" }],
    leaves: [{ path: "/two" }],
  },
  {
    name: "header-exact",
    match: { headers: { "x-user": { exact: "ann" } } },
    takes: [withHeader("x-user", "ann"), withHeader("X-User", "ann")],
    leaves: [withHeader("x-user", "anna"), withHeader("x-user", "Ann"), {}],
  },
  {
    name: "header-prefix",
    match: { headers: { "x-user": { prefix: "an" } } },
    takes: [withHeader("x-user", "ann"), withHeader("x-user", "an")],
    leaves: [withHeader("x-user", "joan"), {}],
  },
  {
    name: "header-regex",
    match: { headers: { "x-user": { regex: "a.*z" } } },
    takes: [withHeader("x-user", "abcz")],
    leaves: [withHeader("x-user", "abczd"), withHeader("x-user", "xabcz"), {}],
  },
  {
    name: "header-present",
    match: { headers: { "x-user": {} } },
    takes: [withHeader("x-user", "anyone")],
    leaves: [{}, withHeader("x-other", "anyone")],
  },
  {
    name: "without-header",
    match: { withoutHeaders: { "x-user": { exact: "ann" } } },
    takes: [{}, withHeader("x-user", "bob")],
    leaves: [withHeader("x-user", "ann")],
  },
  {
    name: "without-any-header",
    match: { withoutHeaders: { "x-user": {} } },
    takes: [{}],
    leaves: [withHeader("x-user", "ann")],
  },
  {
    name: "by-method",
    match: { method: { exact: "POST" } },
    takes: [{ method: "POST" }],
    leaves: [{ method: "GET" }, { method: "PUT" }],
  },
  {
    name: "by-authority",
    match: { authority: { prefix: "by-authority.default" } },
    takes: [withHeader("host", "by-authority.default.svc.cluster.local"), withHeader("host", "by-authority.default")],
    leaves: [{}],
  },
  {
    name: "by-query",
    match: { queryParams: { user: { exact: "ann" }, kind: { regex: "[0-9]+" } } },
    takes: [{ path: "/?user=ann&kind=12" }, { path: "/?kind=1&x=2&user=ann" }],
    leaves: [{ path: "/?user=ann" }, { path: "/?user=ann&kind=x" }, { path: "/?user=anna&kind=1" }, {}],
  },
  {
    name: "query-prefix",
    match: { queryParams: { user: { prefix: "an" } } },
    takes: [{ path: "/?user=ann" }],
    leaves: [{ path: "/?user=joan" }, {}],
  },
  { name: "by-port", match: { port: 8000 }, takes: [{ port: 8000 }], leaves: [{}] },
  { name: "from-label", match: { sourceLabels: { app: "other" } }, takes: [], leaves: [{}] },
  { name: "from-own-label", match: { sourceLabels: { app: "client" } }, takes: [{}], leaves: [] },
  { name: "from-namespace", match: { sourceNamespace: "default" }, takes: [{}], leaves: [] },
  { name: "from-other-namespace", match: { sourceNamespace: "shop" }, takes: [], leaves: [{}] },
  { name: "by-scheme", match: { scheme: { exact: "http" } }, takes: [{}], leaves: [] },
  {
    name: "all-of-one",
    match: { uri: { prefix: "/one" }, headers: { "x-user": { exact: "ann" } }, method: { exact: "GET" } },
    takes: [{ path: "/one", headers: { "x-user": "ann" } }],
    leaves: [{ path: "/one" }, { path: "/", headers: { "x-user": "ann" } }, { path: "/one", headers: { "x-user": "ann" }, method: "POST" }],
  },
];

const twoPorts = [
  { name: "http", port: 80, targetPort: 8080 },
  { name: "http-more", port: 8000, targetPort: 8080 },
];

function caseYaml({ name, match }: MatchCase): string {
  return yamlOf(
    serviceYaml(name, { app: "server", ports: twoPorts }),
    subsetsYaml(name),
    routesYaml(name, [{ match: [match], ...to(name, "v2") }, to(name, "v1")]),
  );
}

const hostNames = [
  // A short name, the name with its namespace and the full one mean the same service.
  routedServiceYaml("short", [to("short", "v2")]),
  serviceYaml("namespaced", { app: "server" }),
  istioYaml("DestinationRule", "namespaced", { host: "namespaced.default", subsets: [{ name: "v2", labels: { version: "v2" } }] }),
  istioYaml("VirtualService", "namespaced", { hosts: ["namespaced.default"], http: [to("namespaced.default.svc", "v2")] }),
  serviceYaml("full", { app: "server" }),
  subsetsYaml("full"),
  istioYaml("VirtualService", "full", {
    hosts: ["full.default.svc.cluster.local"],
    http: [to("full.default.svc.cluster.local", "v2")],
  }),
  // A wildcard takes the hosts for which there is nothing narrower.
  istioYaml("ServiceEntry", "wild", {
    hosts: ["a.wild.test", "b.wild.test"],
    ports: [{ number: 80, name: "http", protocol: "HTTP" }],
    resolution: "STATIC",
    location: "MESH_INTERNAL",
    workloadSelector: { labels: { app: "server", version: "v1" } },
  }).replaceAll("number: 80", "number: 80\n      targetPort: 8080"),
  istioYaml("VirtualService", "wild-any", { hosts: ["*.wild.test"], http: [to("short", "v2")] }),
  istioYaml("VirtualService", "wild-b", { hosts: ["b.wild.test"], http: [to("b.wild.test")] }),
  // Several hosts in one VirtualService; several match blocks in one route; the first route that matches wins.
  routedServiceYaml("first-wins", [
    { match: [{ uri: { prefix: "/a" } }, { uri: { prefix: "/b" } }], ...to("first-wins", "v2") },
    { match: [{ uri: { prefix: "/a/deep" } }], ...to("first-wins", "v1") },
    to("first-wins", "v1"),
  ]),
  // A VirtualService of a gateway doesn't concern sidecars, nor does a route that its match binds to a gateway.
  routedServiceYaml("inside", [{ match: [{ gateways: ["mesh"] }], ...to("inside", "v2") }, to("inside", "v1")]).replace(
    "hosts:\n    - inside\n",
    "hosts:\n    - inside\n  gateways:\n    - mesh\n    - some-gateway\n",
  ),
  routedServiceYaml("outside", [to("outside", "v2")]).replace(
    "hosts:\n    - outside\n",
    "hosts:\n    - outside\n  gateways:\n    - some-gateway\n",
  ),
  istioYaml("Gateway", "some-gateway", {
    selector: { istio: "ingressgateway" },
    servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["gateway.test"] }],
  }),
  // The same name in another namespace is another service.
  "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
  serviceYaml("short", { app: "server", namespace: "shop", ports: [{ name: "http", port: 80, targetPort: 8080 }] }),
];

beforeAll(async () => {
  const manifests = yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1", "v2"]), ...cases.map(caseYaml), ...hostNames);
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

async function servedBy(host: string, { path = "/", port, ...request }: Ask = {}): Promise<string> {
  const { status, headers, error, body } = await mesh.http(
    "client",
    `http://${host}${port === undefined ? "" : `:${port}`}${path}`,
    request,
  );
  return status === 200 ? (headers["x-served-by"] ?? "") : `${status} ${error ?? body}`;
}

describe("a match takes what it says and leaves the rest", () => {
  it.each(cases)("$name", async ({ name, takes, leaves }) => {
    const taken = await Promise.all(takes.map((ask) => servedBy(name, ask)));
    const left = await Promise.all(leaves.map((ask) => servedBy(name, ask)));
    expect({ taken, left }).toEqual({ taken: takes.map(() => "v2"), left: leaves.map(() => "v1") });
  });
});

describe("host names", () => {
  it.each([
    "short",
    "short.default",
    "short.default.svc",
    "short.default.svc.cluster.local",
    "namespaced",
    "namespaced.default.svc.cluster.local",
    "full",
    "full.default",
    "SHORT.default",
  ])("%s leads to its routes", async (host) => {
    expect([await servedBy(host), await servedBy(host, { headers: { host: `${host}:80` } })]).toEqual(["v2", "v2"]);
  });

  it("a wildcard takes the hosts for which there is nothing narrower", async () => {
    expect([await servedBy("a.wild.test"), await servedBy("b.wild.test")]).toEqual(["v2", "v1"]);
  });

  it("a service of another namespace has no part in it, neither in routes nor in pods", async () => {
    const { byStatus } = await mesh.load("client", "http://short.shop/", { count: 20 });
    expect(byStatus).toEqual({ 503: 20 });
  });
});

describe("which route", () => {
  it("is the first that matches, by any of its blocks", async () => {
    const asked = ["/a", "/b/x", "/a/deep", "/c"].map((path) => servedBy("first-wins", { path }));
    expect(await Promise.all(asked)).toEqual(["v2", "v2", "v2", "v1"]);
  });

  it("is bound to the sidecars by the word mesh, and to gateways by their names", async () => {
    expect(await servedBy("inside")).toBe("v2");
    const { byVersion } = await mesh.load("client", "http://outside/", { count: 100 });
    expect(Object.keys(byVersion).toSorted()).toEqual(["v1", "v2"]);
  });
});
