import { expect, test } from "vitest";
import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { decodeJson } from "./codec.ts";
import { EncodeCache } from "./encode-cache.ts";

test("equal content is the same object", () => {
  const cache = new EncodeCache();
  const make = (connectTimeout: string) =>
    cache.resource({ type: "cds", name: "a", schema: ClusterSchema, json: { name: "a", connectTimeout }, sources: ["Service x/a"] });
  expect(make("1s")).toBe(make("1s"));
  expect(make("1s")).not.toBe(make("2s"));
  expect(make("1s").version).not.toBe(make("2s").version);
});

test("a route configuration is its head and its virtual hosts", () => {
  const cache = new EncodeCache();
  const long = "x".repeat(300);
  const a = cache.part(
    { name: "a", domains: ["b.test", "a.test"] },
    { references: [{ type: "cds", name: "c" }], sources: ["VirtualService x/a"] },
  );
  const b = cache.part({ name: "b", domains: [`${long}.test`] }, {});
  const routes = cache.routes({ name: "80", head: { validateClusters: false }, parts: [a, b] });
  expect(a.domains).toEqual(["a.test", "b.test"]);
  expect(routes.references).toEqual([{ type: "cds", name: "c" }]);
  expect(decodeJson(RouteConfigurationSchema, routes.bytes)).toEqual({
    name: "80",
    validateClusters: false,
    virtualHosts: [
      { name: "a", domains: ["b.test", "a.test"] },
      { name: "b", domains: [`${long}.test`] },
    ],
  });
});
