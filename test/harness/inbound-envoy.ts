// The server's side of a sidecar on loopback, without interception: YAML → model → translate → ADS → a real Envoy. Nothing captures connections
// here, so the inbound listener opens the ports of the application itself, on 127.0.0.1, and the application has them on 127.0.0.2.

import { readFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { SecretSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { decodeJson } from "../../src/envoy/codec.ts";
import type { EncodedResource, ProxyConfig, ResourceSet } from "../../src/envoy/config.ts";
import { EncodeCache } from "../../src/envoy/encode-cache.ts";
import {
  blackHoleClusterName,
  inboundPassthroughClusterName,
  rootsSecretName,
  virtualInboundListenerName,
  workloadSecretName,
} from "../../src/envoy/names.ts";
import { durationMs } from "../../src/lib/duration.ts";
import type { MeshSettings } from "../../src/model/mesh.ts";
import { defaultMeshSettings } from "../../src/model/mesh.ts";
import { createModel } from "../../src/model/mesh-of.ts";
import { createTranslator } from "../../src/translate/proxy-config.ts";
import { tlsCertificateSecret, validationContextSecret } from "../../src/translate/secret/secret.ts";
import type { ExportSignal } from "../../src/xds/proxy-exports.ts";
import type { Desired } from "../../src/xds/proxy-session.ts";
import type { RunningEnvoy } from "./envoy.ts";
import { temporaryFolder } from "./envoy.ts";
import { eventually } from "./eventually.ts";
import { startServedEnvoy } from "./served-envoy.ts";
import type { TestAuthority } from "./test-identities.ts";
import { testAuthority } from "./test-identities.ts";
import { resourcesOf, snapshotOf, withEndpoints, withoutBuiltInLog } from "./world.ts";

/** Ports of the application, by what they are declared as. */
export interface AppPorts {
  readonly http: number;
  /** Echoes bytes. */
  readonly tcp: number;
  /** Declared as nothing; serves HTTP. */
  readonly detect: number;
  /** Declared as TCP; the server speaks first. */
  readonly first: number;
  /** No service declares it; echoes bytes. */
  readonly undeclared: number;
}

export interface InboundEnvoy extends AsyncDisposable {
  readonly envoy: RunningEnvoy;
  readonly ports: AppPorts;
  /** Signs what the proxy believes. */
  readonly authority: TestAuthority;
  /** What the proxy has reported. */
  readonly exports: readonly ProxyExport[];
  /** Has the proxy tell of so many percent of its requests; of none when undefined. Resolves when it has acknowledged. */
  tap(percent: number | undefined): Promise<void>;
  /** Replaces the policies; resolves when the proxy has acknowledged them. */
  apply(policies: string): Promise<void>;
  /** All counters and gauges that aren't 0, by name. */
  stats(): Promise<ReadonlyMap<string, number>>;
  /** Lines of the access log so far. */
  accessLog(): Promise<readonly string[]>;
  /** Requests that reached the application, and connections of TCP ports. */
  readonly reached: string[];
  /** Headers of the last request that reached the application. */
  readonly headers: () => Readonly<Record<string, string | string[] | undefined>>;
}

export interface ProxyExport {
  readonly signal: ExportSignal;
  readonly bytes: Uint8Array;
}

/** What the TCP port "first" says to everybody. */
export const greeting = "hello from the server\n";

/** Starts application and proxy; `policies` are documents of namespace "a", workload label app: web. */
export async function startInboundEnvoy(policies: string, settings: Partial<MeshSettings> = {}): Promise<InboundEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const app = cleanup.use(await startApplication());
  const { ports } = app;
  const authority = testAuthority();
  const log = join(folder.path, "access.log");
  const all: MeshSettings = {
    ...defaultMeshSettings,
    accessLogFile: log,
    telemetry: withoutBuiltInLog,
    protocolDetectionTimeout: durationMs(300),
    ...settings,
  };
  const [model, translate, patch] = [createModel(), createTranslator(), patcher({ ports, authority })];
  let snapshot: Snapshot | undefined;
  let tapped: ReadonlyMap<string, number> = new Map();
  const exports: ProxyExport[] = [];
  const desiredOf = (text: string): Desired => {
    const revision = (snapshot?.revision ?? 0) + 1;
    snapshot = snapshotOf(withEndpoints(resourcesOf(`${world(ports)}---\n${text}`)), revision, snapshot);
    const mesh = model.meshOf(snapshot, { settings: all, resolved: new Map(), settled: new Map(), tapped });
    const proxy = mesh.proxies.get(proxyId);
    if (proxy === undefined) throw new Error("no proxy");
    return { config: patch(translate(mesh, proxy)), revision };
  };
  const { envoy, push, state } = cleanup.use(
    await startServedEnvoy({
      kind: "sidecar",
      proxyId,
      desired: desiredOf(policies),
      onExport: (_, signal, bytes) => void exports.push({ signal, bytes }),
    }),
  );
  await eventually(async () => (await envoy.admin("/listeners")).includes(virtualInboundListenerName)).catch((cause) => {
    throw new Error(`no inbound listener: ${state()}`, { cause });
  });
  let current = policies;
  const apply = (text: string): Promise<void> => {
    current = text;
    return push(desiredOf(text));
  };
  const stack = cleanup.move();
  return {
    ...app,
    envoy,
    authority,
    exports,
    tap: (percent) => {
      tapped = new Map(percent === undefined ? [] : [[proxyId, percent]]);
      return apply(current);
    },
    apply,
    stats: async () => statsOf(await envoy.admin("/stats")),
    accessLog: async () => (await readFile(log, "utf8").catch(() => "")).split("\n").filter((line) => line !== ""),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const proxyId = "web.a";
const [proxyAddress, appAddress] = ["127.0.0.1", "127.0.0.2"];

function world({ http, tcp, detect, first }: AppPorts): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: app}]}
status: {podIP: ${appAddress}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: a}
spec:
  clusterIP: 198.19.0.1
  selector: {app: web}
  ports: [{name: http, port: ${http}}, {name: tcp, port: ${tcp}}, {name: any, port: ${detect}}, {name: tcp-first, port: ${first}}]
`;
}

function statsOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").map((line): readonly [string, number] => {
    const colon = line.lastIndexOf(": ");
    return [line.slice(0, colon), Number(line.slice(colon + 2))];
  });
  return new Map(lines.filter(([, value]) => value > 0));
}

/** Takes out what needs privileges or interception, keeps the inbound side only, and adds the secrets. */
function patcher({
  ports,
  authority,
}: {
  readonly ports: AppPorts;
  readonly authority: TestAuthority;
}): (config: ProxyConfig) => ProxyConfig {
  const cache = new EncodeCache();
  const { certificatePem: chainPem, keyPem } = authority.issue({ uri: "spiffe://cluster.local/ns/a/sa/web" });
  const secrets = new Map(
    [
      tlsCertificateSecret(workloadSecretName, { chainPem, keyPem }),
      validationContextSecret(rootsSecretName, { rootsPem: authority.certificatePem }),
    ].map((json) => [json.name ?? "", cache.resource({ type: "sds", name: json.name ?? "", schema: SecretSchema, json })]),
  );
  const only = (set: ResourceSet, keeps: (name: string) => boolean, change: (resource: EncodedResource) => EncodedResource): ResourceSet =>
    new Map([...set.values()].filter(({ name }) => keeps(name)).map((resource) => [resource.name, change(resource)]));
  const isInbound = (name: string) =>
    name.startsWith("inbound|") || name === inboundPassthroughClusterName || name === blackHoleClusterName;
  return (config) => ({
    ...config,
    secrets,
    endpoints: new Map(),
    routes: only(config.routes, isInbound, (resource) => resource),
    clusters: only(config.clusters, isInbound, (resource) => patchedCluster(cache, resource, ports)),
    listeners: only(
      config.listeners,
      (name) => name === virtualInboundListenerName,
      (resource) => patchedListener(cache, resource, ports),
    ),
  });
}

function patchedCluster(cache: EncodeCache, { bytes, ...rest }: EncodedResource, { undeclared }: AppPorts): EncodedResource {
  const { upstreamBindConfig: _, ...cluster } = decodeJson(ClusterSchema, bytes);
  const address = { socketAddress: { address: appAddress, portValue: undeclared } };
  const passthrough = {
    name: inboundPassthroughClusterName,
    type: "STATIC" as const,
    loadAssignment: { clusterName: inboundPassthroughClusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
  };
  const json = rest.name === inboundPassthroughClusterName ? passthrough : cluster;
  return cache.resource({ ...rest, type: "cds", schema: ClusterSchema, json });
}

function patchedListener(cache: EncodeCache, { bytes, ...rest }: EncodedResource, ports: AppPorts): EncodedResource {
  const listener = decodeJson(ListenerSchema, bytes);
  const [address, ...others] = Object.values(ports).map((portValue) => ({ socketAddress: { address: proxyAddress, portValue } }));
  const json: ListenerJson = {
    ...listener,
    ...(address === undefined ? {} : { address }),
    additionalAddresses: others.map((other) => ({ address: other })),
    listenerFilters: (listener.listenerFilters ?? []).filter(({ name }) => name !== "envoy.filters.listener.original_dst"),
  };
  return cache.resource({ ...rest, type: "lds", schema: ListenerSchema, json });
}

interface Application extends AsyncDisposable {
  readonly ports: AppPorts;
  readonly reached: string[];
  readonly headers: InboundEnvoy["headers"];
}

async function startApplication(): Promise<Application> {
  await using cleanup = new AsyncDisposableStack();
  const reached: string[] = [];
  let headers: ReturnType<InboundEnvoy["headers"]> = {};
  const serve = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, appAddress, resolve));
    cleanup.defer(() => new Promise((resolve) => server.close(() => resolve())));
    const address: AddressInfo | string | null = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return address.port;
  };
  const http = (name: string) => {
    const server = createHttpServer((request, response) => {
      reached.push(`${name} ${request.url}`);
      headers = request.headers;
      response.end("ok");
    });
    cleanup.defer(() => server.closeAllConnections());
    return server;
  };
  const tcp = (name: string, welcome: string) =>
    createServer((socket) => {
      reached.push(name);
      socket.on("error", () => {});
      if (welcome !== "") socket.write(welcome);
      socket.pipe(socket);
    });
  const ports = {
    http: await serve(http("http")),
    tcp: await serve(tcp("tcp", "")),
    detect: await serve(http("detect")),
    first: await serve(tcp("first", greeting)),
    undeclared: await serve(tcp("undeclared", "")),
  };
  const stack = cleanup.move();
  return { ports, reached, headers: () => headers, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
