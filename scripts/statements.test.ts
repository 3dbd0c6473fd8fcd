// The table of what is promised of releases names tests: each file, title and benchmark must exist, and each statement must name one or say why not.

import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("..", import.meta.url);
const text = readFileSync(new URL("docs/guide/releases-statements.md", root), "utf8");
const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| statement") && !line.startsWith("| ---"));

const named = [...text.matchAll(/`([\w/.-]+\.test\.ts)`: "([^"]+)"/g)].map(([, file = "", title = ""]) => [file, title] as const);
const files = new Map([...new Set(named.map(([file]) => file))].map((file) => [file, textOf(file)] as const));

function textOf(file: string): string {
  const path = new URL(file, root);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

test("every statement names a test or a benchmark, or says why there is none", () => {
  expect(rows.length).toBeGreaterThan(50);
  const bare = rows.filter((row) => !/`: "|bench `|\| none: \w/.test(row));
  expect(bare).toEqual([]);
});

test("every test that is named exists", () => {
  const missing = named.filter(([file, title]) => files.get(file)?.includes(`"${title}"`) !== true);
  expect(missing).toEqual([]);
});

test("every benchmark that is named exists", () => {
  const benchmarks = textOf("test/bench/catalogue.ts");
  const names = [...text.matchAll(/bench `([\w-]+)`/g)].map(([, name = ""]) => name);
  expect(names.filter((name) => !benchmarks.includes(`name: "${name}"`))).toEqual([]);
});
