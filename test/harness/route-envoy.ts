// One real Envoy that serves one RouteConfiguration on one listener, with an echo server behind every cluster it names.
// For tests of what generated routes do; nothing of the program but the routes themselves is involved.

import { writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { z } from "zod";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { AddressJson } from "#envoy/envoy/config/core/v3/address_pb.js";
import type { ConfigSourceJson } from "#envoy/envoy/config/core/v3/config_source_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { CorsSchema } from "#envoy/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import { HTTPFaultSchema } from "#envoy/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any, typeUrl } from "../../src/envoy/any.ts";
import { corsFilterName } from "../../src/translate/route/cors.ts";
import { faultFilterName } from "../../src/translate/route/fault.ts";
import type { EchoedRequest } from "./echo-server.ts";
import { startEchoServer } from "./echo-server.ts";
import { startEnvoy, temporaryFolder } from "./envoy.ts";

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

/** Not one that was free a moment ago: somebody else may be given that. */
const nobodysPort = 1;

/** Starts the echo servers and Envoy; those of `unreachable` refuse connections. Throws when Envoy refuses the routes. */
export async function startRouteEnvoy(
  routes: RouteConfigurationJson,
  clusters: readonly string[],
  unreachable: readonly string[] = [],
): Promise<RouteEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const received: EchoedRequest[] = [];
  const ports = new Map<string, number>();
  for (const cluster of clusters) {
    const isUnreachable = unreachable.includes(cluster);
    const start = async () => cleanup.use(await startEchoServer(cluster, (request) => received.push(request))).port;
    ports.set(cluster, isUnreachable ? nobodysPort : await start());
  }
  // By file, not in the bootstrap: so the routes pass through the same code as those that come over the stream.
  const rds = join(folder.path, "rds.json");
  await writeFile(rds, JSON.stringify({ resources: [{ "@type": typeUrl(RouteConfigurationSchema), ...routes }] }));
  const envoy = cleanup.use(
    await startEnvoy(bootstrap({ rds, name: routes.name ?? "", ports }), { flags: ["--reject-unknown-dynamic-fields"] }),
  );
  if (/rejected|deprecated/i.test(envoy.log())) throw new Error(`Envoy rejected the routes or calls them deprecated: ${envoy.log()}`);
  const port = listenerPort(await envoy.admin("/listeners?format=json"));
  const stack = cleanup.move();
  return {
    received,
    send: (request) => send(port, request),
    admin: envoy.admin,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function listenerPort(text: string): number {
  const address = z.object({ socket_address: z.object({ port_value: z.number() }) });
  const listeners = z.object({ listener_statuses: z.array(z.object({ local_address: address })) }).parse(JSON.parse(text));
  return listeners.listener_statuses[0]?.local_address.socket_address.port_value ?? 0;
}

function bootstrap(options: { readonly rds: string; readonly name: string; readonly ports: ReadonlyMap<string, number> }): BootstrapJson {
  const socket = (port: number): AddressJson => ({ socketAddress: { address: "127.0.0.1", portValue: port } });
  const configSource: ConfigSourceJson = { resourceApiVersion: "V3", pathConfigSource: { path: options.rds } };
  const connectionManager = any(HttpConnectionManagerSchema, {
    statPrefix: "test",
    rds: { routeConfigName: options.name, configSource },
    httpFilters: [
      { name: corsFilterName, typedConfig: any(CorsSchema, {}) },
      { name: faultFilterName, typedConfig: any(HTTPFaultSchema, {}) },
      { name: "envoy.filters.http.router", typedConfig: any(RouterSchema, {}) },
    ],
  });
  const listener = { name: "routes", address: socket(0), filterChains: [{ filters: [{ name: "http", typedConfig: connectionManager }] }] };
  const clusters = [...options.ports].map(([name, port]) => ({
    name,
    connectTimeout: "1s",
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint: { address: socket(port) } }] }] },
  }));
  // The limit of every bootstrap of ours: Envoy's own default of 100 refuses ordinary patterns.
  const staticLayer = { "re2.max_program_size.error_level": 32_768 };
  return {
    node: { id: "test", cluster: "test" },
    layeredRuntime: {
      layers: [
        { name: "static", staticLayer },
        { name: "admin", adminLayer: {} },
      ],
    },
    staticResources: { listeners: [listener], clusters },
  };
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
