import { expect, test } from "vitest";
import { applyJsonPatch } from "./json-patch.ts";

const target = { a: { b: [1, 2, 3], "x/y": 1 }, c: "d" };

// The rules and cases of RFC 6902, appendix A, on one object.
test.each<[unknown[], unknown]>([
  [[{ op: "add", path: "/e", value: { f: 1 } }], { ...target, e: { f: 1 } }],
  [[{ op: "add", path: "/a/b/1", value: 9 }], { ...target, a: { ...target.a, b: [1, 9, 2, 3] } }],
  [[{ op: "add", path: "/a/b/-", value: 9 }], { ...target, a: { ...target.a, b: [1, 2, 3, 9] } }],
  [[{ op: "replace", path: "/a/x~1y", value: 2 }], { ...target, a: { ...target.a, "x/y": 2 } }],
  [[{ op: "replace", path: "/a/b/0", value: 7 }], { ...target, a: { ...target.a, b: [7, 2, 3] } }],
  [
    [
      { op: "remove", path: "/c" },
      { op: "remove", path: "/a/b/2" },
    ],
    { a: { ...target.a, b: [1, 2] } },
  ],
  [[{ op: "move", from: "/c", path: "/a/b" }], { a: { ...target.a, b: "d" } }],
  [[{ op: "copy", from: "/a/b", path: "/c" }], { ...target, c: [1, 2, 3] }],
  [[{ op: "test", path: "/a/b", value: [1, 2, 3] }], target],
])("%j", (patch, expected) => {
  const before = structuredClone(target);
  expect(applyJsonPatch(target, patch)).toEqual(expected);
  expect(target).toEqual(before);
});

test.each([
  [[{ op: "replace", path: "/nothing", value: 1 }]],
  [[{ op: "remove", path: "/a/b/3" }]],
  [[{ op: "add", path: "/a/b/5", value: 1 }]],
  [[{ op: "add", path: "/a/b/01", value: 1 }]],
  [[{ op: "add", path: "/c/d", value: 1 }]],
  [[{ op: "add", path: "/__proto__/polluted", value: 1 }]],
  [[{ op: "replace", path: "/constructor/prototype", value: 1 }]],
  [[{ op: "test", path: "/c", value: "e" }]],
  [[{ op: "add", path: "c", value: 1 }]],
  [[{ op: "jump", path: "/c" }]],
  [{ op: "remove", path: "/c" }],
])("%j is refused", (patch) => {
  expect(() => applyJsonPatch(target, patch)).toThrow(expect.objectContaining({ code: "bad_request" }));
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
});
