// Measured shares of 10,000 requests against the configured weights: one hop, two hops, through the gateway; and weights of many kinds.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { flagged } from "../harness/access-log.ts";
import { binomialBounds } from "../harness/binomial.ts";
import { appYaml, type LoadSummary, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { istioYaml, routesYaml, shares, subsetsYaml, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;
const load = { count: 10_000, concurrency: 24, mixPost: true, freshShare: 0.05 };

beforeAll(async () => {
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1", "v2"]),
    appYaml("inner", ["v1", "v2"]),
    subsetsYaml("server"),
    subsetsYaml("inner"),
    // The mesh's retries are off: nothing covers up a failure.
    routesYaml("server", [{ ...shares("server", { v1: 90, v2: 10 }), retries: { attempts: 0 } }]),
    routesYaml("inner", [{ ...shares("inner", { v1: 70, v2: 30 }), retries: { attempts: 0 } }]),
    istioYaml("Gateway", "edge", {
      selector: { istio: "ingressgateway" },
      servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["edge.test"] }],
    }),
    istioYaml("VirtualService", "edge", {
      hosts: ["edge.test"],
      gateways: ["edge"],
      http: [{ ...shares("server", { v1: 99, v2: 1 }), retries: { attempts: 0 } }],
    }),
    serviceYaml("moving", { app: "server" }),
    subsetsYaml("moving"),
  );
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

/** Requests that a version served, the inner one counted when it is named "v1>v2" by its second half. */
function countOf(byVersion: LoadSummary["byVersion"], is: (version: string) => boolean): number {
  return Object.entries(byVersion).reduce((sum, [version, count]) => (is(version) ? sum + count : sum), 0);
}

function expectShare(count: number, trials: number, share: number): void {
  const { min, max } = binomialBounds(trials, share);
  expect(count).toBeGreaterThanOrEqual(min);
  expect(count).toBeLessThanOrEqual(max);
}

describe("10,000 requests", () => {
  it("at 90/10, and 70/30 one hop further", async () => {
    const { byStatus, byVersion } = await mesh.load("client", "http://server/?forward=http://inner/", load);
    expect(byStatus).toEqual({ 200: 10_000 });
    expect(countOf(byVersion, (version) => version.endsWith(">"))).toBe(0);
    expectShare(
      countOf(byVersion, (version) => version.startsWith("v2>")),
      10_000,
      0.1,
    );
    expectShare(
      countOf(byVersion, (version) => version.endsWith(">v2")),
      10_000,
      0.3,
    );
  });

  it("at 99/1, through the gateway", async () => {
    const { byStatus, byVersion } = await mesh.gatewayLoad("/", { ...load, headers: { host: "edge.test" } });
    expect(byStatus).toEqual({ 200: 10_000 });
    expectShare(byVersion["v2"] ?? 0, 10_000, 0.01);
  });

  it("none of them with a response flag", () => {
    expect(flagged(mesh.accessLog())).toEqual([]);
  });
});

describe("weights", () => {
  it.each([
    [{ v1: 1, v2: 3 }, 0.75],
    [{ v1: 0, v2: 100 }, 1],
    [{ v1: 7 }, 0],
    [{ v1: 10_000, v2: 10_000 }, 0.5],
  ])("%o are relative", async (weights, share) => {
    await mesh.apply(routesYaml("moving", [shares("moving", weights)]));
    const { byStatus, byVersion } = await mesh.load("client", "http://moving/", { count: 1000, concurrency: 16 });
    expect(byStatus).toEqual({ 200: 1000 });
    expectShare(byVersion["v2"] ?? 0, 1000, share);
  });

  it("back and forth under load fail nothing", async () => {
    const running = mesh.load("client", "http://moving/", { ratePerSecond: 300, durationMs: 3000, mixPost: true, freshShare: 0.1 });
    for (const v1 of [100, 0, 50, 0, 100, 1, 99, 0, 100, 30]) {
      await mesh.apply(routesYaml("moving", [{ ...shares("moving", { v1, v2: 100 - v1 }), retries: { attempts: 0 } }]));
    }
    const { total, byStatus } = await running;
    expect(byStatus).toEqual({ 200: total });
    expect(flagged(mesh.accessLog())).toEqual([]);
  });
});
