// Random histories against the simulated Envoy: configurations, slow answers, NACKs, lost streams, control-plane restarts.

import fc from "fast-check";
import { expect, test } from "vitest";
import { type ConfigDraw, configOf } from "../../test/harness/simulated-config.ts";
import { SimulatedEnvoy } from "../../test/harness/simulated-envoy.ts";
import type { ProxyConfig, ResourceType } from "../envoy/config.ts";
import { connected, received } from "./proxy-events.ts";
import { initialState, type ProxyState } from "./proxy-state.ts";
import { isAcknowledged, progressOf } from "./proxy-status.ts";
import { type PlannedResponse, plan } from "./push-plan.ts";

type Step =
  | { readonly op: "desire"; readonly draw: ConfigDraw }
  | { readonly op: "deliver" | "answer" | "reconnect" | "restart" | "drain" }
  | { readonly op: "time"; readonly ms: number };

class World {
  state: ProxyState = initialState;
  config: ProxyConfig;
  now = 0;
  wakeAt: number | undefined;
  inFlight: PlannedResponse[] = [];
  readonly envoy: SimulatedEnvoy;

  constructor(config: ProxyConfig, namesCulprit: () => boolean) {
    this.config = config;
    this.envoy = new SimulatedEnvoy(namesCulprit);
    this.envoy.connect();
  }

  take(step: Step): void {
    if (step.op === "desire") this.config = configOf(step.draw);
    if (step.op === "deliver") this.#deliver();
    if (step.op === "answer") this.#answer();
    if (step.op === "time") this.#pass(step.ms);
    if (step.op === "drain") this.envoy.endDrain();
    if (step.op === "reconnect" || step.op === "restart") {
      this.inFlight = [];
      this.state = connected(step.op === "restart" ? undefined : this.state);
      this.envoy.connect();
    }
    this.#send();
    this.#check();
  }

  settle(): void {
    for (let round = 0; round < 2000; round += 1) {
      if (this.inFlight.length > 0) this.take({ op: "deliver" });
      else if (this.envoy.requests.length > 0) this.take({ op: "answer" });
      else if (this.wakeAt !== undefined) this.take({ op: "time", ms: Math.max(1, this.wakeAt - this.now) });
      else if (this.envoy.draining.length > 0) this.take({ op: "drain" });
      else return;
    }
    throw new Error("does not come to rest");
  }

  #deliver(): void {
    const response = this.inFlight.shift();
    if (response !== undefined) this.envoy.receive(response);
  }

  #pass(ms: number): void {
    while (this.envoy.reports > 0) this.take({ op: "answer" });
    this.now += ms;
  }

  #answer(): void {
    this.envoy.reports -= 1;
    const request = this.envoy.requests.shift();
    if (request !== undefined) this.state = received(this.state, request, this.config);
  }

  #send(): void {
    const before = this.state;
    const next = plan(before, this.config, this.now);
    for (const { type, resources } of next.responses) {
      expect(before.types[type].outstanding, `second outstanding ${type} response`).toBeUndefined();
      const { accepted, possible } = before.types[type];
      const { due } = next.state.types[type];
      const unchanged = resources.filter(
        ({ name, version }) => accepted.get(name)?.version === version && !due.has(name) && !possible.has(name),
      );
      expect(
        unchanged.map(({ name }) => `${type} ${name}`),
        "sent although unchanged",
      ).toEqual([]);
    }
    this.state = next.state;
    this.wakeAt = next.wakeAt;
    this.inFlight.push(...next.responses);
    expect(plan(this.state, this.config, this.now).responses, "planning twice sends twice").toEqual([]);
  }

  #check(): void {
    const unusable = [...this.envoy.named()].filter(({ cluster }) => this.envoy.clusters.get(cluster)?.active === undefined);
    expect(unusable, "named but not usable").toEqual([]);
  }
}

const clusterNames = ["c0", "c1", "c2", "c3", "c4"];
const version = fc.nat(2);
const clusterSubset = fc.uniqueArray(fc.constantFrom(...clusterNames), { maxLength: 2 });
const tableNames = ["r0", "r1"];
/** Which secrets a cluster needs in each of its versions. */
const secretsOfVersion: readonly (readonly string[])[] = [["default"], ["default", "credential"], []];

function draws(badness: number): fc.Arbitrary<ConfigDraw> {
  const bad = fc.nat(99).map((n) => n < badness);
  const hosts = fc.uniqueArray(
    fc.record({
      table: fc.constantFrom(...tableNames),
      name: fc.constantFrom("h0", "h1", "h2", "m0", "m1"),
      domain: fc.constantFrom("d0", "d1"),
      version,
      clusters: clusterSubset,
      routes: fc.constant([]),
      bad,
    }),
    { maxLength: 8, selector: ({ table, name }) => `${table} ${name}` },
  );
  const listeners = fc.uniqueArray(
    fc.record({
      name: fc.constantFrom("l0", "l1", "l2"),
      version,
      clusters: clusterSubset,
      routes: fc.uniqueArray(fc.constantFrom(...tableNames), { maxLength: 2 }),
      bad,
    }),
    { maxLength: 3, selector: ({ name }) => name },
  );
  return fc
    .record({
      clusters: fc.uniqueArray(
        fc
          .record({ name: fc.constantFrom(...clusterNames), version, bad })
          .map((cluster) => ({ ...cluster, secrets: secretsOfVersion[cluster.version] ?? [] })),
        { selector: ({ name }) => name },
      ),
      endpointVersion: version,
      secretVersion: version,
      listeners,
      hosts: hosts.map(withOwnDomains),
      weights: fc.constantFrom(
        new Map(),
        new Map([
          ["w.1.a", 4000],
          ["w.1.b", 6000],
        ]),
        new Map([
          ["w.1.a", 10_000],
          ["w.1.b", 0],
        ]),
      ),
      removalGrace: fc.constantFrom(0, 500),
    })
    .map((draw) => (badness > 0 ? draw : withoutMissingClusters(draw)));
}

function withoutMissingClusters(draw: ConfigDraw): ConfigDraw {
  const names = new Set(draw.clusters.map(({ name }) => name));
  const existing = <T extends { readonly clusters: readonly string[] }>(each: T): T => ({
    ...each,
    clusters: each.clusters.filter((name) => names.has(name)),
  });
  return { ...draw, listeners: draw.listeners.map(existing), hosts: draw.hosts.map(existing) };
}

/** "h…" keep a domain of their own; "m…" may take each other's, but never both the same. */
function withOwnDomains(hosts: ConfigDraw["hosts"]): ConfigDraw["hosts"] {
  const taken = new Set<string>();
  return hosts.flatMap((host) => {
    const domain = host.name.startsWith("h") ? host.name : host.domain;
    if (taken.has(`${host.table} ${domain}`)) return [];
    taken.add(`${host.table} ${domain}`);
    return { ...host, domain };
  });
}

function histories(badness: number): fc.Arbitrary<readonly Step[]> {
  const op = (name: "deliver" | "answer" | "reconnect" | "restart" | "drain") => fc.constant<Step>({ op: name });
  const desire = draws(badness).map((draw): Step => ({ op: "desire", draw }));
  const time = fc.constantFrom(1, 50, 150, 700, 3000).map((ms): Step => ({ op: "time", ms }));
  const step = fc.oneof(
    { weight: 12, arbitrary: op("deliver") },
    { weight: 12, arbitrary: op("answer") },
    { weight: 4, arbitrary: desire },
    { weight: 3, arbitrary: time },
    { weight: 1, arbitrary: op("drain") },
    { weight: 1, arbitrary: op("reconnect") },
    // A proxy that took half of a refused response does not say so to a server that forgot it: nobody could know.
    { weight: badness === 0 ? 1 : 0, arbitrary: op("restart") },
  );
  return fc.array(step, { maxLength: 120, size: "max" });
}

function play(first: ConfigDraw, history: readonly Step[], namesCulprit: boolean): World {
  const world = new World(configOf(first), () => namesCulprit);
  for (const step of history) world.take(step);
  world.settle();
  return world;
}

/** What is in force, in the words of the draw. */
function inForce({ envoy }: World): unknown {
  const lines = (all: Iterable<{ readonly name: string; readonly version: number } | undefined>) =>
    [...all].map((line) => `${line?.name}@${line?.version}`).sort();
  return {
    clusters: lines([...envoy.clusters.values()].map(({ active }) => active)),
    listeners: lines(envoy.listeners.values()),
    tables: Object.fromEntries([...envoy.tables].map(([name, table]) => [name, lines(table)]).sort()),
  };
}

function desired({ config }: World): unknown {
  const fresh = new World(config, () => true);
  fresh.settle();
  return inForce(fresh);
}

test("no route ever names a cluster that is not usable, and the proxy comes to hold exactly what is desired", () => {
  fc.assert(
    fc.property(draws(0), histories(0), (first, history) => {
      const world = play(first, history, true);
      expect(inForce(world)).toEqual(desired(world));
      expect(isAcknowledged(world.state, world.config), JSON.stringify(progressOf(world.state, world.config))).toBe(true);
    }),
    { seed: 1, numRuns: 1500 },
  );
});

test("what the proxy refuses keeps its last good content and holds nothing else back", () => {
  fc.assert(
    fc.property(draws(10), histories(10), fc.boolean(), (first, history, namesCulprit) => {
      const world = play(first, history, namesCulprit);
      expectGoodInForce(world);
    }),
    { seed: 2, numRuns: 1500 },
  );
});

/** Every good resource whose references are good is in force; every refused one is reported. */
function expectGoodInForce({ config, envoy, state }: World): void {
  const usable = new Set([...config.clusters.keys()].filter((name) => envoy.clusters.get(name)?.active !== undefined));
  const reported = new Set(
    (["cds", "lds", "rds"] as const satisfies ResourceType[]).flatMap((type) =>
      [...state.types[type].rejected.values()].map(({ version }) => version),
    ),
  );
  for (const resource of config.clusters.values()) {
    const isBad = isRefused(resource.bytes);
    if (isBad) expect(reported).toContain(resource.version);
    else expect(envoy.clusters.get(resource.name)?.active?.version, resource.name).toBe(firstLine(resource.bytes).version);
  }
  for (const resource of config.listeners.values()) {
    const isReady = resource.references.every(({ type, name }) => type !== "cds" || usable.has(name));
    if (isReady && !isRefused(resource.bytes)) expect(envoy.listeners.get(resource.name)?.version).toBe(firstLine(resource.bytes).version);
  }
  for (const [name, table] of envoy.tables) {
    for (const part of config.routes.get(name)?.composite?.parts ?? []) {
      const isReady = part.references.every(({ name: cluster }) => usable.has(cluster));
      if (!isReady || isRefused(part.bytes) || part.name.startsWith("m")) continue;
      expect(table.find((line) => line.name === part.name)?.version, `${name}/${part.name}`).toBe(firstLine(part.bytes).version);
    }
  }
}

function firstLine(bytes: Uint8Array): { readonly version: number; readonly bad: boolean } {
  return JSON.parse(new TextDecoder().decode(bytes).split("\n")[0] ?? "");
}

function isRefused(bytes: Uint8Array): boolean {
  return firstLine(bytes).bad;
}
