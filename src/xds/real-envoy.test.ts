// Histories replayed on a real Envoy under traffic: whatever the order of changes, no request may fail.

import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { AdsWorld, type TestCluster, type TestWorld } from "../../test/harness/ads-world.ts";
import { startEchoServer } from "../../test/harness/echo-server.ts";
import { adsBootstrap, type RunningEnvoy, startEnvoy, temporaryFolder } from "../../test/harness/envoy.ts";
import { eventually } from "../../test/harness/eventually.ts";
import { startSlowRelay } from "../../test/harness/slow-relay.ts";
import { AdsServer } from "./ads-server.ts";
import type { Desired } from "./proxy-session.ts";

const timeout = 60_000;
/** Each way between proxy and control plane; without it a wrong order is over before a request meets it. */
const relayDelayMs = 10;

interface Stage extends AsyncDisposable {
  readonly envoy: RunningEnvoy;
  readonly ports: readonly number[];
  readonly port: number;
  server(): AdsServer;
  desire(world: TestWorld): number;
  restartServer(world: TestWorld, whileDown: () => Promise<void>): Promise<number>;
  accessLog(): Promise<readonly string[]>;
}

async function stage(firstOf: (ports: readonly number[]) => TestWorld): Promise<Stage> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const socketPath = join(folder.path, "p.sock");
  const accessLog = join(folder.path, "access.log");
  const ports: number[] = [];
  for (const name of ["s0", "s1", "s2", "s3"]) ports.push(cleanup.use(await startEchoServer(name, () => {})).port);
  const worlds = new AdsWorld();
  let desired: Desired = { config: worlds.configOf({ ...firstOf(ports), accessLog }), revision: 1 };
  const serve = async (): Promise<AdsServer> => {
    const made = new AdsServer({ generate: () => desired });
    await made.openSocket("p", socketPath);
    return made;
  };
  let server = await serve();
  cleanup.defer(() => server.close());
  const relayPath = join(folder.path, "slow.sock");
  cleanup.use(await startSlowRelay(relayPath, socketPath, relayDelayMs));
  const envoy = cleanup.use(await startEnvoy(adsBootstrap(relayPath, "p")));
  const port = listenerPort(await envoy.admin("/listeners?format=json"));
  const stack = cleanup.move();
  const next = (world: TestWorld): number => {
    desired = { config: worlds.configOf({ ...world, accessLog }), revision: desired.revision + 1 };
    return desired.revision;
  };
  return {
    envoy,
    ports,
    port,
    server: () => server,
    desire: (world) => {
      const revision = next(world);
      server.push("immediate");
      return revision;
    },
    restartServer: async (world, whileDown) => {
      await server.close();
      await whileDown();
      const revision = next(world);
      server = await serve();
      return revision;
    },
    accessLog: async () => (await readFile(accessLog, "utf8")).trim().split("\n"),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function listenerPort(text: string): number {
  const address = z.object({ socket_address: z.object({ port_value: z.number() }) });
  const listeners = z.object({ listener_statuses: z.array(z.object({ local_address: address })) }).parse(JSON.parse(text));
  return listeners.listener_statuses[0]?.local_address.socket_address.port_value ?? 0;
}

function acknowledged(s: Stage, revision: number): Promise<void> {
  return eventually(
    () => {
      const { connected, acknowledged: count } = s.server().revisionProgress(revision);
      return connected === 1 && count === 1;
    },
    20_000,
    `acknowledgement of revision ${revision}`,
  ).catch((cause) => {
    throw new Error(JSON.stringify(s.server().revisionProgress(revision)), { cause });
  });
}

/** One request; the status, 0 when the connection failed. */
function ask(port: number, host: string, agent: Agent | false): Promise<number> {
  return new Promise((resolve) => {
    const call = request({ host: "127.0.0.1", port, agent, headers: { host } }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    call.on("error", () => resolve(0));
    call.end();
  });
}

interface Traffic {
  /** Stops it; how many requests had which status. */
  stop(): Promise<Readonly<Record<string, number>>>;
}

/** Keep-alive and fresh connections, one request after the other on each of six clients. */
function traffic(port: number, hosts: readonly string[]): Traffic {
  const counts: Record<string, number> = {};
  const agent = new Agent({ keepAlive: true, maxSockets: 3 });
  let isOver = false;
  const client = async (index: number): Promise<void> => {
    for (let round = index; !isOver; round += 1) {
      const status = await ask(port, hosts[round % hosts.length] ?? "", index % 2 === 0 ? agent : false);
      counts[status] = (counts[status] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const clients = [0, 1, 2, 3, 4, 5].map(client);
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
      return counts;
    },
  };
}

const hosts = ["h0.test", "h1.test", "h2.test"];

/** Clusters come and go, change and move; the three hosts always have somewhere to go. */
function worldsFor(ports: readonly number[]): fc.Arbitrary<TestWorld> {
  const split = fc.uniqueArray(fc.constantFrom("c0", "c1", "c2", "c3", "c4"), { minLength: 1, maxLength: 3 });
  const clusterOf = (name: string, version: number): TestCluster => ({
    name,
    connectTimeout: `${version + 1}s`,
    ports: [ports[version % ports.length] ?? 0],
  });
  return fc
    .record({ splits: fc.array(split, { minLength: 3, maxLength: 3 }), version: fc.nat(3), header: fc.nat(2), share: fc.nat(10_000) })
    .map(({ splits, version, header, share }) => ({
      clusters: [...new Set(splits.flat())].sort().map((name, index) => clusterOf(name, version + index)),
      hosts: hosts.map((domain, index) => ({
        domain,
        header: `v${header}`,
        split: evenSplit(splits[index] ?? []),
        runtimeKeyPrefix: `w.${index}${splits[index]?.join("")}`,
      })),
      runtime: new Map(hosts.flatMap((_, index) => keysOf(`w.${index}${splits[index]?.join("")}`, splits[index] ?? [], share))),
    }));
}

function evenSplit(names: readonly string[]): Readonly<Record<string, number>> {
  const each = Math.floor(10_000 / names.length);
  return Object.fromEntries(names.map((name, index) => [name, index === 0 ? 10_000 - each * (names.length - 1) : each]));
}

function keysOf(prefix: string, names: readonly string[], share: number): readonly (readonly [string, number])[] {
  return names.map((name, index) => [
    `${prefix}.${name}`,
    index === 0 ? (names.length === 1 ? 10_000 : share) : index === 1 ? 10_000 - share : 0,
  ]);
}

describe("a real Envoy under traffic", () => {
  test("loses no request whatever changes in whatever order", { timeout }, async () => {
    await using s = await stage((ports) => fc.sample(worldsFor(ports), { seed: 11, numRuns: 1 })[0] ?? { clusters: [], hosts: [] });
    const load = traffic(s.port, hosts);
    let revision = 1;
    for (const [index, world] of fc.sample(worldsFor(s.ports), { seed: 12, numRuns: 80 }).entries()) {
      revision = s.desire(world);
      // Some changes come while the one before is under way, some after it is live.
      if (index % 4 === 3) await acknowledged(s, revision);
      else await new Promise((resolve) => setTimeout(resolve, (index * 7) % 40));
    }
    await acknowledged(s, revision);
    const counts = await load.stop();
    expect(Object.keys(counts)).toEqual(["200"]);
    expect(counts["200"]).toBeGreaterThan(100);
    await eventually(async () => (await s.accessLog()).length >= (counts["200"] ?? 0));
    expect((await s.accessLog()).filter((line) => !line.startsWith("200 - "))).toEqual([]);
    const stats = await s.envoy.admin("/stats?filter=update_rejected&format=json");
    expect(stats).not.toMatch(/"value":[1-9]/);
  });

  test("keeps serving while the control plane is gone, and takes what changed meanwhile", { timeout }, async () => {
    const world = (ports: readonly number[], name: string, port: number): TestWorld => ({
      clusters: [{ name, ports: [ports[port] ?? 0] }],
      hosts: hosts.map((domain) => ({ domain, split: { [name]: 10_000 } })),
    });
    await using s = await stage((ports) => world(ports, "before", 0));
    await acknowledged(s, 1);
    const load = traffic(s.port, hosts);
    const served = async () => (await s.accessLog().catch(() => [])).length;
    const revision = await s.restartServer(world(s.ports, "after", 1), async () => {
      const before = await served();
      await eventually(async () => (await served()) > before + 50);
    });
    await acknowledged(s, revision);
    await eventually(async () => !(await s.envoy.admin("/clusters")).includes("before::"), 20_000, "removal of the old cluster");
    expect(Object.keys(await load.stop())).toEqual(["200"]);
    await eventually(async () => (await s.accessLog()).at(-1)?.endsWith(" after") === true);
    expect((await s.accessLog()).filter((line) => !line.startsWith("200 - "))).toEqual([]);
  });

  test("weights move by runtime alone, and their keys leave once the route carries them", { timeout }, async () => {
    const world = (ports: readonly number[], a: number, runtime: ReadonlyMap<string, number> = new Map()): TestWorld => ({
      clusters: [
        { name: "a.test", ports: [ports[0] ?? 0] },
        { name: "b.test", ports: [ports[1] ?? 0] },
      ],
      hosts: hosts.map((domain) => ({ domain, split: { "a.test": a, "b.test": 10_000 - a }, runtimeKeyPrefix: "w.0123456789abcdef" })),
      runtime,
    });
    const layer = (a: number) =>
      new Map([
        ["w.0123456789abcdef.a.test", a],
        ["w.0123456789abcdef.b.test", 10_000 - a],
      ]);
    await using s = await stage((ports) => world(ports, 10_000));
    await acknowledged(s, 1);
    const servedBy = async (): Promise<readonly string[]> => {
      const before = (await s.accessLog()).length;
      for (let round = 0; round < 30; round += 1) expect(await ask(s.port, hosts[round % 3] ?? "", false)).toBe(200);
      await eventually(async () => (await s.accessLog()).length === before + 30);
      return [...new Set((await s.accessLog()).slice(before).map((line) => line.split(" ")[3] ?? ""))].sort();
    };
    // The log does not exist before the first request.
    await ask(s.port, hosts[0] ?? "", false);
    await eventually(async () => (await s.accessLog()).length === 1);
    expect(await servedBy()).toEqual(["a.test"]);
    await acknowledged(s, s.desire(world(s.ports, 10_000, layer(0))));
    expect(await servedBy()).toEqual(["b.test"]);
    await acknowledged(s, s.desire(world(s.ports, 10_000, layer(5000))));
    expect(await servedBy()).toEqual(["a.test", "b.test"]);
    await acknowledged(s, s.desire(world(s.ports, 0)));
    await eventually(
      async () => !(await s.envoy.admin("/runtime?format=json")).includes("0123456789abcdef"),
      20_000,
      "removal of the keys",
    );
    expect(await servedBy()).toEqual(["b.test"]);
    expect(await s.envoy.admin("/runtime?format=json")).not.toContain("0123456789abcdef");
  });

  test("pins what it refuses, keeps the last good, and takes the rest", { timeout }, async () => {
    const good = (ports: readonly number[], header: string): TestWorld => ({
      clusters: [
        { name: "a", ports: [ports[0] ?? 0] },
        { name: "b", ports: [ports[1] ?? 0] },
      ],
      hosts: hosts.map((domain) => ({ domain, split: { a: 10_000 }, header })),
    });
    await using s = await stage((ports) => good(ports, "one"));
    await acknowledged(s, 1);
    const load = traffic(s.port, hosts);
    const two = good(s.ports, "two");
    const [a, b] = two.clusters;
    const [h0, h1, h2] = two.hosts;
    if (a === undefined || b === undefined || h0 === undefined || h1 === undefined || h2 === undefined) throw new Error("unreachable");
    const revision = s.desire({
      clusters: [a, { ...b, isBad: true }, { name: "c", ports: [s.ports[2] ?? 0], isBad: true }, { name: "d", ports: [s.ports[3] ?? 0] }],
      hosts: [
        { ...h0, split: { d: 10_000 } },
        { ...h1, split: { c: 10_000 } },
        { ...h2, header: "%NO_SUCH_OPERATOR%" },
      ],
    });
    await eventually(
      () => {
        const obstacles = s.server().revisionProgress(revision).lagging[0]?.obstacles ?? [];
        const refused = obstacles.filter(({ kind }) => kind === "refused").map(({ resource }) => resource);
        return refused.length === 3;
      },
      20_000,
      "three refusals",
    );
    const refused = s
      .server()
      .status()[0]
      ?.progress.obstacles.filter(({ kind }) => kind === "refused");
    expect(refused?.map(({ resource }) => resource)).toEqual(["b", "c", "80, virtual host h2.test"]);
    await eventually(async () => (await s.accessLog()).some((line) => line === "200 - h0.test d"), 20_000, "the good host's new route");
    const back = s.desire(good(s.ports, "three"));
    await acknowledged(s, back);
    expect(Object.keys(await load.stop())).toEqual(["200"]);
  });
});
