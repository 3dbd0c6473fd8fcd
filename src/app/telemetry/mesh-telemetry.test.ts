// Reports of proxies in the control plane: who they are from, what becomes of pods that go, and of bytes that nobody should send.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { MeshError } from "../../lib/errors.ts";
import type { MeshProxy } from "../../model/mesh.ts";
import { connectionAttributes, connectionLogTypes } from "../../telemetry/connection-log.ts";
import { meshStat } from "./mesh-stat.ts";
import type { MeshTelemetry } from "./mesh-telemetry.ts";
import {
  atClient,
  atServer,
  connectionBytes,
  metricBytes,
  orders,
  principal,
  startMs,
  telemetryWorld,
  web,
} from "./testing/telemetry-world.ts";

const home = mkdtempSync(join(tmpdir(), "lateen-telemetry-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe("who it is", () => {
  test("the sender by its connection, the peer by its certificate and the mesh", () => {
    using it = telemetryWorld();
    it.world.nowMs += 1000;
    it.telemetry.take(
      web.id,
      "metrics",
      metricBytes(3, it.world.nowMs, [{ ...atClient, source: "forged;kube-system;admin;v9;Kubernetes" }]),
    );
    it.telemetry.take(orders.id, "metrics", metricBytes(3, it.world.nowMs, [atServer]));
    const labels = [
      "reporter",
      "source_workload",
      "source_canonical_service",
      "source_app",
      "source_version",
      "source_cluster",
      "source_principal",
      "destination_workload",
      "destination_version",
      "destination_principal",
    ];
    const both = ["web-v1", "web", "web", "v1", "Kubernetes", principal("web"), "orders-v2", "v2", principal("orders")];
    expect(it.sum("istio_requests_total", labels).map(({ group }) => Object.values(group))).toEqual([
      ["destination", ...both],
      ["source", ...both],
    ]);
  });

  test("a certificate of nobody in the mesh says what it says", () => {
    using it = telemetryWorld();
    const tags = { ...atServer, source: "v7.old.shop.workload.lateen" };
    it.telemetry.take(orders.id, "metrics", metricBytes(1, startMs, [tags]));
    const [row] = it.sum("istio_requests_total", ["source_workload", "source_version", "source_canonical_service"]);
    expect(Object.values(row?.group ?? {})).toEqual(["old", "v7", "unknown"]);
  });

  test("a proxy that the mesh doesn't have is refused", () => {
    using it = telemetryWorld();
    expect(() => it.telemetry.take("stranger.shop", "metrics", metricBytes(1, startMs, [atClient]))).toThrow("no such proxy");
    expect(it.telemetry.collector.store.report().sources).toBe(0);
  });
});

describe("a pod that goes", () => {
  test("its last report counts for a while; then its totals end, and its samples stay", () => {
    using it = telemetryWorld();
    const report = (value: number) => it.telemetry.take(web.id, "metrics", metricBytes(value, it.world.nowMs, [atClient]));
    const exported = () => it.telemetry.collector.families({ source: web.id }).flatMap(({ samples }) => samples);
    it.world.nowMs += 1000;
    report(3);
    it.world.proxies = new Map([[orders.id, orders]]);
    it.world.nowMs += 1000;
    report(5);
    expect(exported()).toMatchObject([{ value: 5 }]);
    it.world.nowMs += 20_000;
    it.telemetry.take(orders.id, "metrics", metricBytes(1, it.world.nowMs, [atServer]));
    expect(() => report(9)).toThrow("no such proxy");
    expect(exported()).toEqual([]);
    expect(it.sum("istio_requests_total", ["reporter"]).map(({ sum }) => sum)).toEqual([1, 5]);
  });

  test("its connections are over", () => {
    using it = telemetryWorld();
    it.telemetry.take(web.id, "logs", connectionBytes(5, connectionLogTypes.connected, { traffic: "source;tcp" }));
    expect([...it.telemetry.openConnections()]).toMatchObject([{ source: web.id, labels: { source_workload: "web-v1" } }]);
    it.world.proxies = new Map();
    it.telemetry.reporting(1000);
    it.world.nowMs += 20_000;
    it.telemetry.reporting(1000);
    expect([...it.telemetry.openConnections()]).toEqual([]);
  });
});

test("connections are in the totals at once, in the samples with the next flush", () => {
  using it = telemetryWorld();
  const tcp = { traffic: "source;tcp" };
  const received = () => it.telemetry.collector.families().find(({ name }) => name === "istio_tcp_received_bytes_total")?.samples;
  it.telemetry.take(web.id, "logs", connectionBytes(5, connectionLogTypes.connected, tcp));
  it.telemetry.take(web.id, "logs", connectionBytes(12, connectionLogTypes.periodic, tcp));
  expect(received()).toMatchObject([{ value: 12 }]);
  expect(it.sum("istio_tcp_received_bytes_total")).toEqual([]);
  it.world.nowMs += 1000;
  it.telemetry.take(web.id, "metrics", metricBytes(1, it.world.nowMs, [atClient]));
  expect(it.sum("istio_tcp_received_bytes_total")).toMatchObject([{ sum: 12 }]);
});

test("that a connection was refused says only the proxy of the pod it was to", () => {
  using it = telemetryWorld();
  const wire = `${web.address}:41000 ${orders.address}:8082`;
  const refused = { traffic: "destination;tcp", [connectionAttributes.flags]: "UF,URX", [connectionAttributes.wireIn]: wire };
  const own = { traffic: "source;tcp", [connectionAttributes.wireOut]: wire };
  const failedAfter = (sender: MeshProxy, number: string) => {
    const connection = { [connectionAttributes.connection]: number };
    it.telemetry.take(sender.id, "logs", connectionBytes(0, connectionLogTypes.end, { ...refused, connection: `1${number}` }));
    it.telemetry.take(web.id, "logs", connectionBytes(0, connectionLogTypes.connected, { ...own, ...connection }));
    it.telemetry.take(web.id, "logs", connectionBytes(0, connectionLogTypes.end, { ...own, ...connection }));
    for (let seconds = 0; seconds < 4; seconds += 1) {
      it.world.nowMs += 1000;
      it.telemetry.take(web.id, "metrics", metricBytes(1, it.world.nowMs, [atClient]));
    }
    return ["tried", "failed"].map((what) => it.sum(`lateen_connections_${what}_total`)[0]?.sum ?? 0);
  };
  expect(failedAfter(web, "1")).toEqual([1, 0]);
  expect(failedAfter(orders, "2")).toEqual([2, 1]);
});

test("a process after a kill goes on with what logs said", () => {
  const keptPath = join(home, "connections.json");
  const tcp = { traffic: "source;tcp" };
  const total = (telemetry: MeshTelemetry) =>
    telemetry.collector.families().flatMap(({ name, samples }) => samples.map(({ value }) => [name.replace("istio_tcp_", ""), value]));
  {
    using it = telemetryWorld({ keptPath });
    it.telemetry.take(web.id, "logs", connectionBytes(12, connectionLogTypes.connected, tcp));
    it.telemetry.take(orders.id, "logs", connectionBytes(3, connectionLogTypes.end, tcp));
  }
  using it = telemetryWorld({ keptPath });
  it.world.proxies = new Map([[web.id, web]]);
  it.world.nowMs += 5000;
  it.telemetry.take(web.id, "logs", connectionBytes(20, connectionLogTypes.end, tcp));
  // The other pod went while nobody watched.
  expect(total(it.telemetry)).toEqual([
    ["connections_closed_total", 1],
    ["connections_opened_total", 1],
    ["received_bytes_total", 20],
  ]);
});

describe("bytes that nobody should send", () => {
  const codeOf = (action: () => void): string => {
    try {
      action();
      return "taken";
    } catch (error) {
      return error instanceof MeshError ? error.code : `thrown: ${String(error)}`;
    }
  };

  test("are taken or refused, and never more", () => {
    using it = telemetryWorld();
    const good = metricBytes(3, startMs, [atClient]);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.record({ at: fc.nat(good.length - 1), byte: fc.nat(255), length: fc.nat(good.length) }).map(({ at, byte, length }) => {
        const cut = good.slice(0, length);
        if (at < length) cut[at] = byte;
        return cut;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom("metrics", "logs"), (sent, signal) => {
        it.world.nowMs += 1000;
        expect(["taken", "bad_request"]).toContain(codeOf(() => it.telemetry.take(web.id, signal, sent)));
      }),
      { seed: 5, numRuns: 1000 },
    );
    expect(it.telemetry.findings().map(({ code, resource }) => [code, resource])).toEqual([["LTN0907", "Pod shop/web-1"]]);
  });

  test("endless labels, names and series are left out, the others count", () => {
    using it = telemetryWorld();
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`label${index}`, "x"]));
    const long = { ...atClient, service: "x".repeat(100_000) };
    it.telemetry.take(web.id, "metrics", metricBytes(3, startMs, [wide, long, atClient]));
    expect(it.sum("istio_requests_total")).toMatchObject([{ sum: 3 }]);
    expect(it.telemetry.collector.store.report().series).toBe(1);
  });

  test("one that sends too much is refused, the others aren't", () => {
    using it = telemetryWorld();
    const junk = new Uint8Array(3_000_000);
    const codes = Array.from({ length: 10 }, () => codeOf(() => it.telemetry.take(web.id, "metrics", junk)));
    expect(codes.slice(-5)).toEqual(Array.from({ length: 5 }, () => "unavailable"));
    expect(codeOf(() => it.telemetry.take(web.id, "metrics", new Uint8Array(5_000_000)))).toBe("unavailable");
    it.telemetry.take(orders.id, "metrics", metricBytes(1, startMs, [atServer]));
    it.world.nowMs += 60_000;
    it.telemetry.take(web.id, "metrics", metricBytes(1, startMs, [atClient]));
    const refused = it.telemetry.families().find(({ name }) => name === "lateen_telemetry_reports_refused_total");
    expect(refused?.samples.find(({ labels }) => labels[0]?.[1] === "metrics")?.value).toBeGreaterThan(5);
  });
});

describe("limits are told", () => {
  test("connections that releases can't judge for want of room", () => {
    using it = telemetryWorld();
    const dropped = () =>
      it.telemetry.families().find(({ name }) => name === "lateen_telemetry_connection_trials_dropped_total")?.samples[0]?.value;
    expect([dropped(), it.telemetry.findings()]).toEqual([0, []]);
    const refused = Array.from({ length: 5003 }, (_, port) => ({
      traffic: "destination;tcp",
      [connectionAttributes.flags]: "UF,URX",
      [connectionAttributes.wireIn]: `198.18.0.77:${port} ${orders.address}:8082`,
    }));
    it.telemetry.take(orders.id, "logs", connectionBytes(0, connectionLogTypes.end, ...refused));
    expect(dropped()).toBe(3);
    expect(it.telemetry.findings()).toMatchObject([{ code: "LTN0905", message: expect.stringMatching(/^releases don't judge some TCP/) }]);
  });

  const many = (count: number) => Array.from({ length: count }, (_, index) => ({ ...atClient, service: `host${index};;;80` }));

  test("a proxy at its stats scope's, and series that the samples have no room for", () => {
    using it = telemetryWorld({ statsLimits: { counters: 2100, histograms: 10 }, samples: { maxSeries: 2000 } });
    it.telemetry.take(web.id, "metrics", metricBytes(1, startMs, many(2099)));
    const codes = () => it.telemetry.findings().map(({ code, resource }) => `${code} ${resource}`);
    expect(codes()).toEqual(["LTN0905 Pod shop/web-1"]);
    it.world.nowMs += 1000;
    it.telemetry.take(web.id, "metrics", metricBytes(2, it.world.nowMs, many(2100)));
    expect(codes()).toEqual(["LTN0904 Pod shop/web-1", "LTN0905 Pod shop/web-1"]);
    const gauge = it.telemetry.families().find(({ name }) => name === "lateen_telemetry_proxies_at_limit");
    expect(gauge?.samples).toEqual([{ name: "lateen_telemetry_proxies_at_limit", labels: [], value: 1 }]);
    expect(it.telemetry.findings()[0]?.message).toContain("2100 counters, the limit is 2100");
  });
});

test("numbers of a pod are refused with what to ask instead, and aren't nothing", () => {
  using it = telemetryWorld();
  const query = { by: "service", reporter: "client", windowMs: 10_000 } as const;
  expect(meshStat(it.telemetry, { ...query, from: "deploy/web" }).rows).toEqual([]);
  expect(() => meshStat(it.telemetry, { ...query, from: "pod/web-1" })).toThrow(/aren't counted by pod/);
});
