// What `lateen stat` and `lateen top` read and show: arguments, tables, and sentences where there is nothing to show.

import pc from "picocolors";
import { describe, expect, test } from "vitest";
import type { StatReply } from "../http/telemetry-contract.ts";
import { UsageError } from "../lib/errors.ts";
import type { StatRow } from "../telemetry/stat/stat.ts";
import { askedOf, statRequestOf } from "./stat-request.ts";
import { noteLines, statNotes, statTable } from "./stat-view.ts";

const screen = { colours: pc.createColors(false), isTty: false, columns: 80 };

const row: StatRow = {
  labels: {
    destination_service_namespace: "shop",
    destination_service_name: "orders",
    destination_service: "orders.shop.svc.cluster.local",
  },
  reporter: "client",
  requests: 1000,
  requestsPerSecond: 100,
  failed: 1,
  successShare: 0.99999,
  latency: { p50: 1.25, p95: 140.2, p99: 12_345 },
  tcpReceivedPerSecond: undefined,
  tcpSentPerSecond: undefined,
  openConnections: 0,
  state: "live",
  seconds: 10,
  missing: 0,
};
const tcp: StatRow = {
  ...row,
  requests: 0,
  requestsPerSecond: undefined,
  successShare: undefined,
  latency: undefined,
  tcpReceivedPerSecond: 0,
  tcpSentPerSecond: 1_234_567,
  openConnections: 3,
};

function reply(over: Partial<StatReply> = {}): StatReply {
  const base = {
    version: 1,
    by: "service",
    reporter: "client",
    windowMs: 10_000,
    asOf: "2031-01-01T00:00:00.000Z",
    collectingMs: 600_000,
  } as const;
  return { ...base, ageMs: 400, newestTrafficAgeMs: 900, proxies: { total: 4, silent: [] }, rows: [row], ...over };
}

const everything = askedOf({ by: "service", windowMs: 10_000 });

describe("the table", () => {
  test("numbers that fit, no failure rounded away, TCP only where there is some", () => {
    expect(statTable(reply(), screen)).toBe(
      ["NAMESPACE   SERVICE   REQ/S   SUCCESS   P50     P95     P99", "shop        orders    100     99.99%    1.3ms   140ms   12.3s"].join(
        "\n",
      ),
    );
    expect(statTable(reply({ rows: [tcp] }), screen).split("\n")[1]).toBe(
      "shop        orders    -       -         -     -     -     0B         1.2MB       3",
    );
  });

  test("what nobody reported is a gap, not 0", () => {
    const gap: StatRow = {
      ...row,
      state: "gap",
      requests: 0,
      requestsPerSecond: undefined,
      successShare: undefined,
      latency: undefined,
      seconds: 0,
    };
    expect(statTable(reply({ rows: [gap] }), screen).split("\n")[1]).toBe("shop        orders    gap     -         -     -     -");
  });

  test("edges with codes; what proxies don't know is a dash", () => {
    const labels = {
      source_workload: "unknown",
      source_workload_namespace: "unknown",
      destination_service: "a.b",
      destination_version: "v1",
    };
    const codes = [
      { request_protocol: "http", response_code: "503", response_flags: "UF,URX" },
      { request_protocol: "grpc", response_code: "200", grpc_response_status: "14", response_flags: "-" },
      { request_protocol: "tcp", response_code: "", response_flags: "-" },
    ];
    const rows = codes.map((code) => ({ ...row, labels: { ...labels, ...code } }));
    const lines = statTable({ by: "edge", rows }, screen).split("\n");
    expect(lines.map((line) => line.slice(0, 34).trim())).toEqual([
      "FROM   TO    VERSION   CODE",
      "-/-    a.b   v1        503 UF,URX",
      "-/-    a.b   v1        200 grpc 14",
      "-/-    a.b   v1        tcp",
    ]);
  });
});

describe("notes", () => {
  const idle: StatRow = { ...row, requests: 0, requestsPerSecond: 0, state: "idle" };
  test.each<[string, Partial<StatReply>, readonly (string | RegExp)[]]>([
    ["all is well", {}, []],
    ["no proxies", { rows: [], proxies: { total: 0, silent: [] } }, [/no proxies.*lateen up/]],
    [
      "nothing in the window",
      { rows: [idle], newestTrafficAgeMs: 43_000 },
      ["no requests in the last 10s; the newest is 43s old. `--for 1m` shows it"],
    ],
    ["nothing for long", { rows: [idle], newestTrafficAgeMs: 2 * 3_600_000 }, [/`--for 3h` shows it/]],
    ["the data is old", { ageMs: 21_000 }, ["the data is 21s old: no proxy has reported since"]],
    [
      "a silent proxy",
      { proxies: { total: 4, silent: ["web-1.shop"] } },
      ["1 of 4 proxies don't report, so their calls are missing: web-1.shop"],
    ],
    ["a young control plane", { collectingMs: 4000 }, ["the control plane has collected for 4s only"]],
  ])("%s", (_, over, notes) => {
    const found = statNotes(reply(over), everything);
    expect(found).toHaveLength(notes.length);
    for (const [index, note] of notes.entries()) expect(found[index]).toMatch(note instanceof RegExp ? note : note);
  });

  test("before the first report and the first request", () => {
    const { ageMs: _age, newestTrafficAgeMs: _newest, ...base } = reply({ rows: [] });
    expect(statNotes(base, everything)).toEqual([expect.stringContaining("no proxy has reported yet")]);
    expect(statNotes({ ...base, ageMs: 500, windowMs: 3000, collectingMs: 5000 }, everything)).toEqual([
      expect.stringContaining("no request has been counted since the control plane started 5s ago"),
    ]);
  });

  test("nothing of what was asked for says whether there is other traffic", () => {
    const asked = askedOf({ by: "version", name: "reviews", namespace: "shop", from: "web" });
    expect(statNotes(reply({ rows: [] }), asked)).toEqual([
      "no requests of versions named reviews in namespace shop from web in the last 10s; there is other traffic: `lateen stat -A` shows all",
    ]);
    const calls = askedOf({ by: "edge", from: "web" });
    expect(statNotes(reply({ rows: [] }), calls)).toEqual([
      "no requests from web in the last 10s; there is other traffic: `lateen stat -A` shows all",
    ]);
  });
});

test("notes are folded to a terminal's width, and whole elsewhere", () => {
  const notes = ["no requests in the last 10s; the newest is 43s old"];
  expect(noteLines(notes, { ...screen, isTty: true, columns: 30 })).toEqual(["no requests in the last 10s;", "the newest is 43s old"]);
  expect(noteLines(notes, { ...screen, columns: 30 })).toEqual(notes);
});

describe("arguments", () => {
  test.each<[readonly string[], object]>([
    [[], { by: "service", name: undefined }],
    [["services"], { by: "service", name: undefined }],
    [["deploy/web-v1"], { by: "workload", name: "web-v1" }],
    [["versions", "reviews"], { by: "version", name: "reviews" }],
    [["callers", "web"], { by: "source", name: "web" }],
  ])("%j", (args, wanted) => {
    expect(statRequestOf(args, {})).toMatchObject({ ...wanted, windowMs: 10_000, reporter: "client" });
  });

  test("options", () => {
    expect(statRequestOf([], { for: "1m", namespace: "shop", from: "web", to: "db", reporter: "server" })).toMatchObject({
      windowMs: 60_000,
      namespace: "shop",
      from: "web",
      to: "db",
      reporter: "server",
    });
    expect(statRequestOf([], { namespace: "shop", allNamespaces: true })).toMatchObject({ namespace: undefined });
  });

  test.each<[readonly string[], Record<string, string>]>([
    [["pods"], {}],
    [["__proto__"], {}],
    [[], { for: "0.5s" }],
    [[], { for: "7h" }],
    [[], { for: "soon" }],
    [[], { reporter: "me" }],
  ])("%j %j is refused with a fix", (args, options) => {
    expect(() => statRequestOf(args, options)).toThrow(UsageError);
  });
});
