// One real Envoy that serves one RouteConfiguration on one listener, with an echo server behind every cluster it names.
// For tests of what generated routes do; nothing of the program but the routes themselves is involved.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import type { EchoedRequest } from "./echo-server.ts";
import { startEchoServer } from "./echo-server.ts";

export interface TestRequest {
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** The request as the upstream saw it; undefined when Envoy answered itself. */
  readonly upstream?: EchoedRequest;
  readonly milliseconds: number;
}

export interface RouteEnvoy extends AsyncDisposable {
  send(request: TestRequest): Promise<TestResponse>;
  /** Everything that arrived at any cluster so far. */
  readonly received: readonly EchoedRequest[];
  /** The answer of the admin interface; every change is a POST. */
  admin(path: string, method?: "GET" | "POST"): Promise<string>;
}

const readyWithinMs = 20_000;

/** Starts the echo servers and Envoy; `clusters` without an entry in `unreachable` answer. Ends everything on disposal. */
export async function startRouteEnvoy(
  routes: RouteConfigurationJson,
  clusters: readonly string[],
  unreachable: readonly string[] = [],
): Promise<RouteEnvoy> {
  const envoyPath = process.env["ENVOY_PATH"];
  if (envoyPath === undefined) throw new Error("ENVOY_PATH is not set: run tests with `npm test` or `node scripts/run.mjs vitest`");
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "lateen-routes-"));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  const received: EchoedRequest[] = [];
  const ports = new Map<string, number>();
  for (const cluster of clusters) {
    const server = cleanup.use(await startEchoServer(cluster, (request) => received.push(request)));
    ports.set(cluster, server.port);
    if (unreachable.includes(cluster)) await server[Symbol.asyncDispose]();
  }
  const admin = join(folder, "admin.sock");
  const rds = join(folder, "rds.json");
  const config = join(folder, "envoy.json");
  await writeFile(
    rds,
    JSON.stringify({ resources: [{ "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", ...routes }] }),
  );
  await writeFile(config, JSON.stringify(bootstrap({ admin, rds, name: routes.name ?? "", ports })));
  const flags = ["--concurrency", "1", "--disable-hot-restart", "--reject-unknown-dynamic-fields", "--log-level", "warning"];
  const envoy = spawn(envoyPath, ["-c", config, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  envoy.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000);
  });
  const exited = new Promise<void>((resolve) => envoy.once("exit", () => resolve()));
  const kill = (): boolean => envoy.kill("SIGKILL");
  process.once("exit", kill);
  cleanup.defer(async () => {
    process.off("exit", kill);
    kill();
    await exited;
  });
  const deadline = Date.now() + readyWithinMs;
  while ((await adminCall(admin, "/ready").catch(() => "")).trim() !== "LIVE") {
    if (envoy.exitCode !== null || Date.now() > deadline) throw new Error(`Envoy did not become ready: ${log}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (/deprecated/i.test(log)) throw new Error(`Envoy calls the routes deprecated: ${log}`);
  const rejected = /"update_rejected": *"?([1-9]\d*)/.exec(await adminCall(admin, "/stats?filter=update_rejected&format=json"));
  if (rejected !== null || /rejected/.test(log)) throw new Error(`Envoy rejected the routes: ${log}`);
  const port = listenerPort(await adminCall(admin, "/listeners?format=json"));
  const stack = cleanup.move();
  return {
    received,
    send: (request) => send(port, request),
    admin: (path, method) => adminCall(admin, path, method),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function listenerPort(text: string): number {
  const address = z.object({ socket_address: z.object({ port_value: z.number() }) });
  const listeners = z.object({ listener_statuses: z.array(z.object({ local_address: address })) }).parse(JSON.parse(text));
  return listeners.listener_statuses[0]?.local_address.socket_address.port_value ?? 0;
}

function bootstrap(options: {
  readonly admin: string;
  readonly rds: string;
  readonly name: string;
  readonly ports: ReadonlyMap<string, number>;
}): object {
  const socket = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });
  const filter = (name: string, type: string): object => ({ name, typed_config: { "@type": `type.googleapis.com/${type}` } });
  const connectionManager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "test",
    rds: { route_config_name: options.name, config_source: { resource_api_version: "V3", path_config_source: { path: options.rds } } },
    http_filters: [
      filter("envoy.filters.http.cors", "envoy.extensions.filters.http.cors.v3.Cors"),
      filter("envoy.filters.http.fault", "envoy.extensions.filters.http.fault.v3.HTTPFault"),
      filter("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router"),
    ],
  };
  const listener = {
    name: "routes",
    address: socket(0),
    filter_chains: [{ filters: [{ name: "http", typed_config: connectionManager }] }],
  };
  const clusters = [...options.ports].map(([name, port]) => ({
    name,
    connect_timeout: "1s",
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(port) } }] }] },
  }));
  const runtime = { re2: { max_program_size: { error_level: 32_768 } } };
  return {
    node: { id: "test", cluster: "test" },
    admin: { address: { pipe: { path: options.admin } } },
    layered_runtime: {
      layers: [
        { name: "static", static_layer: runtime },
        { name: "admin", admin_layer: {} },
      ],
    },
    static_resources: { listeners: [listener], clusters },
  };
}

function adminCall(socketPath: string, path: string, method = "GET"): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, path, method }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve(text));
    });
    request.on("error", reject);
    request.end();
  });
}

function send(port: number, { host, path, method, headers }: TestRequest): Promise<TestResponse> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path: path ?? "/", method: method ?? "GET", headers: { ...headers, host } };
    const request = httpRequest(options, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => {
        const echoed = response.headers["x-echo"];
        const upstream: EchoedRequest | undefined = typeof echoed === "string" ? JSON.parse(decodeURIComponent(echoed)) : undefined;
        const answer = { status: response.statusCode ?? 0, headers: response.headers, body, milliseconds: performance.now() - started };
        resolve(upstream === undefined ? answer : { ...answer, upstream });
      });
    });
    request.on("error", reject);
    request.end();
  });
}
