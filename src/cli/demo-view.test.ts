import { createColors } from "picocolors";
import { expect, test } from "vitest";
import { suggestions } from "../app/demo/shop.ts";
import type { VersionRow } from "../app/demo/table-model.ts";
import { cut, demoTable, LivePlace, secondLine, suggestionLines } from "./demo-view.ts";

const plain = createColors(false);

function row(service: string, version: string, more: Partial<VersionRow> = {}): VersionRow {
  return {
    service,
    version,
    weightPercent: 90,
    sharePercent: 89.66,
    requests: 9,
    requestsPerSecond: 36,
    failures: 0,
    p50Ms: 4.21,
    p99Ms: 9,
    ...more,
  };
}

const rows = [
  row("web", "v1"),
  row("web", "v2", { weightPercent: 10, sharePercent: 10.34 }),
  row("web", "-", { weightPercent: undefined, sharePercent: undefined, failures: 2, p50Ms: undefined, p99Ms: undefined }),
  row("db", "-", { weightPercent: 100, sharePercent: 100 }),
];

const counts = { seconds: 12.4, requests: 480, failures: 2, versions: [] };
const view = { total: counts, totalRows: rows, window: counts, windowRows: rows, injected: new Map() };

test("demoTable names a service once, percentages with one decimal", () => {
  expect(demoTable(rows, plain).split("\n")).toEqual([
    "SERVICE   VERSION   WEIGHT   SHARE    REQ/S   ERRORS   P50      P99",
    "web       v1        90.0%    89.7%    36.0    0        4.2 ms   9.0 ms",
    "          v2        10.0%    10.3%    36.0    0        4.2 ms   9.0 ms",
    "          -         -        -        36.0    2        -        -",
    "db        -         100.0%   100.0%   36.0    0        4.2 ms   9.0 ms",
  ]);
});

test("secondLine is one line with the shares of what is split", () => {
  expect(secondLine(view)).toBe("12 s: 480 requests, 2 failed   web v1 89.7% v2 10.3%   p50 4.2 ms p99 9.0 ms");
});

test("secondLine names a service that fails without failing the page", () => {
  expect(secondLine({ ...view, windowRows: [row("web", "v1"), row("rates", "v1", { failures: 3 })] })).toContain(
    "   rates v1: 3 failed   p50",
  );
});

test("LivePlace goes back over exactly the lines it wrote and clears what is left", () => {
  let written = "";
  const place = new LivePlace({ raw: (text) => (written += text), columns: 6 });
  place.show("one\ntwo\nthree and more");
  expect(written).toBe("\rone\u001b[K\ntwo\u001b[K\nthree\u001b[K\n\u001b[J");
  written = "";
  place.show("x");
  expect(written).toBe("\u001b[3Fx\u001b[K\n\u001b[J");
});

test.each([
  ["short", 10, "short"],
  ["exactly", 7, "exactly"],
  ["too long", 3, "too"],
  ["\u001b[31mred\u001b[39m", 3, "\u001b[31mred\u001b[39m"],
  ["a\u001b[31mred\u001b[39mb", 2, "a\u001b[31mr\u001b[39m\u001b[0m"],
])("cut(%j, %i)", (line, columns, expected) => {
  expect(cut(line, columns)).toBe(expected);
});

test("suggestions are one line each and name the mesh, the port and files that exist", () => {
  const lines = suggestionLines(suggestions({ mesh: "demo-2", port: 1234, cwd: "/" }), plain);
  expect(lines.length).toBeGreaterThan(8);
  expect(lines.every((line) => !line.includes("\n"))).toBe(true);
  expect(lines.filter((line) => line.includes("npx lateen")).every((line) => line.includes("--mesh demo-2"))).toBe(true);
  expect(lines.some((line) => line.includes("http://127.0.0.1:1234/api/shop"))).toBe(true);
});
