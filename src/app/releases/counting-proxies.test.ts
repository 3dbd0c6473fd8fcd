// Who counts tries for a release: with a route and without, with a run and before one.

import { expect, test } from "vitest";
import { clientYaml, serviceYaml } from "../../../test/harness/release-world.ts";
import { releaseYaml } from "../../../test/harness/releases.ts";
import { istioYaml } from "../../../test/harness/traffic-yaml.ts";
import { resourcesOf, snapshotOf, withEndpoints } from "../../../test/harness/world.ts";
import { defaultMeshSettings } from "../../model/mesh.ts";
import { createModel } from "../../model/mesh-of.ts";
import { countingProxies } from "./counting-proxies.ts";

const http = [{ name: "http", port: 80 }];

/** Ids of proxies that count. */
function counting(...texts: readonly string[]): readonly string[] {
  const yaml = [clientYaml, serviceYaml("web", ["v1"], http), ...texts].join("---\n");
  const snapshot = snapshotOf(withEndpoints(resourcesOf(yaml)));
  const mesh = createModel().meshOf(snapshot, { settings: defaultMeshSettings, resolved: new Map(), settled: new Map() });
  return [...countingProxies(snapshot)(mesh.scopes)].toSorted();
}

const of = (spec: object) => releaseYaml("web", { ...spec }).replace("namespace: default", "namespace: shop");

test("whoever may call a service whose Deployment may be updated in place, all the time and without a route", () => {
  const callers = counting(of({ strategy: "rolling" }));
  expect(callers).toContain("client.shop");
  expect(counting(of({ strategy: "recreate" }))).toEqual(callers);
  expect(counting(of({ steps: [{ rollout: { type: "rolling" } }] }))).toEqual(callers);
});

test("nobody before the run of another strategy, nor for a service that isn't there", () => {
  expect(counting()).toEqual([]);
  expect(counting(of({ strategy: "canary" }))).toEqual([]);
  // Of a service that isn't there.
  expect(counting(releaseYaml("web", { strategy: "rolling" }))).toEqual([]);
  const route = istioYaml("VirtualService", "shop/web", { hosts: ["web"], http: [{ route: [{ destination: { host: "web" } }] }] });
  expect(counting(route, of({ strategy: "canary" }))).toEqual([]);
});
