// Releases of tcp services: connections divide by EDS localities, with and without routes, and moves touch nothing else.

import { expect, test } from "vitest";
import { ClusterLoadAssignmentSchema } from "#envoy/envoy/config/endpoint/v3/endpoint_pb.js";
import { audience, clientYaml, releaseOf, serviceYaml } from "../../../test/harness/release-world.ts";
import { istioYaml } from "../../../test/harness/traffic-yaml.ts";
import { resourcesOf, snapshotOf, withEndpoints } from "../../../test/harness/world.ts";
import { decodeJson } from "../../envoy/codec.ts";
import type { ProxyConfig } from "../../envoy/config.ts";
import { createTranslator } from "../../translate/proxy-config.ts";
import { defaultMeshSettings, type Mesh } from "../mesh.ts";
import { createModel } from "../mesh-of.ts";
import type { ReleaseRoute } from "./release-route.ts";

const tcp = [{ name: "tcp", port: 5432 }];
const db = serviceYaml("db", ["v1", "v2"], tcp);
const cold = serviceYaml("cold", ["v1"], tcp);
const routed = istioYaml("VirtualService", "shop/db", {
  hosts: ["db"],
  tcp: [
    {
      route: [
        { destination: { host: "db" }, weight: 75 },
        { destination: { host: "cold" }, weight: 25 },
      ],
    },
  ],
});

/** A mesh whose releases change. */
function client(...texts: readonly string[]) {
  const model = createModel();
  const translate = createTranslator();
  const snapshot = snapshotOf(withEndpoints(resourcesOf([clientYaml, ...texts].join("---\n"))));
  let settled: Mesh["settled"] = new Map();
  return (releases: readonly ReleaseRoute[]): ProxyConfig => {
    const mesh = model.meshOf(snapshot, { settings: defaultMeshSettings, resolved: new Map(), settled, releases });
    settled = mesh.settled;
    const proxy = mesh.proxies.get("client.shop");
    if (proxy === undefined) throw new Error("no client");
    return translate(mesh, proxy);
  };
}

/** Endpoints with their localities' weights: "198.18.0.1:5000". */
function sharesOf(config: ProxyConfig, name: string): readonly string[] {
  const found = config.endpoints.get(name);
  const { endpoints = [] } = found === undefined ? {} : decodeJson(ClusterLoadAssignmentSchema, found.bytes);
  return endpoints.map(
    ({ locality, loadBalancingWeight }) => `${locality?.region?.split("|").slice(2).join("@").split(".")[0]}:${loadBalancingWeight ?? 0}`,
  );
}

const own = "split|5432|release|db.shop";

test("a service without routes", () => {
  const configOf = client(db);
  const plain = configOf([]);
  expect(plain.clusters.has(own)).toBe(false);
  const before = configOf([releaseOf("db", 1000, { arms: [{ version: "v1" }], shares: [10_000] })]);
  expect(sharesOf(before, own)).toEqual(["v1@db:10000"]);
  const during = configOf([releaseOf("db", 1000)]);
  expect(sharesOf(during, own)).toEqual(["v1@db:9000", "v2@db:1000"]);
  const listener = [...during.listeners.keys()].find((name) => name.endsWith("_5432")) ?? "";
  expect(during.listeners.get(listener)?.references).toContainEqual({ type: "cds", name: own });
  expect(during.listeners.get(listener)).toBe(before.listeners.get(listener));
  const moved = configOf([releaseOf("db", 5000)]);
  expect(sharesOf(moved, own)).toEqual(["v1@db:5000", "v2@db:5000"]);
  expect([moved.clusters, moved.listeners, moved.routes]).toEqual([during.clusters, during.listeners, during.routes]);
  expect(configOf([]).listeners.get(listener)?.version).toBe(plain.listeners.get(listener)?.version);
});

test("inside its own share of a route, and for callers who are chosen", () => {
  const configOf = client(db, cold, routed);
  const name = "split|5432|tcp.0|db.shop";
  expect(sharesOf(configOf([releaseOf("db", 1000)]), name)).toEqual(["v1@db:6750", "v2@db:750", "@cold:2500"]);
  const chosen = (app: string) => [{ audience: audience({ sourceLabels: { app } }), arm: 1 }];
  expect(sharesOf(configOf([releaseOf("db", 1000, { matches: chosen("client") })]), name)).toEqual(["v2@db:7500", "@cold:2500"]);
  expect(sharesOf(configOf([releaseOf("db", 1000, { matches: chosen("other") })]), name)).toEqual([
    "v1@db:6750",
    "v2@db:750",
    "@cold:2500",
  ]);
});
