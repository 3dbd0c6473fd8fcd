import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../store/store.ts";
import { strategicMerge } from "./strategic-merge.ts";

describe("strategic merge", () => {
  const target = {
    metadata: { labels: { a: "1", b: "2" }, finalizers: ["x", "y"] },
    spec: {
      containers: [
        { name: "app", image: "v1", ports: [{ containerPort: 80 }], args: ["a", "b"] },
        { name: "side", image: "s1" },
      ],
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } },
    },
  };
  test.each<[string, JsonObject, unknown]>([
    ["null removes a field", { metadata: { labels: { a: null } } }, { metadata: { labels: { b: "2" } } }],
    [
      "a named item is merged",
      { spec: { containers: [{ name: "app", image: "v2" }] } },
      { spec: { containers: [{ name: "app", image: "v2", args: ["a", "b"] }, { name: "side" }] } },
    ],
    [
      "a new item is added",
      { spec: { containers: [{ name: "new", image: "n" }] } },
      { spec: { containers: [{ name: "app" }, { name: "side" }, { name: "new" }] } },
    ],
    ["an item is deleted", { spec: { containers: [{ name: "side", $patch: "delete" }] } }, { spec: { containers: [{ name: "app" }] } }],
    [
      "lists without key are replaced",
      { spec: { containers: [{ name: "app", args: ["c"] }] } },
      { spec: { containers: [{ name: "app", args: ["c"] }, {}] } },
    ],
    [
      "only retained keys stay",
      { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } },
      { spec: { strategy: { type: "Recreate" } } },
    ],
    ["a map is replaced", { spec: { strategy: { $patch: "replace", type: "Recreate" } } }, { spec: { strategy: { type: "Recreate" } } }],
    ["values leave a set", { metadata: { "$deleteFromPrimitiveList/finalizers": ["x"] } }, { metadata: { finalizers: ["y"] } }],
    ["values join a set", { metadata: { finalizers: ["z"] } }, { metadata: { finalizers: ["x", "y", "z"] } }],
    [
      "the order is set",
      { spec: { "$setElementOrder/containers": [{ name: "side" }, { name: "app" }] } },
      { spec: { containers: [{ name: "side" }, { name: "app" }] } },
    ],
  ])("%s", (_name, patch, expected) => {
    const before = structuredClone(target);
    expect(strategicMerge(target, patch)).toMatchObject(expected as object);
    expect(target).toEqual(before);
  });

  test("nothing stays of what was retained away, and polluting keys stay data", () => {
    const merged = strategicMerge(target, { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } });
    expect(merged["spec"]).toHaveProperty("strategy", { type: "Recreate" });
    strategicMerge({}, JSON.parse('{"__proto__":{"polluted":1}}'));
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });
});
