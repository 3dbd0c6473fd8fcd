import { describe, expect, test } from "vitest";
import type { Hop } from "./answer.ts";
import type { ConfiguredShares } from "./configured-weights.ts";
import { Measurement } from "./measurement.ts";
import { reportOf } from "./report.ts";
import { versionRows } from "./table-model.ts";

const shares: ConfiguredShares = new Map([
  [
    "web",
    [
      { version: "v2", weightPercent: 10 },
      { version: "v1", weightPercent: 90 },
    ],
  ],
]);

const ok = (service: string, version: string, ms = 4): Hop => ({ service, version, failed: false, ms });

function measured(requests: readonly (readonly Hop[])[]) {
  const measurement = new Measurement(0);
  for (const hops of requests)
    measurement.record(
      hops,
      hops.some(({ failed }) => failed),
      500,
    );
  return measurement.total(2000);
}

describe("versionRows", () => {
  test("joins weights with shares, in the order of the call chain", () => {
    const rows = versionRows(measured([[ok("db", "-"), ok("web", "v1")], [ok("web", "v1")], [ok("web", "v1")], [ok("web", "v2")]]), shares);
    expect(
      rows.map(({ service, version, weightPercent, sharePercent, requestsPerSecond }) => [
        service,
        version,
        weightPercent,
        sharePercent,
        requestsPerSecond,
      ]),
    ).toEqual([
      ["web", "v1", 90, 75, 1.5],
      ["web", "v2", 10, 25, 0.5],
      ["db", "-", 100, 100, 0.5],
    ]);
  });

  test("failures of unknown version have a row and no share", () => {
    const rows = versionRows(measured([[ok("web", "v1")], [{ service: "web", version: "-", failed: true, ms: undefined }]]), shares);
    expect(rows.map(({ version, sharePercent, failures }) => [version, sharePercent, failures])).toEqual([
      ["v1", 100, 0],
      ["v2", 0, 0],
      ["-", undefined, 1],
    ]);
  });

  test("a version that no route names has weight 0 beside named ones; without any route several versions have none", () => {
    const rows = versionRows(measured([[ok("web", "v3"), ok("catalog", "v10")], [ok("catalog", "v2")]]), shares);
    expect(rows.map(({ version, weightPercent }) => [version, weightPercent])).toEqual([
      ["v1", 90],
      ["v2", 10],
      ["v3", 0],
      ["v2", undefined],
      ["v10", undefined],
    ]);
  });
});

test("reportOf has exactly the documented shape", () => {
  const counts = measured([[ok("web", "v1", 4)], [ok("web", "v1", 4)], [ok("web", "v2", 4)]]);
  const report = reportOf(counts, versionRows(counts, shares), { startSeconds: 4.0001, meshedSeconds: undefined });
  expect(report).toEqual({
    seconds: 2,
    requests: 3,
    failures: 0,
    services: [
      {
        service: "web",
        versions: [
          { version: "v1", weightPercent: 90, sharePercent: 66.7, requests: 2, p50Ms: 4, p99Ms: 4 },
          { version: "v2", weightPercent: 10, sharePercent: 33.3, requests: 1, p50Ms: 4, p99Ms: 4 },
        ],
      },
    ],
    startSeconds: 4,
    meshedSeconds: null,
  });
});
