// A client's and a server's sidecar as the control plane configures them, with some of what reports left out → pairs of Envoys that speak mutual TLS with
// each other as in a mesh. Their listeners and clusters are fixed; routes, policies and secrets still come from the control plane.

import { writeFileSync } from "node:fs";
import { z } from "zod";
import { routerExtensionName } from "../../src/envoy/names.ts";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import type { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { serverRouter } from "../../src/translate/filter/router.ts";

/** What of telemetry is left in: nothing, if it has no field. */
export interface Reporting {
  /** The loggers that count, the filter that counts messages, and the sink. */
  readonly counts?: boolean;
  /** All other access logs. */
  readonly logs?: boolean;
  /** Spans, with the headers that they need: percent of requests. */
  readonly sampling?: number;
}

const json = z.record(z.string(), z.unknown());
const jsons = z.array(json);
type Json = z.output<typeof json>;

const dumpSchema = z.object({ configs: z.array(z.looseObject({ "@type": z.string() })) });
const managerSchema = z.looseObject({
  rds: z.object({ route_config_name: z.string() }),
  access_log: jsons,
  http_filters: z.array(z.looseObject({ name: z.string() })),
});
const chainSchema = z.looseObject({
  name: z.string().optional(),
  filters: z.array(z.looseObject({ name: z.string(), typed_config: json.optional() })).optional(),
  transport_socket: json.optional(),
});
const listenersSchema = z.object({
  dynamic_listeners: z.array(
    z.object({
      name: z.string(),
      active_state: z.object({
        listener: z.looseObject({ filter_chains: z.array(chainSchema).optional(), default_filter_chain: chainSchema.optional() }),
      }),
    }),
  ),
});
const clustersSchema = z.object({ dynamic_active_clusters: z.array(z.object({ cluster: z.looseObject({ name: z.string() }) })) });
const endpointsSchema = z.object({
  dynamic_endpoint_configs: z.array(
    z.object({
      endpoint_config: z.looseObject({
        cluster_name: z.string(),
        endpoints: z.array(z.object({ lb_endpoints: jsons.optional() })).optional(),
      }),
    }),
  ),
});

const routesSchema = z.object({ dynamic_route_configs: z.array(z.object({ route_config: z.looseObject({ name: z.string() }) })) });

const managerName = "envoy.filters.network.http_connection_manager";
/** The port of the service's application, in the pod. */
const applicationPort = 8080;

/** What one sidecar has for the requests that are measured. */
interface Configured {
  readonly manager: z.output<typeof managerSchema>;
  readonly transportSocket: Json | undefined;
  readonly routes: Json;
  readonly clusterName: string;
  readonly cluster: Json;
  readonly endpoint: Json;
}

export interface ConfiguredPair {
  readonly client: Configured;
  readonly server: Configured;
}

/** @throws Error when one of them lacks what a client or server of `host` has. */
export async function configuredPair(admin: { readonly client: string; readonly server: string }, host: string): Promise<ConfiguredPair> {
  const [client, server] = [await dumpOf(admin.client), await dumpOf(admin.server)];
  return {
    client: client("0.0.0.0_80", { chain: undefined, cluster: `outbound|80||${host}` }),
    server: server("virtualInbound", { chain: `inbound_${applicationPort}_http_mtls`, cluster: `inbound|${applicationPort}||` }),
  };
}

/** What a sidecar has for a listener's chain (without a name: the default one) and the cluster that its routes lead to. */
async function dumpOf(adminPath: string) {
  const { configs } = dumpSchema.parse(JSON.parse((await askAdmin(adminPath, "GET", "/config_dump?include_eds")).body));
  const of = (type: string) => configs.find((config) => config["@type"].endsWith(`.${type}`));
  const listeners = listenersSchema.parse(of("ListenersConfigDump")).dynamic_listeners;
  const clusters = clustersSchema.parse(of("ClustersConfigDump")).dynamic_active_clusters.map((entry) => entry.cluster);
  const endpoints = endpointsSchema.parse(of("EndpointsConfigDump")).dynamic_endpoint_configs.map((entry) => entry.endpoint_config);
  const tables = routesSchema.parse(of("RoutesConfigDump")).dynamic_route_configs.map((entry) => entry.route_config);
  return (listenerName: string, wanted: { readonly chain: string | undefined; readonly cluster: string }): Configured => {
    const listener = found(listeners, listenerName, ({ name }) => name === listenerName).active_state.listener;
    const { default_filter_chain, filter_chains = [] } = listener;
    const chains = wanted.chain === undefined ? [default_filter_chain ?? {}] : filter_chains.filter(({ name }) => name === wanted.chain);
    const filter = found(
      chains.flatMap(({ filters = [] }) => filters),
      managerName,
      ({ name }) => name === managerName,
    );
    const manager = managerSchema.parse(filter.typed_config);
    const cluster = found(clusters, wanted.cluster, ({ name }) => name === wanted.cluster);
    const assignment = endpoints.find((entry) => entry.cluster_name === cluster.name);
    const [endpoint = {}] = (assignment?.endpoints ?? []).flatMap(({ lb_endpoints = [] }) => lb_endpoints);
    const routes = found(tables, "its routes", ({ name }) => name === manager.rds.route_config_name);
    const messages = { cluster: withoutType(cluster), routes: withoutType(routes), endpoint };
    return { manager, transportSocket: chains[0]?.transport_socket, clusterName: cluster.name, ...messages };
  };
}

/** @throws Error when there is none. */
function found<T>(all: readonly T[], name: string, isWanted: (one: T) => boolean): T {
  const one = all.find(isWanted);
  if (one === undefined) throw new Error(`a sidecar lacks ${name}`);
  return one;
}

/** Of a dumped message where its type is known. */
function withoutType(message: Json): Json {
  const { "@type": _type, ...fields } = message;
  return fields;
}

export interface PairPorts {
  readonly client: number;
  readonly server: number;
}

export interface PairOptions {
  readonly reporting: Reporting;
  readonly ports: PairPorts;
  /** Where the file with the clusters shall be: Envoy 1.40 ends at once when a cluster of the bootstrap asks the control plane for its secrets. */
  readonly clustersPath: string;
}

type Bootstrap = ReturnType<typeof bootstrapOf>;

/** Listens for plaintext on its port and speaks to the pair's server. */
export function clientBootstrap(bootstrap: Bootstrap, { client }: ConfiguredPair, { reporting, ports, clustersPath }: PairOptions) {
  return fixed(bootstrap, client, { reporting, clustersPath, listenAt: ports.client, sendTo: ports.server });
}

/** Listens for mutual TLS on its port and speaks to the application. */
export function serverBootstrap(bootstrap: Bootstrap, { server }: ConfiguredPair, { reporting, ports, clustersPath }: PairOptions) {
  return fixed(bootstrap, server, { reporting, clustersPath, listenAt: ports.server, sendTo: applicationPort });
}

interface Place {
  readonly reporting: Reporting;
  readonly clustersPath: string;
  readonly listenAt: number;
  readonly sendTo: number;
}

function fixed(bootstrap: Bootstrap, configured: Configured, { reporting, clustersPath, listenAt, sendTo }: Place) {
  writeFileSync(clustersPath, JSON.stringify({ resources: [clusterTo(configured, sendTo)] }));
  const { dynamicResources, staticResources, statsSinks, layeredRuntime: _layers, ...rest } = bootstrap;
  const { transportSocket } = configured;
  const { sampling } = reporting;
  const filters = [{ name: managerName, typed_config: managerThatReports(configured, reporting) }];
  const filterChain = { filters, ...(transportSocket === undefined ? {} : { transport_socket: transportSocket }) };
  const runtime = sampling === undefined ? {} : { "tracing.random_sampling": { numerator: 100 * sampling, denominator: "TEN_THOUSAND" } };
  return {
    ...rest,
    dynamicResources: { adsConfig: dynamicResources?.adsConfig, cdsConfig: { pathConfigSource: { path: clustersPath } } },
    ...(reporting.counts === true && statsSinks !== undefined ? { statsSinks } : {}),
    layeredRuntime: { layers: [{ name: "static", static_layer: { ...staticLayerOf(bootstrap), ...runtime } }] },
    staticResources: {
      clusters: staticResources?.clusters,
      listeners: [{ name: "measured", address: loopback(listenAt), filter_chains: [filterChain] }],
    },
  };
}

/** What the process itself has been told; keys that the control plane sends aren't. */
function staticLayerOf({ layeredRuntime }: Bootstrap): Json {
  return Object.assign({}, ...(layeredRuntime?.layers ?? []).map((layer) => ("staticLayer" in layer ? layer.staticLayer : {})));
}

/** Clients' router comes from the control plane, which could have it count tries; without counts it stands in its place, as servers' does. */
function managerThatReports({ manager, routes }: Configured, { counts = false, logs = false, sampling }: Reporting): Json {
  const { rds: _rds, access_log, http_filters, tracing, early_header_mutation_extensions, ...common } = manager;
  const isCounting = (log: unknown) => JSON.stringify(log).includes("envoy.access_loggers.stats");
  const spans = sampling === undefined ? {} : { tracing, early_header_mutation_extensions };
  const filters = http_filters
    .filter(({ name }) => counts || name !== "envoy.filters.http.grpc_stats")
    .map((filter) => (counts || filter.name !== routerExtensionName ? filter : serverRouter));
  return {
    ...common,
    ...spans,
    http_filters: filters,
    access_log: access_log.filter((log) => (isCounting(log) ? counts : logs)),
    // Its other virtual hosts lead to clusters that aren't there.
    route_config: { ...routes, validate_clusters: false },
  };
}

function clusterTo({ cluster, clusterName, endpoint }: Configured, port: number): Json {
  const { eds_cluster_config: _eds, load_assignment: _own, ...common } = cluster;
  const metadata = endpoint["metadata"] === undefined ? {} : { metadata: endpoint["metadata"] };
  const lbEndpoints = [{ endpoint: { address: loopback(port) }, ...metadata }];
  return {
    "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    ...common,
    type: "STATIC",
    load_assignment: { cluster_name: clusterName, endpoints: [{ lb_endpoints: lbEndpoints }] },
  };
}

function loopback(port: number): Json {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
