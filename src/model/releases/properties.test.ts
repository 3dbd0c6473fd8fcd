// What holds for any routes under any releases, and what a release may cost: moves touch no route, and a mesh without releases pays nothing.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import { audience, clientYaml, releasedWorld, releaseOf, serviceYaml, tableOf } from "../../../test/harness/release-world.ts";
import { startRouteEnvoy } from "../../../test/harness/route-envoy.ts";
import { istioYaml } from "../../../test/harness/traffic-yaml.ts";
import { resourcesOf, snapshotOf, withEndpoints } from "../../../test/harness/world.ts";
import type { SimulatedOutcome, SimulatedRequest } from "../../envoy/simulate.ts";
import { simulate } from "../../envoy/simulate.ts";
import { createTranslator } from "../../translate/proxy-config.ts";
import { defaultMeshSettings, type Mesh } from "../mesh.ts";
import { createModel } from "../mesh-of.ts";
import type { ReleaseRoute } from "./release-route.ts";

const names = ["a", "b", "c"] as const;
const services = names.map((name) => serviceYaml(name, ["v1", "v2", "v3"]));
const subsets = names.map((name) =>
  istioYaml("DestinationRule", `shop/${name}`, {
    host: name,
    subsets: [
      { name: "one", labels: { version: "v1" } },
      { name: "v2", labels: { version: "v2" } },
      { name: "three", labels: { version: "v3" } },
    ],
  }),
);

const destination = fc.record({
  destination: fc.record({ host: fc.constantFrom(...names), subset: fc.constantFrom("one", "v2", "three") }, { requiredKeys: ["host"] }),
  weight: fc.nat(100),
});
const condition = fc.oneof(
  fc.constantFrom("/", "/x", "/x/y").map((prefix) => ({ uri: { prefix } })),
  fc.constantFrom("1", "2").map((exact) => ({ headers: { "x-h": { exact } } })),
);
const action = fc.oneof(
  { weight: 5, arbitrary: fc.array(destination, { minLength: 1, maxLength: 3 }).map((route) => ({ route })) },
  { weight: 1, arbitrary: fc.constant({ redirect: { uri: "/r" } }) },
);
const rule = fc.tuple(fc.array(condition, { maxLength: 2 }), action).map(([match, does]) => ({ match, ...does }));
const routes = fc.array(rule, { minLength: 1, maxLength: 4 });
const who = fc.constantFrom(
  { headers: { "x-beta": { exact: "yes" } } },
  { cookies: { ring: { exact: "staff" } } },
  { sourceLabels: { app: "client" }, headers: { "x-h": { exact: "1" } } },
);
const release = (service: string) =>
  fc
    .record({ share: fc.nat(10_000), matches: fc.array(who, { maxLength: 2 }), sticky: fc.boolean(), mirrors: fc.boolean() })
    .map(({ share, matches, sticky, mirrors }) =>
      releaseOf(service, share, {
        matches: matches.map((conditions) => ({ audience: audience(conditions), arm: 1 })),
        ...(sticky ? { sticky: { cookie: "who" } } : {}),
        ...(mirrors ? { mirror: { arm: 1, percent: 10 } } : {}),
      }),
    );
const releases = fc.tuple(fc.option(release("a")), fc.option(release("b"))).map((list) => list.filter((each) => each !== null));
const request = fc.record({
  path: fc.constantFrom("/", "/x", "/x/y", "/z"),
  headers: fc
    .record(
      { "x-h": fc.constantFrom("1", "2"), "x-beta": fc.constant("yes"), cookie: fc.constantFrom("ring=staff", "who=ann; ring=none") },
      { requiredKeys: [] },
    )
    .map((headers): Readonly<Record<string, string>> => ({ ...headers })),
});

const serviceOf = (cluster: string) => cluster.split("|").at(-1)?.split(".")[0] ?? "";

/** Share of each service, and of clusters that no release concerns; out of 10,000. */
function sharesOf(outcome: SimulatedOutcome | undefined, released: ReadonlySet<string>): unknown {
  if (outcome?.kind !== "forward") return outcome;
  const total = outcome.clusters.reduce((sum, { weight }) => sum + weight, 0);
  const shares = new Map<string, number>();
  for (const { name, weight } of outcome.clusters) {
    const key = released.has(serviceOf(name)) ? serviceOf(name) : name;
    shares.set(key, (shares.get(key) ?? 0) + (10_000 * weight) / total);
  }
  return [...shares].filter(([, share]) => share > 0).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function ask(table: RouteConfigurationJson, asked: Omit<SimulatedRequest, "host">, host: string): SimulatedOutcome | undefined {
  return simulate(table, { host, ...asked })?.outcome;
}

test("own shares stay, sums are whole, what no release concerns is routed as ever, and nothing of the user's is written", () => {
  fc.assert(
    fc.property(routes, releases, fc.array(request, { minLength: 1, maxLength: 6 }), (http, laid, requests) => {
      const texts = [...services, ...subsets, istioYaml("VirtualService", "shop/a", { hosts: ["a"], http })];
      const model = createModel();
      const snapshot = snapshotOf(withEndpoints(resourcesOf([clientYaml, ...texts].join("---\n"))));
      const before = JSON.stringify([...snapshot.list("VirtualService"), ...snapshot.list("DestinationRule"), ...snapshot.list("Service")]);
      const released = new Set(laid.map(({ service }) => service));
      const [plain, divided] = [[], laid].map((list: readonly ReleaseRoute[]) => {
        const mesh = model.meshOf(snapshot, { settings: defaultMeshSettings, resolved: new Map(), settled: new Map(), releases: list });
        for (const { weights } of mesh.splits.values()) expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(10_000);
        return tableOf({ mesh, proxy: () => unused() });
      });
      if (plain === undefined || divided === undefined) throw new Error("no table");
      for (const host of divided.virtualHosts ?? []) {
        for (const { route } of host.routes ?? []) {
          const weights = route?.weightedClusters?.clusters?.map(({ weight }) => weight ?? 0) ?? [10_000];
          expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(10_000);
        }
      }
      for (const asked of requests) {
        for (const host of names) {
          const ever = ask(plain, asked, host);
          const now = ask(divided, asked, host);
          const concerned = ever?.kind === "forward" && ever.clusters.some(({ name }) => released.has(serviceOf(name)));
          if (!concerned) expect(now).toEqual(ever);
          else roughly(sharesOf(now, released), sharesOf(ever, released));
        }
      }
      expect(JSON.stringify([...snapshot.list("VirtualService"), ...snapshot.list("DestinationRule"), ...snapshot.list("Service")])).toBe(
        before,
      );
    }),
    { seed: 20_261_121, numRuns: 60 },
  );
});

function unused(): never {
  throw new Error("not asked for");
}

/** Whole numbers may differ by one for each member. */
function roughly(now: unknown, ever: unknown): void {
  const round = (value: unknown) => JSON.stringify(value, (_, part: unknown) => (typeof part === "number" ? Math.round(part / 50) : part));
  if (round(now) === round(ever)) return;
  const numbers = (value: unknown) =>
    JSON.stringify(value)
      .match(/[\d.]+(?=\])/g)
      ?.map(Number) ?? [];
  const [a, b] = [numbers(now), numbers(ever)];
  expect(JSON.stringify(now).replaceAll(/[\d.]+(?=\])/g, "n")).toBe(JSON.stringify(ever).replaceAll(/[\d.]+(?=\])/g, "n"));
  expect(a.every((value, index) => Math.abs(value - (b[index] ?? 0)) <= 4)).toBe(true);
}

test("a real Envoy takes such routes", async () => {
  const everything: Partial<ReleaseRoute> = {
    sticky: { cookie: "a.b" },
    mirror: { arm: 1, percent: 0.5 },
    preview: { host: "preview-a", arm: 1 },
    matches: [
      { audience: audience({ cookies: { ring: { exact: "staff" } }, claims: { g: { exact: "x" } }, userAgent: { regex: "M.*" } }), arm: 1 },
    ],
  };
  const world = releasedWorld(
    [...services, ...subsets],
    [releaseOf("a", 10, everything), releaseOf("b", 10, { sticky: { header: "X-User" } })],
  );
  await using envoy = await startRouteEnvoy(tableOf(world), []);
  expect((await envoy.send({ host: "a" })).status).toBe(503);
});

test("moves touch no route, and a mesh without releases stays the same objects", () => {
  const model = createModel();
  const translate = createTranslator();
  const texts = [...services, istioYaml("VirtualService", "shop/a", { hosts: ["a"], http: [{ route: [{ destination: { host: "a" } }] }] })];
  const snapshot = snapshotOf(withEndpoints(resourcesOf([clientYaml, ...texts].join("---\n"))));
  let settled: Mesh["settled"] = new Map();
  const at = (releases?: readonly ReleaseRoute[]) => {
    const mesh = model.meshOf(snapshot, {
      settings: defaultMeshSettings,
      resolved: new Map(),
      settled,
      ...(releases === undefined ? {} : { releases }),
    });
    settled = mesh.settled;
    const proxy = mesh.proxies.get("client.shop");
    if (proxy === undefined) throw new Error("no client");
    return { mesh, config: translate(mesh, proxy) };
  };
  const [none, empty] = [at(), at([])];
  expect(empty.mesh.scopes).toBe(none.mesh.scopes);
  expect(empty.config).toBe(none.config);
  const steps = [0, 10, 500, 10_000].map((share) => at([releaseOf("a", share, { sticky: { cookie: "who" } }), releaseOf("b", 5)]));
  const [first, second, ...others] = steps;
  for (const { config } of steps) {
    const { routes: now, clusters, endpoints, listeners } = config;
    expect([...now.values()].map(({ version }) => version)).toEqual(
      [...(first?.config.routes.values() ?? [])].map(({ version }) => version),
    );
    expect(clusters).toBe(first?.config.clusters);
    expect(endpoints).toBe(first?.config.endpoints);
    expect(listeners).toBe(first?.config.listeners);
  }
  // The first move marks its splits as moving; from then on everything is the same object.
  for (const { mesh, config } of others) {
    expect(mesh.scopes).toBe(second?.mesh.scopes);
    expect(config.routes).toBe(second?.config.routes);
  }
  expect([...(steps.at(-1)?.config.runtime ?? [])].filter(([key]) => key.startsWith("w.")).map(([, value]) => value)).toEqual([0, 10_000]);
  // One release's structure leaves the routes of others the same bytes.
  const chosen = at([
    releaseOf("a", 10_000, { sticky: { cookie: "who" }, matches: [{ audience: audience({ headers: { x: {} } }), arm: 1 }] }),
    releaseOf("b", 5),
  ]);
  const parts = (config: typeof none.config) => config.routes.get("80")?.composite?.parts ?? [];
  const same = parts(chosen.config).filter((part) => parts(steps[0]?.config ?? none.config).includes(part));
  expect(same.length).toBe(parts(chosen.config).length - 1);
});
