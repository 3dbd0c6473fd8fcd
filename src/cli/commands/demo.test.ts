import { expect, test } from "vitest";
import { demoOptions } from "./demo.ts";

test("defaults: endless, 100 requests per second, a table", () => {
  expect(demoOptions({})).toEqual({ durationMs: undefined, rate: 100, port: undefined, isJson: false, scenario: undefined });
});

test("reads duration, rate, port and output", () => {
  expect(demoOptions({ for: "15s", rate: "200", port: "0", output: "json", scenario: "ab" })).toEqual({
    durationMs: 15_000,
    rate: 200,
    port: 0,
    isJson: true,
    scenario: "ab",
  });
});

test.each([
  { for: "soon" },
  { for: "0" },
  { for: "-1s" },
  { for: "2h" },
  { rate: "0" },
  { rate: "201" },
  { rate: "x" },
  { port: "65536" },
  { port: "-1" },
  { port: "http" },
  { port: "" },
  { output: "yaml" },
  { scenario: "bigbang" },
  { scenario: "constructor" },
])("refuses %j", (options) => {
  expect(() => demoOptions(options)).toThrow(/^--/);
});
