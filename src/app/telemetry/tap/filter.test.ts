// Which requests a watcher asked for.

import { describe, expect, test } from "vitest";
import { tapEventOf } from "./event.ts";
import { matchesPath, tapFilterOf } from "./filter.ts";
import { mesh, recordOf, sent, web } from "./testing/tap-world.ts";

describe("filters", () => {
  test.each([
    ["/orders", "/orders/7?x=1", true],
    ["/orders", "/order", false],
    ["/orders/*/items", "/orders/7/items", true],
    ["/orders/*/items", "/orders/7/items/1", false],
    ["*", "", true],
    ["/a*b*c", "/a-b-b-c", true],
    ["/a*a", "/a", false],
    ["*?x=1", "/any?x=1", true],
    ["/any*", "/any?x=1", true],
    ["/(a+)+$", "/(a+)+$", true],
  ])("%s takes %s: %s", (pattern, path, expected) => {
    expect(matchesPath(pattern, path)).toBe(expected);
  });

  test("of a request", () => {
    const { event } = tapEventOf(recordOf(sent), web, mesh);
    const takes = (query: Parameters<typeof tapFilterOf>[0]) => tapFilterOf(query).matches(event);
    for (const query of [
      {},
      { party: "web" },
      { party: "orders" },
      { from: "web", to: "orders" },
      { method: "get" },
      { status: "5xx,200" },
      { minDurationMs: 12 },
      { version: "v1" },
      { namespace: "shop" },
      { mirrored: false },
    ]) {
      expect([query, takes(query)]).toEqual([query, true]);
    }
    for (const query of [
      { from: "orders" },
      { to: "web" },
      { party: "x" },
      { method: "POST" },
      { status: "none" },
      { minDurationMs: 13 },
      { version: "v2" },
      { namespace: "other" },
      { mirrored: true },
      { failed: true },
      { party: "web", namespace: "other" },
    ]) {
      expect([query, takes(query)]).toEqual([query, false]);
    }
  });
});
