import { expect, test } from "vitest";
import { labelSelector, selectorMatches } from "./label-selector.ts";

test.each([
  [{}, { a: "b" }, true],
  [{ matchLabels: { a: "b" } }, { a: "b", c: "d" }, true],
  [{ matchLabels: { a: "b" } }, { a: "c" }, false],
  [{ matchLabels: { constructor: "b" } }, {}, false],
  [{ matchExpressions: [{ key: "a", operator: "In", values: ["b", "c"] }] }, { a: "c" }, true],
  [{ matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] }, {}, false],
  [{ matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] }, {}, true],
  [{ matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] }, { a: "b" }, false],
  [{ matchExpressions: [{ key: "a", operator: "Exists" }] }, { a: "" }, true],
  [{ matchExpressions: [{ key: "a", operator: "Exists" }] }, {}, false],
  [{ matchExpressions: [{ key: "a", operator: "DoesNotExist" }] }, { a: "" }, false],
  [{ matchExpressions: [{ key: "a", operator: "DoesNotExist" }] }, {}, true],
])("%j on %j: %s", (selector, labels, expected) => expect(selectorMatches(labelSelector.parse(selector), labels)).toBe(expected));
