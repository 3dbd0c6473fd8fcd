// The tables of what is promised name tests: each file, title and benchmark must exist, and each statement must name one or say why not.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const root = new URL("..", import.meta.url);

function textOf(file: string): string {
  const path = new URL(file, root);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

describe.each([
  ["releases", 50],
  ["telemetry", 35],
])("what is promised of %s", (name, least) => {
  const text = textOf(`docs/guide/${name}-statements.md`);
  const rows = text.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("| statement") && !line.startsWith("| ---"));
  const named = [...text.matchAll(/`([\w/.-]+\.test\.ts)`: "([^"]+)"/g)].map(([, file = "", title = ""]) => [file, title] as const);
  const files = new Map([...new Set(named.map(([file]) => file))].map((file) => [file, textOf(file)] as const));

  test("every statement names a test or a benchmark, or says why there is none", () => {
    expect(rows.length).toBeGreaterThan(least);
    const bare = rows.filter((row) => !/`: "|bench `|\| none: \w/.test(row));
    expect(bare).toEqual([]);
  });

  test("every test that is named exists", () => {
    const missing = named.filter(([file, title]) => files.get(file)?.includes(`"${title}"`) !== true);
    expect(missing).toEqual([]);
  });

  test("every benchmark that is named exists", () => {
    const benchmarks = textOf("test/bench/catalogue.ts");
    const names = [...text.matchAll(/bench `([\w-]+)`/g)].map(([, bench = ""]) => bench);
    expect(names.filter((bench) => !benchmarks.includes(`name: "${bench}"`))).toEqual([]);
  });
});
