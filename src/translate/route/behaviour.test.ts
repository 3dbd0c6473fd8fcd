// Runs the tables of behaviour-cases-*.ts against one real Envoy, and compares what it does with the simulation for every single request.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import type { RouteEnvoy, TestResponse } from "../../../test/harness/route-envoy.ts";
import { startRouteEnvoy } from "../../../test/harness/route-envoy.ts";
import { routeWorld } from "../../../test/harness/route-world.ts";
import { outboundClusterName } from "../../envoy/names.ts";
import type { SimulatedRequest } from "../../envoy/simulate.ts";
import { simulate } from "../../envoy/simulate.ts";
import { runtimeKeys } from "../../model/weights.ts";
import type { Case, Step } from "./behaviour-case.ts";
import { changeCases } from "./behaviour-cases-change.ts";
import { failureCases } from "./behaviour-cases-failure.ts";
import { matchCases } from "./behaviour-cases-match.ts";
import { clustersOf } from "./clusters-of.ts";
import { routeConfiguration } from "./route-configuration.ts";
import { defaultRouteSettings } from "./settings.ts";

const behaviourCases: readonly Case[] = [...matchCases, ...changeCases, ...failureCases];

const virtualService = (name: string, http: readonly object[], hosts = [`${name}.test`]): string =>
  stringify(
    { apiVersion: "networking.istio.io/v1", kind: "VirtualService", metadata: { name }, spec: { hosts, http } },
    { aliasDuplicateObjects: false },
  );

const weighted = (shares: Readonly<Record<string, number>>): object => ({
  route: Object.entries(shares).map(([host, weight]) => ({ destination: { host }, weight })),
});

/** How many requests the statistical tests send. */
const drawn = 2000;
/** Half-widths of the interval that holds a binomial count with probability 1 − 10⁻⁶ (normal quantile 4.9, plus one for the step). */
const halfWidth = (share: number): number => 4.9 * Math.sqrt(drawn * share * (1 - share)) + 1;

const documents = [
  stringify({ kind: "Client", labels: { app: "tester" }, services: ["plain.default.svc.cluster.local", "far.other.svc.cluster.local"] }),
  ...behaviourCases.map(({ name, http }) => virtualService(name, http)),
  virtualService("split", [weighted({ a: 90, b: 10 })]),
  virtualService("moving", [weighted({ a: 1, b: 0 })]),
  virtualService("relative", [weighted({ a: 1, b: 1, c: 1 })]),
  virtualService("fault-part", [{ ...weighted({ a: 1 }), fault: { abort: { httpStatus: 418, percentage: { value: 12.5 } } } }]),
  virtualService("mirror-part", [{ ...weighted({ a: 1 }), mirror: { host: "b" }, mirrorPercentage: { value: 20 } }]),
  virtualService("wild", [weighted({ a: 1 })], ["*.wild.test"]),
  virtualService("wilder", [weighted({ b: 1 })], ["*.deep.wild.test"]),
];
const world = routeWorld(documents.join("---\n"));
const secure = { name: "secure.test:80", port: 80, hosts: ["secure.test"], rules: [], httpsRedirect: true };
const table = { ...world.table, hosts: [...world.table.hosts, secure] };
const routes = routeConfiguration(table, world.client, defaultRouteSettings);

const dead = outboundClusterName(80, "", "dead.default.svc.cluster.local");

/** "a:8080/v1" → its cluster. */
function clusterOf(destination: string): string {
  const [, host = "", port = "80", subset = ""] = /^([^:/]+)(?::(\d+))?(?:\/(.+))?$/.exec(destination) ?? [];
  return outboundClusterName(Number(port), subset, host.includes(".") ? host : `${host}.default.svc.cluster.local`);
}

/** The same routes, each of which says in a response header which one it is. */
function labelled(configuration: RouteConfigurationJson): RouteConfigurationJson {
  return {
    ...configuration,
    virtualHosts: (configuration.virtualHosts ?? []).map((host) => ({
      ...host,
      routes: (host.routes ?? []).map((each, index) => ({
        ...each,
        responseHeadersToAdd: [...(each.responseHeadersToAdd ?? []), { header: { key: "x-taken", value: `${host.name}#${index}` } }],
      })),
    })),
  };
}

let envoy: RouteEnvoy;
let keys = 0;

beforeAll(async () => {
  const clusters = [...new Set((routes.virtualHosts ?? []).flatMap(clustersOf))];
  envoy = await startRouteEnvoy(labelled(routes), clusters, [dead]);
});
afterAll(() => envoy?.[Symbol.asyncDispose]());

/** Sends the request, and holds the simulation against what Envoy did. */
async function ask(request: SimulatedRequest): Promise<TestResponse> {
  const response = await envoy.send(request);
  const simulated = simulate(routes, request);
  const taken = simulated?.route === undefined ? undefined : `${simulated.virtualHost.name}#${simulated.index}`;
  // A preflight that the CORS filter answers never reaches the code that adds the route's headers.
  const answeredByCors = request.method === "OPTIONS" && response.upstream === undefined;
  if (!answeredByCors) expect(response.headers["x-taken"], "the route taken is the simulated one").toBe(taken);
  const outcome = simulated?.outcome;
  if (outcome === undefined) expect(response.status).toBe(404);
  if (outcome?.kind === "respond") expect(response.status).toBe(outcome.status);
  if (outcome?.kind === "redirect") expect([response.status, response.headers["location"]]).toEqual([outcome.status, outcome.location]);
  if (response.upstream !== undefined) {
    const possible = outcome?.kind === "forward" ? outcome.clusters.filter(({ weight }) => weight > 0).map(({ name }) => name) : [];
    expect(possible).toContain(response.upstream.server);
  }
  return response;
}

async function check(name: string, step: Step): Promise<void> {
  keys += 1;
  const key = `${name}-${keys}`;
  const arrived = (): string[] => envoy.received.filter(({ headers }) => headers["x-request-key"] === key).map(({ server }) => server);
  const headers = { "x-request-key": key, ...step.headers };
  const response = await ask({ host: step.host ?? `${name}.test`, path: step.ask ?? "/", method: step.method ?? "GET", headers });
  expect(response.status).toBe(step.status ?? 200);
  if (step.to === null) expect(response.upstream).toBeUndefined();
  if (typeof step.to === "string") expect(response.upstream?.server).toBe(clusterOf(step.to));
  if (step.path !== undefined) expect(response.upstream?.path).toBe(step.path);
  if (step.body !== undefined) expect(response.body).toBe(step.body);
  for (const [header, value] of Object.entries(step.seen ?? {})) expect(response.upstream?.headers[header] ?? null, header).toBe(value);
  for (const [header, value] of Object.entries(step.got ?? {})) expect(response.headers[header] ?? null, header).toBe(value);
  // A timer may fire a moment early by another process's clock.
  if (step.atLeastMs !== undefined) expect(response.milliseconds).toBeGreaterThan(step.atLeastMs * 0.95);
  if (step.arrivals !== undefined) await expect.poll(() => arrived().length, { timeout: 45_000 }).toBe(step.arrivals);
  for (const mirror of step.mirroredTo ?? []) {
    const copy = envoy.received.find((each) => each.headers["x-request-key"] === key && each.server === clusterOf(mirror));
    expect(copy?.headers["host"]).toBe(`${name}.test-shadow`);
  }
}

describe("on a real Envoy", () => {
  test.each(behaviourCases.map((each): [string, Case] => [each.name, each]))("%s", async (name, { steps }) => {
    for (const step of steps) await check(name, step);
  });

  /** Sends many requests, a few at a time, and counts what `classify` says. */
  async function draw(host: string, classify: (response: TestResponse) => string): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    let left = drawn;
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const kind = classify(await envoy.send({ host }));
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    return counts;
  }

  function expectShare(count: number | undefined, share: number): void {
    expect(Math.abs((count ?? 0) - drawn * share)).toBeLessThanOrEqual(halfWidth(share));
  }

  test("splits 90/10", async () => {
    const counts = await draw("split.test", ({ upstream }) => upstream?.server ?? "none");
    expect([...counts.keys()].sort()).toEqual([clusterOf("a"), clusterOf("b")]);
    expectShare(counts.get(clusterOf("b")), 0.1);
  });

  test("weights are relative", async () => {
    const counts = await draw("relative.test", ({ upstream }) => upstream?.server ?? "none");
    for (const service of ["a", "b", "c"]) expectShare(counts.get(clusterOf(service)), 1 / 3);
  });

  test("takes weights in motion from the runtime, all members of the split", async () => {
    const { split, targets } = world.table.hosts.find(({ name }) => name === "moving.test:80")?.rules[0] ?? {};
    const members = (targets ?? []).map(({ cluster }) => cluster);
    const prefix = split?.runtimeKeyPrefix ?? "";
    const settled = new Map([[prefix, { weights: split?.settledWeights ?? [], structure: "" }]]);
    const current = new Map([[prefix, { members, weights: [0, 10_000], structure: "" }]]);
    expect((await ask({ host: "moving.test", path: "/" })).upstream?.server).toBe(clusterOf("a"));
    for (const [key, weight] of runtimeKeys(settled, current)) {
      expect(await envoy.admin(`/runtime_modify?${new URLSearchParams({ [key]: String(weight) })}`, "POST")).toContain("OK");
    }
    expect((await envoy.send({ host: "moving.test" })).upstream?.server).toBe(clusterOf("b"));
  });

  test.each(["secure.test", "secure.test:80", "SECURE.test:8080"])("%s is redirected to https", async (host) => {
    expect((await ask({ host, path: "/x?y=1" })).status).toBe(301);
  });

  test("aborts a part", async () => {
    const counts = await draw("fault-part.test", ({ status }) => String(status));
    expectShare(counts.get("418"), 0.125);
    expectShare(counts.get("200"), 0.875);
  });

  test("mirrors a part", async () => {
    const copies = (): number => envoy.received.filter(({ headers }) => headers["host"] === "mirror-part.test-shadow").length;
    await draw("mirror-part.test", ({ status }) => String(status));
    await expect.poll(() => Math.abs(copies() - drawn * 0.2), { timeout: 45_000 }).toBeLessThanOrEqual(halfWidth(0.2));
  });

  test.each([
    ["plain.default.svc.cluster.local", "plain"],
    ["plain.default.svc", "plain"],
    ["plain.default", "plain"],
    ["plain", "plain"],
    ["PLAIN:8080", "plain"],
    ["far.other", "far.other.svc.cluster.local"],
    ["far.other.svc:80", "far.other.svc.cluster.local"],
    ["x.wild.test", "a"],
    ["x.y.wild.test:81", "a"],
    ["x.deep.wild.test", "b"],
    ["deep.wild.test", "a"],
  ])("%s is %s", async (host, service) => {
    const response = await ask({ host, path: "/" });
    expect(response.upstream?.server).toBe(clusterOf(service));
  });

  test.each(["far", "nowhere.test", "wild.test"])("%s is unknown", async (host) => {
    expect((await ask({ host, path: "/" })).status).toBe(404);
  });
});

test.each<["passthrough" | "blackhole", number, string | undefined]>([
  ["passthrough", 200, "PassthroughCluster"],
  ["blackhole", 502, undefined],
])("unknown hosts: %s", async (unknownHosts, status, server) => {
  const sidecar = routeConfiguration({ ...world.table, unknownHosts }, world.client, defaultRouteSettings);
  await using proxy = await startRouteEnvoy(sidecar, ["PassthroughCluster"]);
  const request = { host: "nowhere.example:8080", path: "/x" };
  const response = await proxy.send(request);
  expect([response.status, response.upstream?.server]).toEqual([status, server]);
  if (status === 502) {
    expect(response.body).toMatch(
      /^nowhere\.example:8080 is no host of the mesh, .*REGISTRY_ONLY: a ServiceEntry for this host would open it/,
    );
    expect(response.headers["content-type"]).toBe("text/plain");
  }
  expect(simulate(sidecar, request)?.virtualHost.name).toBe(unknownHosts === "passthrough" ? "allow_any" : "block_all");
});
