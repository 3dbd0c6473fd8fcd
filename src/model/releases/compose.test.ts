// Releases laid over users' routes: own share, versions' subsets, other destinations, chosen requests, and where there are no routes at all.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { audience, releasedWorld, releaseOf, routesOf, serviceYaml, tableOf } from "../../../test/harness/release-world.ts";
import { istioYaml } from "../../../test/harness/traffic-yaml.ts";
import { nameTableOf } from "../name-table.ts";
import type { ReleaseRoute } from "./release-route.ts";

const catalogId = "shop/catalog.shop.svc.cluster.local";

const catalog = serviceYaml("catalog", ["v1", "v2", "v3"]);
const stock = serviceYaml("stock", ["v1", "v2"]);
const routes = (http: readonly object[], name = "catalog") => istioYaml("VirtualService", `shop/${name}`, { hosts: [name], http });
const subsets = (...list: readonly object[]) => istioYaml("DestinationRule", "shop/catalog", { host: "catalog", subsets: list });
const byVersion = subsets({ name: "one", labels: { version: "v1" } }, { name: "two", labels: { version: "v2" } });
const to = (host: string, subset?: string, weight?: number) => ({
  destination: { host, ...(subset === undefined ? {} : { subset }) },
  ...(weight === undefined ? {} : { weight }),
});
const beta = { audience: audience({ headers: { "x-beta": { exact: "yes" } } }), arm: 1 };
const one = releaseOf("catalog", 1000);

interface Case {
  readonly name: string;
  readonly yaml?: readonly string[];
  readonly releases: readonly ReleaseRoute[];
  readonly expected: readonly string[];
}

const cases: readonly Case[] = [
  { name: "no release", releases: [], expected: ["/* → catalog"] },
  { name: "no routes", releases: [one], expected: ["/* → catalog/v1:9000 catalog/v2:1000"] },
  { name: "nothing until a step says so", releases: [releaseOf("catalog", 0)], expected: ["/* → catalog/v1:10000 catalog/v2:0"] },
  { name: "no run yet", releases: [{ ...one, arms: [{ version: "v1" }], shares: [10_000] }], expected: ["/* → catalog/v1"] },
  { name: "shares that don't fit", releases: [{ ...one, shares: [] }], expected: ["/* → catalog/v1:10000 catalog/v2:0"] },
  { name: "another port", releases: [{ ...one, ports: [81] }], expected: ["/* → catalog"] },
  { name: "a user's own subsets", yaml: [byVersion], releases: [one], expected: ["/* → catalog/one:9000 catalog/two:1000"] },
  {
    name: "a taken name",
    yaml: [subsets({ name: "v2", labels: { zone: "a" } })],
    releases: [one],
    expected: ["/* → catalog/v1:9000 catalog/v2-1:1000"],
  },
  {
    name: "one of two versions, several rules, other services",
    yaml: [
      stock,
      byVersion,
      routes([
        { match: [{ uri: { prefix: "/a" } }], route: [to("catalog", "two")], rewrite: { uri: "/" }, timeout: "3s" },
        { match: [{ uri: { prefix: "/s" } }], route: [to("stock")] },
        { match: [{ uri: { prefix: "/r" } }], redirect: { uri: "/" } },
        { route: [to("catalog", "one")] },
      ]),
    ],
    releases: [one],
    expected: ["/a* → catalog/one:9000 catalog/two:1000", "/s* → stock", "/r* → redirect", "/* → catalog/one:9000 catalog/two:1000"],
  },
  {
    name: "inside its own share",
    yaml: [stock, routes([{ route: [to("catalog", undefined, 80), to("stock", undefined, 20)] }])],
    releases: [one],
    expected: ["/* → catalog/v1:7200 catalog/v2:800 stock:2000"],
  },
  {
    name: "shares of both versions are one",
    yaml: [byVersion, routes([{ route: [to("catalog", "one", 80), to("catalog", "two", 20)] }])],
    releases: [one],
    expected: ["/* → catalog/one:9000 catalog/two:1000"],
  },
  {
    name: "a version that is neither stable nor candidate gets nothing, whatever routes said once",
    yaml: [
      subsets({ name: "three", labels: { version: "v3" } }, { name: "one", labels: { version: "v1" } }),
      routes([{ route: [to("catalog", "three", 70), to("catalog", "one", 30)] }]),
    ],
    releases: [one],
    expected: ["/* → catalog/one:9000 catalog/v2:1000"],
  },
  {
    name: "the same before any run",
    yaml: [byVersion, routes([{ route: [to("catalog", "one", 70), to("catalog", "two", 30)] }])],
    releases: [{ ...one, arms: [{ version: "v2" }], shares: [10_000] }],
    expected: ["/* → catalog/two"],
  },
  {
    name: "subsets by something else stay; by version and something else divide",
    yaml: [
      subsets({ name: "eu", labels: { zone: "eu" } }, { name: "eu1", labels: { zone: "eu", version: "v1" } }),
      routes([{ match: [{ uri: { prefix: "/eu" } }], route: [to("catalog", "eu")] }, { route: [to("catalog", "eu1")] }]),
    ],
    releases: [one],
    // Nobody of zone eu is there, so all weights stay as they were asked for.
    expected: ["/eu* → catalog/eu", "/* → catalog/eu1:9000 catalog/eu1-v2:1000"],
  },
  {
    name: "two releases in one route",
    yaml: [stock, routes([{ route: [to("catalog", undefined, 50), to("stock", undefined, 50)] }])],
    releases: [one, releaseOf("stock", 5000)],
    expected: ["/* → catalog/v1:4500 catalog/v2:500 stock/v1:2500 stock/v2:2500"],
  },
  {
    name: "chosen requests come first",
    yaml: [routes([{ match: [{ uri: { prefix: "/a" } }, { uri: { exact: "/b" } }], route: [to("catalog")] }, { route: [to("catalog")] }])],
    releases: [{ ...one, matches: [beta] }],
    expected: [
      "/a* [x-beta] → catalog/v2",
      "/b [x-beta] → catalog/v2",
      "/a* → catalog/v1:9000 catalog/v2:1000",
      "/b → catalog/v1:9000 catalog/v2:1000",
      "/* [x-beta] → catalog/v2",
      "/* → catalog/v1:9000 catalog/v2:1000",
    ],
  },
  {
    name: "chosen by anything",
    releases: [
      {
        ...one,
        matches: [
          { audience: audience({ cookies: { ring: { exact: "staff" } }, claims: { group: { exact: "staff" } } }), arm: 1 },
          { audience: audience({ queryParams: { v: { exact: "2" } }, userAgent: { prefix: "Mobile" } }), arm: 0 },
          { audience: audience({ sourceLabels: { app: "client" } }), arm: 1 },
          { audience: audience({ sourceNamespace: "elsewhere" }), arm: 1 },
        ],
      },
    ],
    expected: [
      "/* [cookie ring, claim group] → catalog/v2",
      "/* [user-agent, ?v] → catalog/v1",
      "/* → catalog/v2",
      "/* → catalog/v1:9000 catalog/v2:1000",
    ],
  },
  {
    name: "chosen requests of a divided route keep the other share",
    yaml: [stock, routes([{ route: [to("catalog", undefined, 80), to("stock", undefined, 20)] }])],
    releases: [
      { ...one, matches: [beta] },
      { ...releaseOf("stock", 0), matches: [{ ...beta, audience: audience({ headers: { "x-s": {} } }) }] },
    ],
    expected: [
      "/* [x-beta, x-s] → catalog/v2:8000 stock/v2:2000",
      "/* [x-beta] → catalog/v2:8000 stock/v1:2000 stock/v2:0",
      "/* [x-s] → catalog/v1:7200 catalog/v2:800 stock/v2:2000",
      "/* → catalog/v1:7200 catalog/v2:800 stock/v1:2000 stock/v2:0",
    ],
  },
  {
    name: "copies",
    yaml: [
      stock,
      routes([
        { match: [{ uri: { prefix: "/both" } }], route: [to("catalog", undefined, 50), to("stock", undefined, 50)] },
        { route: [to("catalog")], mirror: { host: "stock" } },
      ]),
    ],
    releases: [{ ...releaseOf("catalog", 0), matches: [beta], mirror: { arm: 1, percent: 10 } }],
    expected: [
      "/both* [x-beta] → catalog/v2:5000 stock:5000",
      "/both* → catalog/v1:5000 catalog/v2:0 stock:5000",
      "/* [x-beta] → catalog/v2 copies stock",
      "/* → catalog/v1:10000 catalog/v2:0 copies stock copies catalog/v2",
    ],
  },
  {
    name: "by users",
    releases: [{ ...one, sticky: { cookie: "who" }, matches: [beta] }],
    expected: [
      "/* [x-beta] → catalog/v2",
      "/* [baggage] → catalog/v1:9000 catalog/v2:1000 by baggage",
      "/* [cookie] → catalog/v1:9000 catalog/v2:1000 by cookie",
      "/* → catalog/v1:9000 catalog/v2:1000",
    ],
  },
  {
    name: "three arms",
    releases: [{ ...one, arms: [...one.arms, { version: "v3" }], shares: [5000, 3000, 2000] }],
    expected: ["/* → catalog/v1:5000 catalog/v2:3000 catalog/v3:2000"],
  },
  {
    name: "a version without pods gets nothing",
    yaml: [stock, routes([{ route: [to("catalog", undefined, 80), to("stock", undefined, 20)] }])],
    releases: [{ ...one, arms: [{ version: "v1" }, { version: "v9" }] }],
    expected: ["/* → catalog/v1:8000 catalog/v9:0 stock:2000"],
  },
  {
    name: "a stable version without pods leaves its share to who has one",
    releases: [{ ...one, arms: [{ version: "v0" }, { version: "v2" }] }],
    expected: ["/* → catalog/v0:0 catalog/v2:10000"],
  },
];

test.each(cases)("$name", ({ yaml = [], releases, expected }) => {
  const world = releasedWorld([catalog, ...yaml], releases);
  expect(routesOf(world, "catalog")).toEqual(expected);
});

describe("on top of routes", () => {
  test("everything else of a route stays as it is", () => {
    const http = {
      name: "main",
      match: [{ uri: { prefix: "/a" }, name: "a" }],
      route: [{ ...to("catalog"), headers: { request: { set: { "x-d": "1", host: "inner.test" } } } }],
      rewrite: { uri: "/" },
      timeout: "3s",
      retries: { attempts: 1, retryOn: "5xx" },
      fault: { abort: { httpStatus: 418, percentage: { value: 1 } } },
      corsPolicy: { allowOrigins: [{ exact: "https://a.test" }] },
      headers: { request: { set: { "x-r": "1" } }, response: { remove: ["x-s"] } },
    };
    const [before, after] = [[], [one]].map((releases) => {
      const world = releasedWorld([catalog, routes([http])], releases);
      return tableOf(world).virtualHosts?.find(({ name }) => name?.startsWith("catalog"))?.routes?.[0];
    });
    const { route: asked, ...others } = before ?? {};
    const { route: divided, ...same } = after ?? {};
    expect(same).toEqual(others);
    const { cluster, ...action } = asked ?? {};
    const { weightedClusters, ...rest } = divided ?? {};
    expect(rest).toEqual(action);
    expect(cluster).toBe("outbound|80||catalog.shop.svc.cluster.local");
    expect(weightedClusters?.clusters?.map(({ weight }) => weight)).toEqual([9000, 1000]);
  });

  test("flags tell the application", () => {
    const arms = [
      { version: "v1", headers: { "x-flag": "off" } },
      { version: "v1", name: "on", headers: { "x-flag": "on" } },
    ];
    const world = releasedWorld([catalog], [{ ...one, arms, matches: [beta] }]);
    expect(routesOf(world, "catalog")).toEqual(["/* [x-beta] → catalog/v1-on", "/* → catalog/v1:9000 catalog/v1-on:1000"]);
    const [chosen, shared] = tableOf(world).virtualHosts?.find(({ name }) => name?.startsWith("catalog"))?.routes ?? [];
    const set = (value: string) => [{ header: { key: "x-flag", value }, appendAction: "OVERWRITE_IF_EXISTS_OR_ADD" }];
    expect(chosen?.requestHeadersToAdd).toEqual(set("on"));
    expect(shared?.route?.weightedClusters?.clusters?.map(({ requestHeadersToAdd }) => requestHeadersToAdd)).toEqual([
      set("off"),
      set("on"),
    ]);
  });

  test("a preview host reaches one version only", () => {
    const world = releasedWorld([catalog], [{ ...releaseOf("catalog", 0), preview: { host: "preview-catalog", arm: 1 } }]);
    expect(routesOf(world, "preview-catalog")).toEqual(["/* → catalog/v2"]);
    expect(routesOf(world, "catalog")).toEqual(["/* → catalog/v1:10000 catalog/v2:0"]);
    expect(nameTableOf(world.mesh, []).hosts).toContainEqual(
      expect.objectContaining({ host: "preview-catalog.shop.svc.cluster.local", addresses: world.mesh.services.get(catalogId)?.vips }),
    );
    const taken = releasedWorld([catalog], [{ ...releaseOf("catalog", 0), preview: { host: "catalog", arm: 1 } }]);
    expect(routesOf(taken, "catalog")).toEqual(["/* → catalog/v1:10000 catalog/v2:0"]);
  });
});

test("golden: everything at once, as Envoy gets it", async () => {
  const laid: ReleaseRoute = {
    ...one,
    arms: [
      { version: "v1", headers: { "x-flag": "off" } },
      { version: "v2", headers: { "x-flag": "on" } },
    ],
    matches: [beta],
    mirror: { arm: 1, percent: 0.5 },
    sticky: { cookie: "who" },
    preview: { host: "preview-catalog", arm: 1 },
  };
  const http = [{ match: [{ uri: { prefix: "/a" } }], route: [to("catalog")], timeout: "3s", rewrite: { uri: "/" } }];
  const hosts = tableOf(releasedWorld([catalog, byVersion, routes(http)], [laid])).virtualHosts?.filter(({ name }) =>
    name?.includes("catalog"),
  );
  await expect(`${JSON.stringify(hosts, undefined, 2)}\n`).toMatchFileSnapshot(
    join(import.meta.dirname, "testdata", "everything.out.json"),
  );
});
