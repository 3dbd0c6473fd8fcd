import { describe, expect, test } from "vitest";
import {
  compareSpecificity,
  gatewayHost,
  hostMatches,
  hostsOverlap,
  mostSpecificMatch,
  namespacedName,
  resolveHost,
  serviceAliases,
  serviceHost,
} from "./hosts.ts";

const known = new Set(["web.shop.svc.cluster.local", "both.shop.svc.cluster.local", "both.shop"]);
const exists = (host: string) => known.has(host);

describe("resolveHost", () => {
  test.each([
    ["web", "web.own.svc.cluster.local"],
    ["Web", "web.own.svc.cluster.local"],
    ["web.shop", "web.shop.svc.cluster.local"],
    ["web.shop.svc", "web.shop.svc.cluster.local"],
    ["web.shop.svc.cluster.local", "web.shop.svc.cluster.local"],
    ["web.shop.svc.cluster.local.", "web.shop.svc.cluster.local"],
    ["both.shop", "both.shop"],
    ["example.com", "example.com"],
    ["api.example.com", "api.example.com"],
    ["*", "*"],
    ["*.shop", "*.shop"],
    ["", ""],
  ])("%s is %s", (host, expected) => expect(resolveHost(host, "own", exists)).toBe(expected));

  test("without knowledge of services, names with a dot stand as they are", () => expect(resolveHost("web.shop", "own")).toBe("web.shop"));
});

describe("hostMatches", () => {
  test.each([
    ["a.b", "a.b", true],
    ["a.b", "A.B", true],
    ["*", "a", true],
    ["*.b", "a.b", true],
    ["*.b", "x.a.b", true],
    ["*.b", "*.a.b", true],
    ["*.b", "b", false],
    ["*.b", ".b", false],
    ["*.b", "ab", false],
    ["*.a.b", "*.b", false],
    ["a.b", "*.b", false],
    ["a.b", "*", false],
  ])("%s covers %s: %s", (pattern, host, expected) => expect(hostMatches(pattern, host)).toBe(expected));

  test("overlap has no direction", () => {
    expect(hostsOverlap("a.b", "*.b")).toBe(true);
    expect(hostsOverlap("*.a", "*.b")).toBe(false);
  });
});

test("the most specific pattern wins", () => {
  expect(["*", "*.b", "b.b", "*.a.b", "a.b"].toSorted(compareSpecificity)).toEqual(["a.b", "b.b", "*.a.b", "*.b", "*"]);
  expect(mostSpecificMatch(["*", "*.b", "*.a.b"], "x.a.b")).toBe("*.a.b");
  expect(mostSpecificMatch(["*.c"], "x.a.b")).toBeUndefined();
});

test("names of services", () => {
  expect(serviceHost("web", "shop")).toBe("web.shop.svc.cluster.local");
  expect(serviceAliases("web", "shop", "shop")).toEqual(["web.shop.svc.cluster.local", "web.shop.svc", "web.shop", "web"]);
  expect(serviceAliases("web", "shop", "own")).not.toContain("web");
});

test("references with and without namespace", () => {
  expect(namespacedName("edge", "own")).toEqual({ namespace: "own", name: "edge" });
  expect(namespacedName("./edge", "own")).toEqual({ namespace: "own", name: "edge" });
  expect(namespacedName("other/edge", "own")).toEqual({ namespace: "other", name: "edge" });
  expect(gatewayHost("*.a", "own")).toEqual({ namespace: "*", host: "*.a" });
  expect(gatewayHost("./a", "own")).toEqual({ namespace: "own", host: "a" });
});
