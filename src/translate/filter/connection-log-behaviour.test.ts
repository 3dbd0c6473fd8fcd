// What a real Envoy's connection log says where flags decide: two TCP proxies in a row, a caller's and a server's, before an application that resets and one that
// can't be reached. The records go where the control plane's go, and what comes of them as trials is asked too.

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { Server as GrpcServer, type handleUnaryCall, ServerCredentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { TcpProxySchema } from "#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { type RunningEnvoy, startEnvoy, temporaryFolder } from "../../../test/harness/envoy.ts";
import { eventually } from "../../../test/harness/eventually.ts";
import { freePort } from "../../../test/harness/gateway-envoy.ts";
import { withoutBuiltInLog } from "../../../test/harness/world.ts";
import { any } from "../../envoy/any.ts";
import { xdsClusterName } from "../../envoy/names.ts";
import { defaultMeshSettings } from "../../model/mesh.ts";
import { type ConnectionRecord, Connections, connectionRecordOf } from "../../telemetry/connections.ts";
import { parseOtlpLogs } from "../../telemetry/otlp-logs.ts";
import { type TcpPlace, tcpProxy } from "./tcp-proxy.ts";

const [callerAddress, serverAddress] = ["127.0.0.1", "127.0.0.2"];
const settings = { ...defaultMeshSettings, telemetry: withoutBuiltInLog };

/** What a test's application does with its connection. */
let serve: (socket: Socket) => void;
let envoy: RunningEnvoy;
let records: readonly ConnectionRecord[];
let ports: Readonly<Record<"app" | "hanging", number>>;
const cleanup = new AsyncDisposableStack();

beforeAll(async () => {
  const folder = cleanup.use(await temporaryFolder());
  const app = createServer({ allowHalfOpen: true }, (socket) => serve(socket.on("error", () => {})));
  await once(app.listen(0, "127.0.0.1"), "listening");
  cleanup.defer(() => void app.close());
  const address = app.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const behind = { app: address.port, hanging: await startHanging() };
  records = await startCollector(join(folder.path, "xds.sock"));
  ports = { app: await freePort(), hanging: await freePort() };
  const inbound = { service: "db.shop.svc.cluster.local;db;shop;83", isMutual: false };
  const pair = (name: "app" | "hanging") => ({
    clusters: [cluster(`to-${name}`, serverAddress, ports[name]), cluster(name, "127.0.0.1", behind[name])],
    listeners: [
      listener(callerAddress, ports[name], { cluster: `to-${name}`, settings }),
      listener(serverAddress, ports[name], { cluster: name, settings, inbound }),
    ],
  });
  const [one, other] = [pair("app"), pair("hanging")];
  const staticResources = {
    clusters: [collectorCluster(join(folder.path, "xds.sock")), ...one.clusters, ...other.clusters],
    listeners: [...one.listeners, ...other.listeners],
  };
  envoy = cleanup.use(await startEnvoy({ node: { id: "x", cluster: "x" }, staticResources }));
});
afterAll(() => cleanup.disposeAsync());

function cluster(name: string, address: string, portValue: number): ClusterJson {
  const endpoint = { address: { socketAddress: { address, portValue } } };
  return { name, connectTimeout: "1.2s", loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint }] }] } };
}

function listener(address: string, portValue: number, place: TcpPlace): ListenerJson {
  // As it is, but for how often a living connection is told of.
  const proxy = { ...tcpProxy(place), accessLogOptions: { flushAccessLogOnConnected: true, accessLogFlushInterval: "0.4s" } };
  const filters = [{ name: "envoy.filters.network.tcp_proxy", typedConfig: any(TcpProxySchema, proxy) }];
  return { name: `${address}:${portValue}`, address: { socketAddress: { address, portValue } }, filterChains: [{ filters }] };
}

function collectorCluster(path: string): ClusterJson {
  const http2 = any(HttpProtocolOptionsSchema, { explicitHttpConfig: { http2ProtocolOptions: {} } });
  return {
    name: xdsClusterName,
    connectTimeout: "1s",
    typedExtensionProtocolOptions: { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2 },
    loadAssignment: { clusterName: xdsClusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address: { pipe: { path } } } }] }] },
  };
}

async function startCollector(path: string): Promise<readonly ConnectionRecord[]> {
  const taken: ConnectionRecord[] = [];
  const bytes = (value: Buffer): Buffer => value;
  const coder = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  const take: handleUnaryCall<Buffer, Buffer> = ({ request }, respond) => {
    taken.push(...parseOtlpLogs(request).flatMap((log) => log.records.flatMap((record) => connectionRecordOf(record) ?? [])));
    respond(null, Buffer.alloc(0));
  };
  const server = new GrpcServer();
  const exported = {
    path: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    requestStream: false,
    responseStream: false,
    ...coder,
  };
  server.addService({ Export: exported }, { Export: take });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
  );
  cleanup.defer(() => server.forceShutdown());
  return taken;
}

/** A port whose queue of connections is full, so that the kernel answers no more: its process stands still. */
async function startHanging(): Promise<number> {
  const code = `const s = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))`;
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  cleanup.defer(() => void child.kill("SIGKILL"));
  const [said]: unknown[] = await once(child.stdout, "data");
  const port = Number(String(said));
  child.kill("SIGSTOP");
  for (let isFull = false; !isFull; ) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    cleanup.defer(() => void socket.destroy());
    const patience = AbortSignal.timeout(500);
    isFull = await once(socket, "connect", { signal: patience }).then(
      () => false,
      () => patience.aborted,
    );
  }
  return port;
}

/** Connects to the caller's proxy. */
async function open(name: "app" | "hanging"): Promise<Socket> {
  const socket = connect({ port: ports[name], host: callerAddress, allowHalfOpen: true });
  socket.on("error", () => {});
  cleanup.defer(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** What clients do, one after another. */
const clients = {
  "resets while it connects": async () => {
    const socket = await open("hanging");
    await eventually(async () => (await envoy.admin("/stats?filter=^cluster.hanging.upstream_cx_total$")).includes(": 1"));
    socket.resetAndDestroy();
  },
  "closes while it connects": async () => void (await open("hanging")).destroy(),
  "resets once it is reached": async () => {
    const reached = Promise.withResolvers<void>();
    serve = (socket) => void socket.once("data", () => reached.resolve());
    const socket = await open("app");
    socket.write("hello");
    await reached.promise;
    socket.resetAndDestroy();
  },
  "is reset after it has finished": () => resetAfterAnswer((socket) => socket.end("more")),
  "is reset before it has finished": () => resetAfterAnswer((socket) => socket.write("more")),
} as const;

/** The application resets when it has got all that the client says, its end included where there is one. */
async function resetAfterAnswer(say: (socket: Socket) => unknown): Promise<void> {
  const over = Promise.withResolvers<void>();
  let isFinished = false;
  serve = (served) => {
    const reset = (): void => {
      served.resetAndDestroy();
      over.resolve();
    };
    served.once("data", () => {
      served.write("answer");
      served.once("data", () => isFinished || reset()).once("end", reset);
    });
  };
  const socket = await open("app");
  socket.write("hi");
  await once(socket, "data");
  isFinished = say(socket) === socket;
  await over.promise;
}

interface History {
  readonly caller: readonly ConnectionRecord[];
  readonly server: readonly ConnectionRecord[];
}

/** Of each connection what both proxies have logged, in the order in which they began. */
function histories(): readonly History[] {
  const byId = [...Map.groupBy(records, ({ id }) => id).values()];
  const isServers = ([first]: readonly ConnectionRecord[]): boolean => first?.trial.wireIn !== "";
  return byId
    .filter((all) => !isServers(all))
    .toSorted(([a], [b]) => Number.parseInt(a?.id ?? "", 10) - Number.parseInt(b?.id ?? "", 10))
    .map((caller) => ({
      caller,
      server: byId.find(([first]) => first?.trial.wireIn !== "" && first?.trial.wireIn === caller[0]?.trial.wireOut) ?? [],
    }));
}

const endOf = (all: readonly ConnectionRecord[]) => all.find(({ isEnd }) => isEnd);

let byClient: ReadonlyMap<string, History>;

beforeAll(async () => {
  for (const act of Object.values(clients)) await act();
  const names = Object.keys(clients);
  const isTold = (): boolean => histories().filter(({ caller, server }) => endOf(caller) && endOf(server)).length === names.length;
  await eventually(isTold, 30_000, "both ends of all connections");
  byClient = new Map(histories().map((history, index) => [names[index] ?? "", history]));
});

const historyOf = (client: keyof typeof clients): History => byClient.get(client) ?? { caller: [], server: [] };

/** [tried, failed] by what both said, the server last. */
function trialsOf({ caller, server }: History): readonly number[] {
  const nowMs = Date.now();
  const connections = new Connections({ sinceMs: 0, addressOf: (source) => (source === "caller" ? callerAddress : serverAddress) });
  const deltas = [
    ...connections.observe({ source: "caller", records: caller, receivedMs: nowMs }).deltas,
    ...connections.observe({ source: "server", records: server, receivedMs: nowMs }).deltas,
    ...connections.heard("caller", nowMs),
    ...connections.heard("caller", nowMs + 3000),
  ];
  return ["tried", "failed"].map((what) =>
    deltas.filter(({ name }) => name === `lateen_connections_${what}_total`).reduce((sum, { value }) => sum + value, 0),
  );
}

test.each([
  ["resets while it connects", ["", ""], [0, 0]],
  ["closes while it connects", ["", "UF,URX"], [1, 1]],
  ["resets once it is reached", ["", ""], [1, 0]],
  ["is reset after it has finished", ["UR", "UR"], [1, 1]],
  ["is reset before it has finished", ["UR", "UR"], [1, 1]],
] as const)("a client that %s: flags %j", (client, flags, trials) => {
  const history = historyOf(client);
  expect([endOf(history.caller), endOf(history.server)].map((record) => record?.trial.flags)).toEqual(flags);
  expect(trialsOf(history)).toEqual(trials);
});

test("only the server's proxy says that nothing was reached, also while it lasts; the caller's says that it is connected", () => {
  for (const client of ["resets while it connects", "closes while it connects"] as const) {
    const { caller, server } = historyOf(client);
    expect(caller[0]?.trial.isConnected).toBe(true);
    expect(server.some(({ trial }) => trial.isConnected)).toBe(false);
  }
  const { caller, server } = historyOf("closes while it connects");
  for (const told of [caller, server]) expect(told.filter(({ isEnd, trial }) => !isEnd && !trial.isConnected)).not.toEqual([]);
});

test("a reset after an answer says the same whether the client had finished or not", () => {
  const said = (client: keyof typeof clients) => {
    const { caller, server } = historyOf(client);
    return [caller, server].map((all) => ({ ...endOf(all), id: "", startMs: 0, trial: endOf(all)?.trial.flags }));
  };
  const [finished, unfinished] = [said("is reset after it has finished"), said("is reset before it has finished")];
  expect(finished).toMatchObject([
    { received: 6, sent: 6 },
    { received: 6, sent: 6 },
  ]);
  expect(finished).toEqual(unfinished);
});
