// The benchmarks' entry: what it lists, which arguments it takes, and that each benchmark has what it needs. Nothing is measured here.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseArguments } from "./arguments.ts";
import { catalogue } from "./catalogue.ts";
import { median, percentile, summaryOf } from "./numbers.ts";

const names = catalogue.map(({ name }) => name);

function bench(args: readonly string[]) {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  return spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], { encoding: "utf8" });
}

test("--list names them all", () => {
  const { status, stdout } = bench(["--list"]);
  expect(status).toBe(0);
  expect(stdout.trim().split("\n")).toHaveLength(names.length);
  for (const name of ["up", "start-again", "weight-demo", "weight-world", "structure-world", "sidecar-cost", "mtls-cost", "pods"]) {
    expect(stdout).toMatch(new RegExp(`^${name} +\\S`, "m"));
  }
});

test("mistakes are told, and nothing is on stdout", () => {
  const { status, stdout, stderr } = bench(["nothing"]);
  expect(status).toBe(64);
  expect(stdout).toBe("");
  expect(stderr).toContain("there is no benchmark nothing");
});

test.each([
  [["up"], { kind: "run", name: "up", quick: false }],
  [["--quick", "up"], { kind: "run", name: "up", quick: true }],
  [["--list"], { kind: "list" }],
  [[], { kind: "mistake", message: "no benchmark is named" }],
  [["up", "pods"], { kind: "mistake", message: "one benchmark at a time: another one running would be measured too" }],
  [["--fast"], { kind: "mistake", message: "there is no option --fast" }],
])("%j", (args, expected) => {
  expect(parseArguments(args, names)).toEqual(expected);
});

test.each(catalogue.map((entry) => [entry.name, entry] as const))("%s has what main needs", async (name, { load }) => {
  const { benchmark } = await load();
  expect(benchmark.name).toBe(name);
  expect(benchmark.summary).not.toBe("");
  expect(benchmark.run).toBeTypeOf("function");
  for (const value of Object.values(benchmark.target)) expect(value).toBeGreaterThan(0);
});

test("medians, percentiles and spreads", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(percentile([5, 1, 3], 99)).toBe(5);
  expect(percentile([5, 1, 3], 0)).toBe(1);
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(summaryOf(values)).toEqual({ count: 100, median: 50.5, min: 1, max: 100, p99: 99, quartileDistance: 50 });
});
