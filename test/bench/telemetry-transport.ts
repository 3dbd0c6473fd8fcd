// How one proxy's counts get to the control plane each second: pushed by Envoy's OTLP stat sink, or read from its admin endpoint as JSON or as Prometheus'
// text. Three Envoys with the same configuration, series and connection to the control plane: one with the sink, one that is asked, one with neither.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { runFiles } from "../../src/app/config.ts";
import { xdsClusterName } from "../../src/envoy/names.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { startControlPlane } from "./control-plane.ts";
import { Helper } from "./ipc-calls.ts";
import { cpuSeconds } from "./machine.ts";
import { median, rounded, summaryOf } from "./numbers.ts";
import { type PodProcess, startPodProcess } from "./pod-process.ts";
import { startProcess, stopProcess, temporaryFolder } from "./workspace.ts";
import { createPod, createWorld, endpointsOf, namespace, type PodPlace, serviceName, type World } from "./world.ts";

/** Services that the proxy calls, of two versions each: as many series as where five call and five are called, and twelve. */
const densities = [5, 12] as const;
const counts = { full: { blocks: 4, seconds: 2, again: 100 }, quick: { blocks: 1, seconds: 1, again: 2 } };
const forms = ["json", "prometheus"] as const;
type Form = (typeof forms)[number];
const kinds = ["sink", "asked", "neither"] as const;
type Kind = (typeof kinds)[number];

/** One Envoy in its pod. */
interface Proxy {
  readonly pod: PodProcess;
  readonly pid: number;
  readonly adminPath: string;
  /** Requests that it was given. */
  requests: number;
}

interface Bench {
  readonly context: BenchContext;
  readonly world: World;
  readonly proxies: Readonly<Record<Kind, Proxy>>;
  /** Gets the sink's reports. */
  readonly taker: Helper;
  /** Asks the admin endpoint. */
  readonly asker: Helper;
}

async function run(context: BenchContext): Promise<Outcome> {
  const bench = await startBench(context);
  const byNeighbours = [];
  for (const neighbours of densities) byNeighbours.push(await measure(bench, neighbours));
  return { measured: { byNeighbours }, reached: {} };
}

async function startBench(context: BenchContext): Promise<Bench> {
  const controlPlane = await startControlPlane(context);
  const { client } = controlPlane;
  const world = await createWorld(client, { services: densities[1], proxies: 0 }, context);
  const [taker, asker] = [startReader(context), startReader(context)];
  const sinkPath = join(temporaryFolder(context), "sink.sock");
  await taker.call("serve", { socketPath: sinkPath });
  const start = async (kind: Kind): Promise<Proxy> => {
    const place = await createPod(
      client,
      { name: kind, app: "caller", version: "v1", hasProxy: true },
      `10.200.1.${1 + kinds.indexOf(kind)}`,
    );
    return startProxy(context, { runDir: controlPlane.runDir, place, kind, sinkPath });
  };
  const proxies = { sink: await start("sink"), asked: await start("asked"), neither: await start("neither") };
  return { context, world, proxies, taker, asker };
}

const receiptSchema = z.object({ readings: z.number(), bytes: z.number() });
const countedSchema = z.array(z.tuple([z.string(), z.number()]));

/** Blocks of seconds, with each form in turn; the sink's proxy and the one with neither are measured in all of them, at the same time. */
async function measure(bench: Bench, neighbours: number) {
  const { context, proxies, taker, asker } = bench;
  const { blocks, seconds, again } = context.quick ? counts.quick : counts.full;
  await makeSeries(bench, neighbours);
  const samples: Record<"idle" | "sink" | Form, Sample[]> = { idle: [], sink: [], json: [], prometheus: [] };
  const parsed: Record<Form, Parsed | undefined> = { json: undefined, prometheus: undefined };
  for (let block = 0; block < blocks; block += 1) {
    for (const form of block % 2 === 0 ? forms : forms.toReversed()) {
      await asker.call("poll", { adminPath: proxies.asked.adminPath, form });
      // So that each second of the block has its reading in the middle.
      await pause(500);
      const sample = await sampleOf(bench, seconds);
      samples[form].push(sample.asked);
      samples.sink.push(sample.sink);
      samples.idle.push(sample.idle);
      parsed[form] ??= await parsedBy(asker, again);
    }
  }
  await asker.call("stop");
  const bySink = await parsedBy(taker, again);
  const idleMs = median(samples.idle.map(({ envoyMs }) => envoyMs));
  const resultOf = (way: "sink" | Form, proxy: Proxy, read: Parsed | undefined) => ({
    envoyCpuMsPerSecond: summaryOf(samples[way].map(({ envoyMs }) => envoyMs - idleMs)),
    readerCpuMsPerSecond: summaryOf(samples[way].map(({ readerMs }) => readerMs)),
    parseCpuMs: read?.parseMs,
    bytesPerSecond: Math.round(median(samples[way].map(({ bytes }) => bytes))),
    countsAreExact: requestsIn(read) === proxy.requests,
    tagsAreIntact: namesIn(read) === namesIn(bySink),
  });
  const ways = {
    sink: resultOf("sink", proxies.sink, bySink),
    json: resultOf("json", proxies.asked, parsed.json),
    prometheus: resultOf("prometheus", proxies.asked, parsed.prometheus),
  };
  context.progress(`${neighbours} neighbours: ${JSON.stringify(ways)}`);
  return { neighbours, series: bySink.counted.length, envoyIdleCpuMsPerSecond: rounded(idleMs), ...ways };
}

interface Sample {
  readonly envoyMs: number;
  readonly readerMs: number;
  readonly bytes: number;
}

/** Per second: CPU of each Envoy and each reader, and what was read. */
async function sampleOf({ proxies, taker, asker }: Bench, seconds: number): Promise<Record<"idle" | "sink" | "asked", Sample>> {
  const cpu = () => [proxies.sink, proxies.asked, proxies.neither, taker, asker].map(({ pid }) => cpuSeconds(pid));
  for (const reader of [taker, asker]) await reader.call("receipt");
  const [before, startedMs] = [cpu(), performance.now()];
  await pause(1000 * seconds);
  const elapsed = (performance.now() - startedMs) / 1000;
  const [sink = 0, asked = 0, neither = 0, taking = 0, asking = 0] = cpu().map(
    (now, index) => (1000 * (now - (before[index] ?? 0))) / elapsed,
  );
  const bytesOf = async (reader: Helper) => {
    const { readings, bytes } = receiptSchema.parse(await reader.call("receipt"));
    return bytes / Math.max(1, readings);
  };
  return {
    sink: { envoyMs: sink, readerMs: taking, bytes: await bytesOf(taker) },
    asked: { envoyMs: asked, readerMs: asking, bytes: await bytesOf(asker) },
    idle: { envoyMs: neither, readerMs: 0, bytes: 0 },
  };
}

interface Parsed {
  readonly parseMs: number;
  readonly counted: readonly (readonly [string, number])[];
}

async function parsedBy(reader: Helper, times: number): Promise<Parsed> {
  // The first ones make the compiler compile.
  await reader.call("again", { times });
  const parseMs = rounded(z.number().parse(await reader.call("again", { times })), 3);
  return { parseMs, counted: countedSchema.parse(await reader.call("counted")) };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function requestsIn(read: Parsed | undefined): number {
  return (read?.counted ?? [])
    .filter(([key]) => key.startsWith('["istio_request_duration_milliseconds"'))
    .reduce((sum, [, count]) => sum + count, 0);
}

function namesIn(read: Parsed | undefined): string {
  return (read?.counted ?? [])
    .map(([key]) => key)
    .toSorted()
    .join("\n");
}

/** Requests to each service until both versions have some; none go on while anything is measured. */
async function makeSeries({ world, proxies }: Bench, neighbours: number): Promise<void> {
  for (const proxy of Object.values(proxies)) {
    for (let index = 0; index < neighbours; index += 1) {
      const place = { address: world.service.vip, port: 80, host: hostOf(index) };
      const { requests, failures } = await proxy.pod.load(place, { seconds: 0.1, connections: 1 });
      if (failures > 0) throw new Error(`${failures} requests failed, so what was counted is not what it should be`);
      proxy.requests += requests;
    }
  }
}

function hostOf(index: number): string {
  return `${serviceName(index)}.${namespace}.svc.cluster.local`;
}

function startReader(context: BenchContext): Helper {
  const program = fileURLToPath(new URL("transport-reader-program.ts", import.meta.url));
  const child = startProcess([process.execPath, "--disable-warning=ExperimentalWarning", program], {
    core: 1,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  context.cleanup.defer(() => stopProcess(child, "SIGKILL"));
  return new Helper(child);
}

interface ProxyPlan {
  readonly runDir: string;
  readonly place: PodPlace;
  readonly kind: Kind;
  readonly sinkPath: string;
}

async function startProxy(context: BenchContext, { runDir, place, kind, sinkPath }: ProxyPlan): Promise<Proxy> {
  const endpoints = Array.from({ length: densities[1] }, (_, index) => endpointsOf(index)).flat();
  const pod = await startPodProcess(context, { podAddress: place.address, endpointAddresses: endpoints });
  for (const address of endpoints) await pod.backend(address, 8080, "ok");
  const adminPath = join(runDir, `${kind}.sock`);
  const xdsPath = runFiles.xdsSocket(runDir, place.uid);
  await eventually(() => existsSync(xdsPath), 10_000, "the proxy's socket");
  const whole = bootstrapOf({ kind: "sidecar", podName: place.name, namespace: place.namespace, xdsPath, adminPath });
  const bootstrap = kind === "sink" ? withSinkAt(whole, sinkPath) : { ...whole, statsSinks: [] };
  const pid = await pod.envoy({ name: kind, bootstrap: { ...bootstrap }, adminPath, folder: runDir, core: 0 });
  return { pod, adminPath, pid, requests: 0 };
}

const sinkClusterName = "sink";

/** The same sink, but to a reader of its own: beside a control plane's other work its cost couldn't be seen. */
function withSinkAt(bootstrap: BootstrapJson, path: string): BootstrapJson {
  const clusters = bootstrap.staticResources?.clusters ?? [];
  const own = clusters.find(({ name }) => name === xdsClusterName);
  const address = { pipe: { path } };
  const sink = {
    ...own,
    name: sinkClusterName,
    loadAssignment: { clusterName: sinkClusterName, endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }] },
  };
  const statsSinks = bootstrap.statsSinks?.map(({ typedConfig, ...rest }) => ({
    ...rest,
    typedConfig: {
      ...z.looseObject({ "@type": z.string() }).parse(typedConfig),
      grpcService: { envoyGrpc: { clusterName: sinkClusterName } },
    },
  }));
  return { ...bootstrap, statsSinks: statsSinks ?? [], staticResources: { ...bootstrap.staticResources, clusters: [...clusters, sink] } };
}

export const benchmark: Benchmark = {
  name: "telemetry-transport",
  summary: "a proxy's counts each second by its OTLP sink against its admin endpoint: CPU of both ends, bytes",
  target: {},
  run,
};
