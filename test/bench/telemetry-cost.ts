// What telemetry costs a proxy: CPU per request with standard metrics, access log and 1 % of traces, and with all traces, against none of it. The same
// configuration of our own each time, an outbound HTTP chain taken from a real Envoy that got it from the control plane. Machines are restless: each
// short turn is compared with the turns without telemetry just before and after it, and what counts is the middle of many such ratios. Processes of one
// configuration differ too, by where their memory lies: there are two of each.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { runFiles } from "../../src/app/config.ts";
import { askAdmin } from "../../src/platform/local/sidecar.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { startControlPlane } from "./control-plane.ts";
import { cpuSeconds } from "./machine.ts";
import { median, percentile, rounded, summaryOf } from "./numbers.ts";
import { backendBootstrap } from "./plain-envoy.ts";
import { startPodProcess, type Target } from "./pod-process.ts";
import { createWorld } from "./world.ts";

const counts = { full: { rounds: 32, seconds: 0.4 }, quick: { rounds: 4, seconds: 0.4 } };
const connections = 16;
const copies = [0, 1] as const;
type Copy = (typeof copies)[number];

/** What each has: the counting loggers, all other access logs, traces with their headers read, and the share of sampled ones in percent. */
const parts = {
  none: {},
  metrics: { counts: true },
  log: { logs: true },
  traces: { headers: true, sampling: 1 },
  standard: { counts: true, logs: true, headers: true, sampling: 1 },
  allTraces: { counts: true, logs: true, headers: true, sampling: 100 },
} as const satisfies Readonly<Record<string, VariantParts>>;

interface VariantParts {
  readonly counts?: boolean;
  readonly logs?: boolean;
  readonly headers?: boolean;
  readonly sampling?: number;
}

const variants = ["none", "metrics", "log", "traces", "standard", "allTraces"] as const satisfies readonly (keyof typeof parts)[];
type Variant = (typeof variants)[number];
const measuredVariants = variants.filter((variant) => variant !== "none");
const firstPort = 18_001;

interface Place {
  readonly target: Target;
  readonly pid: number;
}

async function run(context: BenchContext): Promise<Outcome> {
  const { pod, placeOf } = await startEnvoys(context);
  const { rounds, seconds } = context.quick ? counts.quick : counts.full;
  let failures = 0;
  const costOf = async (variant: Variant, copy: Copy): Promise<number> => {
    const { pid, target: to } = placeOf(variant, copy);
    const before = cpuSeconds(pid);
    const { requests, failures: failed } = await pod.load(to, { seconds, connections });
    failures += failed;
    return ((cpuSeconds(pid) - before) * 1e6) / requests;
  };
  for (const variant of variants) for (const copy of copies) await costOf(variant, copy);
  const turns: Turn[] = [];
  for (let round = 0; round < rounds; round += 1) {
    // All pairs of processes take part equally often.
    const [noneCopy, copy] = [round % 2 === 0 ? 0 : 1, round % 4 < 2 ? 0 : 1] as const;
    let before = await costOf("none", noneCopy);
    // Each goes first, second and last equally often.
    for (const index of measuredVariants.keys()) {
      const variant = measuredVariants[(index + round) % measuredVariants.length] ?? "standard";
      const cost = await costOf(variant, copy);
      const after = await costOf("none", noneCopy);
      turns.push({ variant, cost, none: (before + after) / 2 });
      before = after;
    }
    if (round % 8 === 7) context.progress(`round ${round + 1} of ${rounds}: ${measuredVariants.map(shortly(turns)).join(", ")}`);
  }
  if (failures > 0) throw new Error(`${failures} requests failed, so what was measured is not what it should be`);
  const none = { cpuUs: summaryOf(turns.map((turn) => turn.none)) };
  const others = measuredVariants.map((variant) => [variant, outcomeOf(turns, variant)] as const);
  const standard = median(ratiosOf(turns, "standard"));
  return { measured: { none, ...Object.fromEntries(others) }, reached: { standardRatio: standard <= target.standardRatio } };
}

/** CPU per request in µs: of a variant, and without telemetry at the same time. */
interface Turn {
  readonly variant: Variant;
  readonly cost: number;
  readonly none: number;
}

function ratiosOf(turns: readonly Turn[], wanted: Variant): readonly number[] {
  return turns.filter(({ variant }) => variant === wanted).map(({ cost, none }) => cost / none);
}

function outcomeOf(turns: readonly Turn[], wanted: Variant) {
  const ratios = ratiosOf(turns, wanted);
  const quartiles = [25, 50, 75].map((percent) => rounded(percentile(ratios, percent), 3));
  return {
    cpuUs: summaryOf(turns.filter(({ variant }) => variant === wanted).map(({ cost }) => cost)),
    ratio: summaryOf(ratios, 3),
    quartiles,
  };
}

function shortly(turns: readonly Turn[]): (variant: Variant) => string {
  return (variant) => `${variant} ${rounded(median(ratiosOf(turns, variant)), 3)}`;
}

/** What is measured on core 0, the backend and the client on core 1. */
async function startEnvoys(context: BenchContext) {
  const { client, runDir } = await startControlPlane(context);
  const { real, proxies, service } = await createWorld(
    client,
    { services: variants.length, proxies: variants.length * copies.length },
    context,
  );
  const pod = await startPodProcess(context, { podAddress: real.address, endpointAddresses: service.endpoints });
  const adminOf = (name: string) => join(runDir, `${name}.sock`);
  const start = (name: string, bootstrap: Readonly<Record<string, unknown>>, core: 0 | 1) =>
    pod.envoy({ name, bootstrap, adminPath: adminOf(name), folder: runDir, core });
  await start("backend", { ...backendBootstrap(adminOf("backend"), service.endpoints) }, 1);
  const optionsOf = (name: string, place: typeof real) =>
    ({
      kind: "sidecar",
      podName: place.name,
      namespace: place.namespace,
      xdsPath: runFiles.xdsSocket(runDir, place.uid),
      adminPath: adminOf(name),
    }) as const;
  const sample = optionsOf("real", real);
  await eventually(() => existsSync(sample.xdsPath), 10_000, "the proxy's socket");
  await start("real", bootstrapOf(sample), 1);
  const configured = await configuredBy(sample.adminPath, service.host);
  const places = new Map<string, Place>();
  for (const [index, variant] of variants.entries()) {
    for (const copy of copies) {
      const number = copies.length * index + copy;
      const name = nameOf(variant, copy);
      const options = optionsOf(name, proxies[number] ?? real);
      await eventually(() => existsSync(options.xdsPath), 10_000, "the proxy's socket");
      const port = firstPort + number;
      const bootstrap = staticVersion(bootstrapOf(options), configured, { variant, port });
      places.set(name, { pid: await start(name, bootstrap, 0), target: { address: "127.0.0.1", port, host: service.host } });
    }
  }
  const placeOf = (variant: Variant, copy: Copy): Place => {
    const found = places.get(nameOf(variant, copy));
    if (found === undefined) throw new Error(`${variant} was not started`);
    return found;
  };
  return { pod, placeOf };
}

function nameOf(variant: Variant, copy: Copy): string {
  return `${variant}-${copy}`;
}

const json = z.record(z.string(), z.unknown());
const dumpSchema = z.object({ configs: z.array(z.looseObject({ "@type": z.string() })) });
const listenersSchema = z.object({
  dynamic_listeners: z.array(z.object({ name: z.string(), active_state: z.object({ listener: json }) })),
});
const listenerSchema = z.looseObject({
  filter_chains: z.array(json).optional(),
  default_filter_chain: z.looseObject({ filters: z.array(z.looseObject({ name: z.string(), typed_config: json })) }).optional(),
});
const routesSchema = z.object({ dynamic_route_configs: z.array(z.object({ route_config: z.looseObject({ name: z.string() }) })) });
const clustersSchema = z.object({ dynamic_active_clusters: z.array(z.object({ cluster: z.looseObject({ name: z.string() }) })) });
const endpointsSchema = z.object({
  dynamic_endpoint_configs: z.array(z.object({ endpoint_config: z.looseObject({ cluster_name: z.string() }) })),
});

interface Configured {
  readonly manager: Readonly<Record<string, unknown>>;
  readonly routes: Readonly<Record<string, unknown>>;
  readonly clusters: readonly Readonly<Record<string, unknown>>[];
}

/** The HTTP connection manager of port 80 with its routes and the clusters of one service, as the control plane sent them. */
async function configuredBy(adminPath: string, host: string): Promise<Configured> {
  const { configs } = dumpSchema.parse(JSON.parse((await askAdmin(adminPath, "GET", "/config_dump?include_eds")).body));
  const of = (type: string) => configs.find((config) => config["@type"].endsWith(`.${type}`));
  const listener = listenersSchema.parse(of("ListenersConfigDump")).dynamic_listeners.find(({ name }) => name === "0.0.0.0_80")
    ?.active_state.listener;
  const filter = listenerSchema
    .parse(listener)
    .default_filter_chain?.filters.find(({ name }) => name === "envoy.filters.network.http_connection_manager");
  const routes = routesSchema.parse(of("RoutesConfigDump")).dynamic_route_configs.find(({ route_config: { name } }) => name === "80");
  if (filter === undefined || routes === undefined) throw new Error("the proxy has no HTTP on port 80");
  const endpoints = endpointsSchema.parse(of("EndpointsConfigDump")).dynamic_endpoint_configs;
  const clusters = clustersSchema
    .parse(of("ClustersConfigDump"))
    .dynamic_active_clusters.map(({ cluster }) => cluster)
    .filter(({ name }) => name.endsWith(`|${host}`))
    .map(({ "@type": _type, eds_cluster_config: _eds, transport_socket_matches: _sockets, ...cluster }) => ({
      ...cluster,
      type: "STATIC",
      load_assignment: withoutType(
        endpoints.find(({ endpoint_config: { cluster_name } }) => cluster_name === cluster.name)?.endpoint_config,
      ),
    }));
  return { manager: filter.typed_config, routes: withoutType(routes.route_config), clusters };
}

/** Of a dumped message where its type is known. */
function withoutType(message: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const { "@type": _type, ...fields } = message;
  return fields;
}

interface Wanted {
  readonly variant: Variant;
  readonly port: number;
}

/** A bootstrap that has all of it from the start, and speaks to the control plane only to report. */
function staticVersion(bootstrap: ReturnType<typeof bootstrapOf>, { manager, routes, clusters }: Configured, { variant, port }: Wanted) {
  const { dynamicResources: _none, staticResources, statsSinks, ...rest } = bootstrap;
  const { rds: _rds, access_log, tracing, early_header_mutation_extensions, ...common } = manager;
  const { counts = false, logs = false, headers = false, sampling }: VariantParts = parts[variant];
  const isCounting = (log: unknown) => JSON.stringify(log).includes("envoy.access_loggers.stats");
  const wanted = z
    .array(json)
    .parse(access_log)
    .filter((log) => (isCounting(log) ? counts : logs));
  const reports = {
    access_log: wanted,
    ...(headers ? { early_header_mutation_extensions } : {}),
    ...(sampling === undefined ? {} : { tracing }),
  };
  const layers = [
    {
      name: "static",
      static_layer: sampling === undefined ? {} : { "tracing.random_sampling": { numerator: 100 * sampling, denominator: "TEN_THOUSAND" } },
    },
  ];
  return {
    ...rest,
    ...(counts && statsSinks !== undefined ? { statsSinks } : {}),
    layeredRuntime: { layers },
    staticResources: {
      clusters: [...(staticResources?.clusters ?? []), ...clusters],
      listeners: [
        {
          name: "measured",
          address: { socket_address: { address: "127.0.0.1", port_value: port } },
          filter_chains: [
            {
              filters: [
                {
                  name: "envoy.filters.network.http_connection_manager",
                  typed_config: { ...common, ...reports, route_config: withoutUnknownClusters(routes, clusters) },
                },
              ],
            },
          ],
        },
      ],
    },
  };
}

/** Routes of other services name clusters that aren't there: of the table only the virtual hosts remain whose clusters are. */
function withoutUnknownClusters(routes: Configured["routes"], clusters: Configured["clusters"]) {
  const names = clusters.map(({ name }) => String(name));
  const hosts = z.array(json).parse(routes["virtual_hosts"]);
  return {
    ...routes,
    validate_clusters: false,
    virtual_hosts: hosts.filter((host) => names.some((name) => JSON.stringify(host).includes(name))),
  };
}

const target = { standardRatio: 1.2 };

export const benchmark: Benchmark = {
  name: "telemetry-cost",
  summary: "CPU per request of a proxy with metrics, access log and traces against none of them",
  target,
  run,
};
