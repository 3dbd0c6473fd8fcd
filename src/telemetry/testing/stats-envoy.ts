// A real Envoy that counts requests with the stats logger and composite tags, and sends all stats by OTLP, over HTTP or gRPC, to a server in this
// process, ten times a second. Routes answer themselves: /status/503 answers 503.

import { createServer, type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { type handleUnaryCall, Server, ServerCredentials, type ServiceDefinition, type UntypedHandleCall } from "@grpc/grpc-js";
import type { AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import type { Config_TagJson } from "#envoy/envoy/extensions/access_loggers/stats/v3/stats_pb.js";
import { ConfigSchema } from "#envoy/envoy/extensions/access_loggers/stats/v3/stats_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { SinkConfigSchema } from "#envoy/envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { type RunningEnvoy, startEnvoy, temporaryFolder } from "../../../test/harness/envoy.ts";
import { any } from "../../envoy/any.ts";
import { joinedTag, joinParts, joinTags } from "../composite-tags.ts";

export interface StatsEnvoy extends AsyncDisposable {
  readonly admin: RunningEnvoy["admin"];
  /** Bodies of the sink's posts so far. */
  readonly posts: readonly Uint8Array[];
  /** Where it takes requests. */
  readonly socket: string;
  /** Sends a GET; the answer's status. */
  get(path: string): Promise<number>;
}

export interface StatsEnvoyOptions {
  /** "1s": series that are idle for two intervals go; without it all stay. */
  readonly evictionInterval?: string;
  /** How the sink sends; "http" unless given. */
  readonly transport?: "http" | "grpc";
  /** What counts, instead of a logger of this file's own. */
  readonly loggers?: readonly AccessLogJson[];
  /** Socket of a server that gets all other requests, and connections that are upgraded. */
  readonly upstream?: string;
}

/** Starts it; resolves when it takes requests. */
export async function startStatsEnvoy({ transport = "http", ...options }: StatsEnvoyOptions = {}): Promise<StatsEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const [socket, sinkSocket] = [join(folder.path, "http.sock"), join(folder.path, "sink.sock")];
  const posts: Uint8Array[] = [];
  cleanup.defer(await (transport === "http" ? serveHttp : serveGrpc)(sinkSocket, (body) => posts.push(body)));
  const envoy = cleanup.use(await startEnvoy(bootstrap({ ...options, socket, sinkSocket, transport })));
  const stack = cleanup.move();
  return { admin: envoy.admin, posts, socket, get: (path) => statusOf(socket, path), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

type Serve = (socket: string, take: (body: Uint8Array) => void) => Promise<() => Promise<void>>;

const serveHttp: Serve = async (socket, take) => {
  const server = createServer(async (post, answer) => {
    take(await bodyOf(post));
    answer.end();
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
};

const bytesAsTheyAre = (bytes: Buffer): Buffer => bytes;

const metricsService: ServiceDefinition<{ readonly Export: UntypedHandleCall }> = {
  Export: {
    path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    requestStream: false,
    responseStream: false,
    requestSerialize: bytesAsTheyAre,
    requestDeserialize: bytesAsTheyAre,
    responseSerialize: bytesAsTheyAre,
    responseDeserialize: bytesAsTheyAre,
  },
};

const serveGrpc: Serve = async (socket, take) => {
  const server = new Server();
  const answer: handleUnaryCall<Buffer, Buffer> = ({ request: body }, respond) => {
    take(body);
    respond(null, Buffer.alloc(0));
  };
  server.addService(metricsService, { Export: answer });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
  });
  return async () => server.forceShutdown();
};

async function bodyOf(message: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function statusOf(socketPath: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    call.on("error", reject);
    call.end();
  });
}

interface Places extends StatsEnvoyOptions {
  readonly socket: string;
  readonly sinkSocket: string;
  readonly transport: "http" | "grpc";
}

function bootstrap(places: Places): BootstrapJson {
  const { sinkSocket, evictionInterval, transport, upstream } = places;
  return {
    node: { id: "orders-1.shop", cluster: "test" },
    statsFlushInterval: "0.1s",
    ...(evictionInterval === undefined ? {} : { statsEvictionInterval: evictionInterval }),
    // Names are matched with their tags: a prefix is all that works. Without any series nothing is sent at all, so that silence wouldn't be told
    // from idleness: the uptime is always there.
    statsConfig: { statsMatcher: { inclusionList: { patterns: [{ prefix: "istio_" }, { exact: "server.uptime" }] } } },
    statsSinks: [
      {
        name: "otlp",
        typedConfig: any(
          SinkConfigSchema,
          transport === "grpc"
            ? { grpcService: { envoyGrpc: { clusterName: "sink" } } }
            : { httpService: { httpUri: { uri: "http://sink/v1/metrics", cluster: "sink", timeout: "1s" } } },
        ),
      },
    ],
    staticResources: {
      clusters: [cluster("sink", sinkSocket, transport), ...(upstream === undefined ? [] : [cluster("upstream", upstream, "http")])],
      listeners: [listener(places)],
    },
  };
}

function cluster(name: string, path: string, transport: Places["transport"]): ClusterJson {
  const http2 = any(HttpProtocolOptionsSchema, { explicitHttpConfig: { http2ProtocolOptions: {} } });
  return {
    ...(transport === "grpc" ? { typedExtensionProtocolOptions: { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2 } } : {}),
    name,
    type: "STATIC",
    connectTimeout: "1s",
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address: { pipe: { path } } } }] }] },
  };
}

function listener(places: Places): ListenerJson {
  return { name: "web", address: { pipe: { path: places.socket } }, filterChains: [{ filters: [connectionManager(places)] }] };
}

function ownLogger(enableEviction: boolean): AccessLogJson {
  const valueFormat = joinTags({
    traffic: joinParts(["destination", "http", ""]),
    source: "%DOWNSTREAM_PEER_DNS_SAN%",
    destination: joinParts(["orders-v2", "shop", "orders", "v2", "Kubernetes"]),
    service: joinParts(["orders.shop.svc.cluster.local", "orders", "shop", "80"]),
    response: "%RESPONSE_CODE%;%RESPONSE_FLAGS%;%GRPC_STATUS_NUMBER%",
    security: "none;;%DOWNSTREAM_PEER_URI_SAN%",
  });
  const tags: readonly Config_TagJson[] = [{ name: joinedTag, valueFormat }];
  const stats = any(ConfigSchema, {
    statsScope: { sharingName: "istio", maxCounters: 1000, maxHistograms: 1000, enableEviction },
    counters: [{ stat: { name: "istio_request_messages_total", tags: [...tags] }, valueFixed: "1" }],
    histograms: [
      { stat: { name: "istio_request_duration_milliseconds", tags: [...tags] }, unit: "Milliseconds", valueFormat: "%DURATION%" },
      { stat: { name: "istio_response_bytes", tags: [...tags] }, unit: "Bytes", valueFormat: "%BYTES_SENT%" },
    ],
  });
  return { name: "stats", typedConfig: stats };
}

function connectionManager({ evictionInterval, loggers, upstream }: Places): FilterJson {
  const status = (code: number) => ({
    match: { prefix: `/status/${code}` },
    directResponse: { status: code, body: { inlineString: "12345" } },
  });
  const others = upstream === undefined ? [] : [{ match: { prefix: "/" }, route: { cluster: "upstream" } }];
  return {
    name: "http",
    typedConfig: any(HttpConnectionManagerSchema, {
      statPrefix: "http",
      accessLog: [...(loggers ?? [ownLogger(evictionInterval !== undefined)])],
      upgradeConfigs: [{ upgradeType: "websocket" }],
      httpFilters: [{ name: "router", typedConfig: any(RouterSchema, {}) }],
      routeConfig: { virtualHosts: [{ name: "all", domains: ["*"], routes: [status(200), status(404), status(503), ...others] }] },
    }),
  };
}
