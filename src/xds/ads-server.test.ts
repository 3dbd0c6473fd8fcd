// One stream over a real Unix socket per test, with a fake proxy at the other end.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AdsWorld, type TestWorld } from "../../test/harness/ads-world.ts";
import { temporaryFolder } from "../../test/harness/envoy.ts";
import { eventually } from "../../test/harness/eventually.ts";
import { FakeProxy, type FakeProxyOptions } from "../../test/harness/fake-proxy.ts";
import { RawAdsClient } from "../../test/harness/raw-ads-client.ts";
import { AdsServer } from "./ads-server.ts";
import type { Desired } from "./proxy-session.ts";
import { typeUrls } from "./resource-types.ts";

const small: TestWorld = {
  clusters: [
    { name: "a", ports: [1] },
    { name: "b", ports: [2] },
  ],
  hosts: [{ domain: "a.test", split: { a: 9000, b: 1000 }, runtimeKeyPrefix: "w.1" }],
};

interface Stage extends AsyncDisposable {
  readonly server: AdsServer;
  readonly proxy: FakeProxy;
  readonly socketPath: string;
  desire(world: TestWorld): number;
  /** Another revision with the very same configuration. */
  desireSame(): number;
}

async function stage(first: TestWorld, options: Omit<FakeProxyOptions, "socketPath"> = {}): Promise<Stage> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const socketPath = join(folder.path, "p.sock");
  const worlds = new AdsWorld();
  let desired: Desired = { config: worlds.configOf(first), revision: 1 };
  const server = new AdsServer({ generate: () => desired });
  cleanup.defer(() => server.close());
  await server.openSocket("p", socketPath);
  const proxy = new FakeProxy({ socketPath, ...options });
  cleanup.defer(() => proxy.close());
  proxy.connect();
  const stack = cleanup.move();
  const desire = (world: TestWorld): number => {
    desired = { config: worlds.configOf(world), revision: desired.revision + 1 };
    server.push("immediate");
    return desired.revision;
  };
  const desireSame = (): number => {
    desired = { ...desired, revision: desired.revision + 1 };
    server.push("immediate");
    return desired.revision;
  };
  return { server, proxy, socketPath, desire, desireSame, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function acknowledged({ server }: Stage, revision: number): Promise<void> {
  return eventually(() => {
    const { connected, acknowledged: count } = server.revisionProgress(revision);
    return connected === 1 && count === 1;
  });
}

const order = (proxy: FakeProxy) =>
  proxy.received.map(({ type, names, removed }) => [type, ...names, ...removed.map((name) => `-${name}`)].join(" "));

describe("a stream", () => {
  test("answers what was asked, and routes come after their clusters' endpoints", async () => {
    await using s = await stage(small);
    await acknowledged(s, 1);
    expect(order(s.proxy).toSorted()).toEqual(["cds a b", "eds a b", "lds test", "rds 80", "rtds -weights"]);
    expect(order(s.proxy).at(-1)).toBe("rds 80");
  });

  test("carries nothing but what changed", async () => {
    await using s = await stage(small);
    await acknowledged(s, 1);
    const seen = s.proxy.received.length;
    const [a, b] = small.clusters;
    if (a === undefined || b === undefined) throw new Error("unreachable");
    await acknowledged(s, s.desire({ ...small, clusters: [a, { ...b, ports: [3] }] }));
    await acknowledged(
      s,
      s.desire({
        ...small,
        clusters: [a, { ...b, ports: [3] }],
        runtime: new Map([
          ["w.1.a", 8000],
          ["w.1.b", 2000],
        ]),
      }),
    );
    expect(order(s.proxy).slice(seen)).toEqual(["eds b", "rtds weights"]);
  });

  test("carries nothing for a revision with the same configuration, which counts as acknowledged once that is", async () => {
    await using s = await stage(small);
    expect(s.server.revisionProgress(s.desireSame()).acknowledged).toBe(0);
    await acknowledged(s, 2);
    const seen = s.proxy.received.length;
    let tells = 0;
    s.server.onChange(() => {
      tells += 1;
    });
    const revision = s.desireSame();
    expect(s.server.revisionProgress(revision)).toMatchObject({ acknowledged: 1, lagging: [] });
    expect((await s.server.whenAcknowledged(s.desireSame(), AbortSignal.timeout(10_000))).acknowledged).toBe(1);
    await eventually(() => tells > 0);
    expect(tells).toBe(1);
    expect(s.proxy.received).toHaveLength(seen);
  });

  test("a changed cluster gets its endpoints again unasked, before the route that names it", async () => {
    await using s = await stage(small);
    await acknowledged(s, 1);
    const seen = s.proxy.received.length;
    const clusters = small.clusters.map((cluster) => ({ ...cluster, connectTimeout: cluster.name === "a" ? "2s" : "1s" }));
    await acknowledged(s, s.desire({ clusters, hosts: [{ domain: "a.test", split: { a: 10_000 } }] }));
    expect(order(s.proxy).slice(seen)).toEqual(["cds a", "eds a", "rds 80"]);
  });

  test("a cluster goes only after the route that named it", async () => {
    await using s = await stage(small);
    await acknowledged(s, 1);
    const seen = s.proxy.received.length;
    await acknowledged(s, s.desire({ clusters: small.clusters.slice(0, 1), hosts: [{ domain: "a.test", split: { a: 10_000 } }] }));
    await eventually(() => order(s.proxy).includes("cds -b"));
    expect(order(s.proxy).slice(seen)).toEqual(["rds 80", "cds -b"]);
  });

  test("a second push while the first is unanswered is sent as one", async () => {
    await using s = await stage(small, { answerDelayMs: () => 30 });
    await acknowledged(s, 1);
    const seen = s.proxy.received.length;
    let revision = 0;
    for (const header of ["1", "2", "3", "4"])
      revision = s.desire({ ...small, hosts: [{ domain: "a.test", split: { a: 10_000 }, header }] });
    await acknowledged(s, revision);
    expect(order(s.proxy).slice(seen)).toEqual(["rds 80", "rds 80"]);
  });
});

describe("a refused resource", () => {
  const isBad = (type: string, name: string) =>
    type === "cds" && name === "bad" ? "Error adding/updating cluster(s) bad: no good" : undefined;
  const world: TestWorld = {
    clusters: [...small.clusters, { name: "bad", ports: [4] }],
    hosts: [
      { domain: "a.test", split: { a: 10_000 }, header: "new" },
      { domain: "bad.test", split: { bad: 10_000 } },
    ],
  };

  test("is pinned and reported, and holds back only the hosts that need it", async () => {
    await using s = await stage(small, { refuses: isBad });
    await acknowledged(s, 1);
    const seen = s.proxy.received.length;
    const revision = s.desire(world);
    await eventually(() => order(s.proxy).slice(seen).includes("rds 80"));
    const [lagging] = s.server.revisionProgress(revision).lagging;
    expect(lagging?.obstacles[0]).toMatchObject({ type: "cds", resource: "bad", kind: "refused", sources: ["Service test/bad"] });
    expect(lagging?.obstacles[0]?.message).toContain("no good");
    await acknowledged(s, s.desire(small));
  });

  test("is found by halving when the proxy does not name it", async () => {
    const refuses = (type: string, name: string) => (type === "cds" && name === "bad" ? "Proto constraint validation failed" : undefined);
    await using s = await stage(
      { ...world, clusters: [...world.clusters, { name: "c", ports: [5] }, { name: "d", ports: [6] }] },
      { refuses },
    );
    await eventually(() => s.proxy.versions.rds.has("80"));
    expect([...s.proxy.versions.cds.keys()].sort()).toEqual(["a", "b", "c", "d"]);
    expect(s.server.status()[0]?.progress.obstacles[0]).toMatchObject({ resource: "bad", kind: "refused" });
  });
});

describe("a lost stream", () => {
  test("after it only differences are sent, and what went meanwhile is removed", async () => {
    await using s = await stage(small);
    await acknowledged(s, 1);
    s.proxy.disconnect();
    await eventually(() => s.server.status()[0]?.isConnected === false);
    const seen = s.proxy.received.length;
    const revision = s.desire({
      clusters: [...small.clusters.slice(0, 1), { name: "c", ports: [3] }],
      hosts: [{ domain: "a.test", split: { a: 10_000 } }],
    });
    s.proxy.connect();
    await acknowledged(s, revision);
    await eventually(() => order(s.proxy).includes("cds -b"));
    const sent = order(s.proxy).slice(seen);
    expect(sent.toSorted()).toEqual(["cds -b", "cds c", "eds c", "rds 80", "rtds -weights"]);
    expect(sent.at(-1)).toBe("cds -b");
  });

  test("a second stream of a proxy takes the place of the first, and has acknowledged nothing yet", async () => {
    await using s = await stage(small);
    await acknowledged(s, 1);
    const other = new FakeProxy({ socketPath: s.socketPath, answerDelayMs: (type) => (type === "cds" ? 100 : 0) });
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => other.close());
    other.connect();
    await eventually(() => other.received.some(({ type }) => type === "cds"));
    expect(s.server.revisionProgress(1)).toMatchObject({ connected: 1, acknowledged: 0 });
    await acknowledged(s, 1);
    expect(other.versions.rds.has("80")).toBe(true);
    expect(s.server.status()).toHaveLength(1);
  });
});

test("a stuck proxy gets the latest state once when it reads again, and delays nobody", async () => {
  await using s = await stage(small);
  await acknowledged(s, 1);
  s.proxy.pause();
  const seen = s.proxy.received.length;
  let revision = 0;
  for (let round = 0; round < 300; round += 1) {
    revision = s.desire({ ...small, hosts: [{ domain: "a.test", split: { a: 10_000 }, header: `${round} ${"x".repeat(50_000)}` }] });
  }
  expect(s.server.revisionProgress(revision)).toMatchObject({
    connected: 1,
    acknowledged: 0,
    lagging: [{ proxyId: "p", obstacles: [{ type: "rds" }] }],
  });
  s.proxy.resume();
  await acknowledged(s, revision);
  expect(order(s.proxy).slice(seen)).toEqual(["rds 80", "rds 80"]);
});

test("a proxy that connects before its configuration is known is answered when it is", async () => {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const socketPath = join(folder.path, "p.sock");
  const server = new AdsServer({ generate: () => undefined });
  cleanup.defer(() => server.close());
  await server.openSocket("p", socketPath);
  const proxy = new FakeProxy({ socketPath });
  cleanup.defer(() => proxy.close());
  proxy.connect();
  await eventually(() => server.revisionProgress(1).connected === 1);
  server.setDesired("p", { config: new AdsWorld().configOf(small), revision: 1 });
  expect(await server.whenAcknowledged(1, AbortSignal.timeout(10_000))).toMatchObject({ connected: 1, acknowledged: 1 });
});

test.each(["q", "", "p.", "P"])("a node id that isn't the socket's is refused, and the proxy's own stream goes on: %j", async (nodeId) => {
  await using s = await stage(small);
  await acknowledged(s, 1);
  const stranger = new FakeProxy({ socketPath: s.socketPath, nodeId });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => stranger.close());
  stranger.connect();
  await eventually(() => s.server.refusals.get("node id") === 1);
  expect(stranger.received).toEqual([]);
  await acknowledged(s, s.desire({ ...small, hosts: [{ domain: "a.test", split: { a: 10_000 }, header: "on" }] }));
  expect(s.server.revisionProgress(2)).toMatchObject({ connected: 1, acknowledged: 1 });
});

test.each([
  ["types", (round: number) => ({ typeUrl: `type.googleapis.com/t${round}` })],
  ["names", (round: number) => ({ typeUrl: typeUrls.eds, resourceNamesSubscribe: [`${round}${"x".repeat(10_000)}`] })],
])("a proxy that asks for %s without end is ended", async (_, request) => {
  await using s = await stage(small);
  using taken = new RawAdsClient({ target: `unix:${s.socketPath}` });
  taken.ask("cds", [], "p");
  for (let round = 0; round < 2000; round += 1) taken.send(request(round));
  expect(await taken.ended()).toBe("RESOURCE_EXHAUSTED");
  expect(taken.details).toBe("the caller asks for too much");
});

test("closing a socket removes its file and its proxy", async () => {
  await using s = await stage(small);
  await acknowledged(s, 1);
  await s.server.closeSocket("p");
  expect(existsSync(s.socketPath)).toBe(false);
  expect(s.server.status()).toEqual([]);
});

test("waiting for a revision ends with the answer, or at the signal with the reason", async () => {
  await using s = await stage(small, { answerDelayMs: (type) => (type === "rds" ? 60_000 : 0) });
  await eventually(() => order(s.proxy).includes("rds 80"));
  const progress = await s.server.whenAcknowledged(1, AbortSignal.timeout(50));
  expect(progress.lagging).toMatchObject([{ proxyId: "p", obstacles: [{ type: "rds", resource: "80", kind: "not_acknowledged" }] }]);
});
