// One flag decides the application's header and the version together, with a release and without.

import { describe, expect, test } from "vitest";
import { releasedWorld, releaseOf, routesOf, serviceYaml, tableOf } from "../../../test/harness/release-world.ts";
import { type FeatureFlag, featureFlagSchema } from "../../api/release/feature-flag.ts";
import type { ReleaseRoute } from "../../model/releases/release-route.ts";
import { flagHeader } from "../../release/flags.ts";
import { unreleased, withFlags } from "./flag-arms.ts";

const flag = (name: string, spec: object): FeatureFlag =>
  featureFlagSchema.parse({
    apiVersion: "lateen.io/v1alpha1",
    kind: "FeatureFlag",
    metadata: { name, namespace: "shop" },
    spec: { service: "catalog", key: "new-cart", ...spec },
  });
const beta = { headers: { "x-beta": { exact: "yes" } } };
const cart = flag("cart", {
  variants: { fresh: { value: "on", version: "v2" }, stale: { value: "off" } },
  default: "stale",
  sticky: { cookie: "who" },
  rules: [{ match: beta, variant: "fresh" }],
});
const colour = flag("colour", {
  key: "colour",
  header: "X-Colour",
  variants: { red: { value: "red" }, blue: { value: "blue" } },
  default: "red",
  sticky: { cookie: "who" },
  rules: [{ percent: 25, variant: "blue" }],
});

function seen(route: ReleaseRoute) {
  const world = releasedWorld([serviceYaml("catalog", ["v1", "v2"])], [route]);
  const host = tableOf(world).virtualHosts?.find(({ name }) => name?.startsWith("catalog"));
  const told = (host?.routes ?? []).map(({ requestHeadersToAdd = [], route: action }) =>
    [requestHeadersToAdd, ...(action?.weightedClusters?.clusters ?? []).map((cluster) => cluster.requestHeadersToAdd ?? [])].map(
      (headers) => headers.map(({ header }) => header?.value).join(),
    ),
  );
  return { routes: routesOf(world, "catalog"), told };
}

test("its header", () => {
  expect([flagHeader(cart), flagHeader(colour)]).toEqual(["x-flag-new-cart", "x-colour"]);
});

describe("with a release", () => {
  test("a variant of a version that no step has released doesn't act", () => {
    const { routes, told } = seen(withFlags(releaseOf("catalog", 0), [cart], []));
    expect(routes).toEqual(["/* → catalog/v1:10000 catalog/v2:0"]);
    expect(told).toEqual([["", "off", "off"]]);
  });

  test("once its step is there, header and version go together", () => {
    const { routes, told } = seen(withFlags(releaseOf("catalog", 1000), [cart], [{ name: "cart", variant: "fresh" }]));
    expect(routes).toEqual(["/* [x-beta] → catalog/v2-cart-fresh", "/* → catalog/v1:9000 catalog/v2:1000 catalog/v2-cart-fresh:0"]);
    expect(told[0]).toEqual(["on"]);
    expect(told[1]).toEqual(["", "off", "off", "on"]);
  });
});

test("a service that isn't released keeps all its pods", () => {
  const { routes, told } = seen(withFlags(unreleased(cart), [cart, colour], []));
  expect(routes).toEqual([
    "/* [x-beta] → catalog/v2",
    "/* [baggage] → catalog:7500 catalog/v2:0 catalog/colour-blue:2500 by baggage",
    "/* [cookie] → catalog:7500 catalog/v2:0 catalog/colour-blue:2500 by cookie",
    "/* → catalog:7500 catalog/v2:0 catalog/colour-blue:2500",
  ]);
  expect(told[0]).toEqual(["red,on"]);
  expect(told[3]).toEqual(["", "red,off", "red,on", "blue,off"]);
});

describe("whoever has a variant keeps it", () => {
  const sticky = { cookie: "who" };
  const rules = [{ percent: 25, variant: "fresh" }];
  const variants = { fresh: { value: "on", version: "v2" }, stale: { value: "off" } };
  const exposed = [{ name: "cart", variant: "fresh" }];
  /** Share of each arm that tells "on", by version; the last places are always theirs. */
  const on = (route: ReleaseRoute): Readonly<Record<string, number>> =>
    Object.fromEntries(
      route.arms.flatMap(({ version = "", headers }, arm) =>
        headers?.["x-flag-new-cart"] === "on" ? [[version, route.shares[arm] ?? 0]] : [],
      ),
    );

  test("with a version, while the candidate's share grows, when it has all, and after", () => {
    const own = flag("cart", { variants, default: "stale", sticky, rules });
    for (const share of [0, 1000, 8000, 9999]) expect(on(withFlags(releaseOf("catalog", share), [own], exposed))).toEqual({ v2: 2500 });
    expect(on(withFlags(releaseOf("catalog", 10_000), [own], []))).toEqual({ v2: 2500 });
    const after = releaseOf("catalog", 0, { arms: [{ version: "v2" }], shares: [10_000] });
    expect(on(withFlags(after, [own], []))).toEqual({ v2: 2500 });
  });

  test("without one, in the version that they would have anyway", () => {
    const open = flag("cart", { variants: { ...variants, fresh: { value: "on" } }, default: "stale", sticky, rules });
    const at = (share: number) => on(withFlags(releaseOf("catalog", share), [open], []));
    expect([at(0), at(7500), at(8000), at(10_000)]).toEqual([
      { v1: 2500, v2: 0 },
      { v1: 2500, v2: 0 },
      { v1: 2000, v2: 500 },
      { v1: 0, v2: 2500 },
    ]);
  });
});
