import { expect, test } from "vitest";
import { formatOption, listOption, textOption } from "./command.ts";

test("-o takes the formats that a command has, the first by default", () => {
  expect(formatOption({}, ["table", "json"])).toBe("table");
  expect(formatOption({ output: "json" }, ["table", "json"])).toBe("json");
  expect(() => formatOption({ output: "yaml" }, ["table", "json"])).toThrow(`no output format "yaml"`);
});

test("options come as text, lists or switches", () => {
  expect([textOption({ a: "x" }, "a"), textOption({ a: true }, "a"), textOption({}, "a")]).toEqual(["x", undefined, undefined]);
  expect([listOption({ a: ["x", "y"] }, "a"), listOption({ a: "x" }, "a"), listOption({}, "a")]).toEqual([["x", "y"], ["x"], []]);
});
