import { createColors } from "picocolors";
import { expect, test } from "vitest";
import { suggestions } from "../app/demo/shop.ts";
import type { VersionRow } from "../app/demo/table-model.ts";
import { demoTable, secondLine, suggestionLines } from "./demo-view.ts";

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

test("suggestions are one line each and name the mesh, the port and files that exist", () => {
  const lines = suggestionLines(suggestions({ mesh: "demo-2", port: 1234, cwd: "/" }), plain);
  expect(lines.length).toBeGreaterThan(8);
  expect(lines.every((line) => !line.includes("\n"))).toBe(true);
  expect(lines.filter((line) => line.includes("npx lateen")).every((line) => line.includes("--mesh demo-2"))).toBe(true);
  expect(lines.some((line) => line.includes("http://127.0.0.1:1234/api/shop"))).toBe(true);
});
