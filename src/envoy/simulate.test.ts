// The rules that need no Envoy to be sure of; all others are compared with a real one in translate/route/behaviour.test.ts.

import { expect, test } from "vitest";
import type { RouteMatchJson, VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { SimulatedRequest } from "./simulate.ts";
import { simulate } from "./simulate.ts";

function virtualHost(...domains: string[]): VirtualHostJson {
  return { name: domains[0] ?? "", domains, routes: [{ match: { prefix: "/" }, directResponse: { status: 200 } }] };
}

const virtualHosts = ["*", "a.example", "*.example", "*.b.example", "a.*", "[::1]"].map((domain) => virtualHost(domain));

test.each([
  ["a.example", "a.example"],
  ["A.Example", "a.example"],
  ["a.example:8080", "a.example"],
  ["c.example", "*.example"],
  ["c.b.example", "*.b.example"],
  ["b.example", "*.example"],
  ["a.net", "a.*"],
  ["[::1]:80", "[::1]"],
  ["example", "*"],
])("%s belongs to %s", (host, expected) => {
  expect(simulate({ virtualHosts, ignorePortInHostMatching: true }, { host, path: "/" })?.virtualHost.name).toBe(expected);
});

test("a port counts unless it is to be ignored", () => {
  expect(simulate({ virtualHosts: [virtualHost("a.example")] }, { host: "a.example:80", path: "/" })).toBeUndefined();
});

function takes(match: RouteMatchJson, request: Partial<SimulatedRequest>): boolean {
  const routes = [{ match, directResponse: { status: 200 } }];
  return simulate({ virtualHosts: [{ name: "x", domains: ["*"], routes }] }, { host: "x", path: "/", ...request }) !== undefined;
}

test("what Istio's fields never make but others may", () => {
  expect(takes({ pathSeparatedPrefix: "/a" }, { path: "/a/b?c" })).toBe(true);
  expect(takes({ pathSeparatedPrefix: "/a" }, { path: "/ab" })).toBe(false);
  expect(
    takes({ prefix: "/", headers: [{ name: "x", stringMatch: { contains: "B", ignoreCase: true } }] }, { headers: { x: "abc" } }),
  ).toBe(true);
  expect(takes({ prefix: "/", headers: [{ name: "x", stringMatch: { suffix: "c" }, invertMatch: true }] }, {})).toBe(false);
  expect(takes({ prefix: "/", headers: [{ name: "x", presentMatch: false }] }, {})).toBe(true);
  expect(takes({ prefix: "/", grpc: {} }, { headers: { "content-type": "application/grpc+proto" } })).toBe(true);
  expect(takes({ prefix: "/", headers: [{ name: "toString", presentMatch: true }] }, {})).toBe(false);
  expect(takes({ safeRegex: { regex: "(" } }, {})).toBe(false);
});

test("weights, mirrors and the route's place are told", () => {
  const route = {
    weightedClusters: {
      clusters: [
        { name: "a", weight: 9000 },
        { name: "b", weight: 1000 },
      ],
    },
    requestMirrorPolicies: [{ cluster: "c" }],
  };
  const routes = [
    { match: { path: "/x" }, directResponse: { status: 200 } },
    { match: { prefix: "/" }, route },
  ];
  const simulated = simulate({ virtualHosts: [{ name: "x", domains: ["*"], routes }] }, { host: "x", path: "/" });
  expect(simulated).toMatchObject({ index: 1, outcome: { kind: "forward", mirrors: ["c"] } });
  expect(simulated?.outcome).toHaveProperty("clusters", [
    { name: "a", weight: 9000 },
    { name: "b", weight: 1000 },
  ]);
});
