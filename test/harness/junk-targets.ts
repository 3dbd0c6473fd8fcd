// What junk is sent to: every listener of the control plane and the node's DNS server, each with a good client of its own.

import { connect as connectTcp, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import { encode } from "dns-packet";
import { z } from "zod";
import { authenticateByToken, controlPlaneAudience } from "../../src/app/token-identity.ts";
import { openAuthority } from "../../src/ca/authority.ts";
import { openTokenKeys } from "../../src/ca/jwks.ts";
import { systemSurroundings } from "../../src/ca/leaf.ts";
import { tokenService } from "../../src/ca/tokens.ts";
import { createApiClient } from "../../src/http/client.ts";
import type { MeshView } from "../../src/http/mesh-view.ts";
import { startApiServer } from "../../src/http/server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { Unavailable } from "../../src/lib/errors.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { serveDnsConnection } from "../../src/platform/local/dns-connection.ts";
import { DnsServer } from "../../src/platform/local/dns-server.ts";
import { apiParser } from "../../src/store/api-parser.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { AdsServer } from "../../src/xds/ads-server.ts";
import type { Desired } from "../../src/xds/proxy-session.ts";
import { AdsWorld } from "./ads-world.ts";
import { temporaryFolder } from "./envoy.ts";
import { eventually } from "./eventually.ts";
import { FakeProxy } from "./fake-proxy.ts";
import { type Attack, Dice, mutated, randomAttacks } from "./junk.ts";
import { grpcAttacks } from "./junk-grpc.ts";
import { httpAttacks } from "./junk-http1.ts";
import { http2Attacks } from "./junk-http2.ts";
import { tlsAttacks } from "./junk-tls.ts";

/** One listener and how it is attacked. */
export interface JunkTarget extends AsyncDisposable {
  readonly connect: () => Duplex;
  /** A good client's exchange; rejects when it isn't served in time. */
  readonly exchange: () => Promise<void>;
  readonly attacks: (times: number, seed: number) => readonly Attack[];
}

const servedWithinMs = 5000;

function inTime(promise: Promise<unknown>, what: string): Promise<void> {
  const late = AbortSignal.timeout(servedWithinMs);
  return Promise.race([
    promise.then(() => {}),
    new Promise<void>((_, reject) =>
      late.addEventListener("abort", () => reject(new Error(`${what}: not served within ${servedWithinMs} ms`))),
    ),
  ]);
}

const unavailable = (): never => {
  throw new Unavailable("not asked for here");
};
/** Whatever is asked of it. */
const view: MeshView = new Proxy(Object.create(null), { get: () => unavailable });

/** The HTTP API on its Unix socket. */
export async function apiTarget(): Promise<JunkTarget> {
  await using cleanup = new AsyncDisposableStack();
  const socketPath = join(cleanup.use(await temporaryFolder()).path, "api.sock");
  const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID(), historySize: 20 });
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  const server = await startApiServer({ store, parser: apiParser, view, log: silentLogger, socketPath, version: "0" });
  cleanup.defer(() => server.close());
  const client = createApiClient({ socketPath });
  cleanup.defer(() => client.close());
  return targetOf(cleanup, {
    connect: () => connectTcp(socketPath),
    exchange: () => inTime(client.get({ kind: "Namespace", name: "default" }), "the API"),
    attacks: (times, seed) => [...httpAttacks(times), ...randomAttacks(times, new Dice(seed))],
  });
}

interface Ads {
  readonly server: AdsServer;
  readonly folder: string;
  readonly exchange: () => Promise<void>;
}

/** An ADS server with a good proxy, which gets another route in each exchange. */
async function startAds(cleanup: AsyncDisposableStack): Promise<Ads> {
  const folder = cleanup.use(await temporaryFolder()).path;
  const worlds = new AdsWorld();
  const clusters = [{ name: "a", ports: [1] }];
  const desiredAt = (revision: number): Desired => ({
    config: worlds.configOf({ clusters, hosts: [{ domain: "a.test", split: { a: 10_000 }, header: `${revision}` }] }),
    revision,
  });
  let desired = desiredAt(1);
  const server = new AdsServer({ generate: () => desired });
  cleanup.defer(() => server.close());
  const socketPath = join(folder, "good.sock");
  await server.openSocket("good", socketPath);
  await server.openSocket("bad", join(folder, "bad.sock"));
  const good = new FakeProxy({ socketPath });
  cleanup.defer(() => good.close());
  good.connect();
  const exchange = async (): Promise<void> => {
    desired = desiredAt(desired.revision + 1);
    server.push("immediate");
    const has = () =>
      server.status().some(({ proxyId, acknowledgedRevision }) => proxyId === "good" && acknowledgedRevision === desired.revision);
    await eventually(has, servedWithinMs, "the good proxy's acknowledgement");
  };
  return { server, folder, exchange };
}

/** A proxy's own Unix socket. */
export async function xdsSocketTarget(): Promise<JunkTarget> {
  await using cleanup = new AsyncDisposableStack();
  const { folder, exchange } = await startAds(cleanup);
  return targetOf(cleanup, {
    connect: () => connectTcp(join(folder, "bad.sock")),
    exchange,
    attacks: (times, seed) => {
      const dice = new Dice(seed);
      return [
        ...httpAttacks(1),
        ...http2Attacks(times, dice),
        ...grpcAttacks(times, dice, { nodeId: "bad" }),
        ...grpcAttacks(1, dice, { nodeId: "good" }),
        ...randomAttacks(times, dice),
      ];
    },
  });
}

/** The TLS port: junk instead of a handshake, junk inside TLS, and junk of somebody with a good token. */
export async function tlsTarget(): Promise<JunkTarget & { readonly connectRaw: () => Duplex; readonly rawAttacks: JunkTarget["attacks"] }> {
  await using cleanup = new AsyncDisposableStack();
  const { server, folder, exchange } = await startAds(cleanup);
  const authority = openAuthority({ directory: join(folder, "ca"), trustDomain: "cluster.local" });
  const keys = openTokenKeys({ directory: join(folder, "keys"), surroundings: systemSurroundings });
  const tokens = tokenService({ keys, issuer: "https://test", isAlive: () => true });
  const pod = { namespace: "shop", serviceAccount: { name: "web", uid: "1" }, pod: { name: "bad", uid: "2" } };
  const { token } = await tokens.issue({ ...pod, audiences: [controlPlaneAudience] });
  const { port } = await server.listenTls({
    host: "127.0.0.1",
    port: 0,
    certificate: authority.issue({ namespace: "istio-system", serviceAccount: "istiod" }),
    authenticate: authenticateByToken({ tokens, proxyOf: () => ({ id: "bad", podUid: "2", serviceAccount: "web" }) }),
  });
  const at = { host: "127.0.0.1", port };
  const bearer = (value: string) => ({ nodeId: "bad", headers: { authorization: `Bearer ${value}` } });
  const target = targetOf(cleanup, {
    connect: () => connectTls({ ...at, rejectUnauthorized: false, ALPNProtocols: ["h2"] }),
    exchange,
    attacks: (times, seed) => {
      const dice = new Dice(seed);
      const forged = [...Array(10 * times).keys()].flatMap((round) =>
        grpcAttacks(
          0,
          dice,
          bearer(
            mutated(dice, Buffer.from(token))
              .toString("latin1")
              .replaceAll(/[^!-~]/g, "x"),
          ),
        )
          .slice(0, 1)
          .map(({ pieces }) => ({ name: `a mutated token ${round}`, pieces })),
      );
      return [
        ...http2Attacks(times, dice),
        ...grpcAttacks(0, dice, { nodeId: "bad" }),
        ...grpcAttacks(times, dice, bearer(token)),
        ...forged,
      ];
    },
  });
  return { ...target, connectRaw: () => connectTcp(at), rawAttacks: (times, seed) => tlsAttacks(times, new Dice(seed)) };
}

const addressSchema = z.object({ port: z.number() });

/** The node's DNS server over TCP; its UDP half takes the same messages one by one, see dnsAnswers. */
export async function dnsTarget(): Promise<JunkTarget> {
  await using cleanup = new AsyncDisposableStack();
  const dns = newDnsServer();
  const sockets = new Set<Socket>();
  const server = createServer((connection) => {
    sockets.add(connection);
    connection.once("close", () => sockets.delete(connection));
    serveDnsConnection(connection, (query) => dns.answer(query, "shop"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanup.defer(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const { port } = addressSchema.parse(server.address());
  return targetOf(cleanup, {
    connect: () => connectTcp({ host: "127.0.0.1", port }),
    exchange: () => inTime(askOnce(port), "DNS"),
    attacks: (times, seed) => dnsAttacks(times, new Dice(seed)),
  });
}

/** As in a mesh: a service, and a wildcard, which answers to names of any bytes. */
export function newDnsServer(): DnsServer {
  const dns = new DnsServer(undefined);
  dns.update([
    { host: "web.shop.svc.cluster.local", addresses: ["198.19.0.1"], ports: [{ name: "http", protocol: "tcp", port: 80 }] },
    { host: "*.wild.example", addresses: ["198.19.0.2", "2001:db8::1"] },
  ]);
  return dns;
}

const goodQuery = encode({ type: "query", id: 7, questions: [{ type: "A", name: "web" }] });

function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

function askOnce(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: "127.0.0.1", port }, () => socket.write(withLength(goodQuery)));
    socket.once("error", reject);
    socket.once("data", (answer: Buffer) => {
      socket.destroy();
      if (answer.length > 40) resolve();
      else reject(new Error("a short answer"));
    });
  });
}

/** A message that is nearly a query. */
export function oddQuery(dice: Dice): Buffer {
  const labels = Array.from({ length: dice.below(5) }, () => {
    const label = dice.bytes(dice.below(64));
    return Buffer.concat([Buffer.of(label.length), label]);
  });
  const wild = Buffer.from("\x04wild\x07example\0", "latin1");
  const name = Buffer.concat([...labels, dice.pick([wild, Buffer.of(0), Buffer.of(0xc0, 0x0c), Buffer.of(0xc0, dice.below(256))])]);
  const header = Buffer.from([dice.next() & 0xff, 1, dice.below(8) === 0 ? dice.next() & 0xff : 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const type = Buffer.from([0, dice.pick([1, 28, 33, 12, 255, 41, 65, dice.below(256)]), 0, 1]);
  const query = Buffer.concat([header, name, type]);
  return dice.below(3) === 0 ? mutated(dice, query) : query;
}

function dnsAttacks(times: number, dice: Dice): readonly Attack[] {
  const rounds = [...Array(50 * times).keys()];
  return [
    { name: "queries without reading", pieces: () => rounds.map(() => Buffer.concat(Array(2000).fill(withLength(goodQuery)))) },
    { name: "a byte at a time", pieces: () => [...withLength(goodQuery)].map((byte) => Buffer.of(byte)) },
    { name: "a length without a message", pieces: () => [Buffer.of(0xff, 0xff)] },
    { name: "empty messages", pieces: () => [Buffer.alloc(10_000)] },
    ...rounds.map((round) => ({ name: `odd queries ${round}`, pieces: () => [...Array(20).keys()].map(() => withLength(oddQuery(dice))) })),
    ...randomAttacks(times, dice),
  ];
}

function targetOf(cleanup: AsyncDisposableStack, target: Omit<JunkTarget, typeof Symbol.asyncDispose>): JunkTarget {
  const stack = cleanup.move();
  return { ...target, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
