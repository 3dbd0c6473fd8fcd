// What telemetry costs the two sidecars on a request's way: their CPU per request with standard metrics, access log and 1 % of traces, and with all
// traces, against none of it. The configuration is the control plane's own, with mutual TLS between the sidecars as in every mesh. The load is that of
// Istio's own figures (istio.io, "Performance and Scalability"): 1,000 requests a second, 16 connections, 1 kB each. A proxy with as much to do as it can
// spends less on each request, of which telemetry is more: that ratio is measured as well. Machines are restless: each short turn is compared with the
// turns without telemetry just before and after it, and what counts is the middle of many such ratios. Processes of one configuration differ too, by where
// their memory lies: there are two pairs of each.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { runFiles } from "../../src/app/config.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { startControlPlane } from "./control-plane.ts";
import { cpuSeconds } from "./machine.ts";
import { median, percentile, rounded, summaryOf } from "./numbers.ts";
import { backendBootstrap } from "./plain-envoy.ts";
import { type Load, startPodProcess, type Target } from "./pod-process.ts";
import { clientBootstrap, configuredPair, type Reporting, serverBootstrap } from "./reporting-sidecars.ts";
import { createPod, namespace, type PodPlace } from "./world.ts";

const rounds = { full: 32, quick: 4 };
const loads = {
  usual: { seconds: 1, connections: 16, requestsPerSecond: 1000 },
  saturated: { seconds: 0.4, connections: 16 },
} as const satisfies Readonly<Record<string, Load>>;
const answer = "x".repeat(1000);
const copies = [0, 1] as const;
type Copy = (typeof copies)[number];

const parts = {
  none: {},
  metrics: { counts: true },
  log: { logs: true },
  traces: { sampling: 1 },
  standard: { counts: true, logs: true, sampling: 1 },
  allTraces: { counts: true, logs: true, sampling: 100 },
} as const satisfies Readonly<Record<string, Reporting>>;

const variants = ["none", "metrics", "log", "traces", "standard", "allTraces"] as const satisfies readonly (keyof typeof parts)[];
type Variant = (typeof variants)[number];
const measuredVariants = variants.filter((variant) => variant !== "none");
const ports = { client: 18_001, server: 19_001 };
const serviceName = "server";
const host = `${serviceName}.${namespace}.svc.cluster.local`;

/** Two sidecars on a request's way. */
interface Pair {
  readonly target: Target;
  readonly pids: { readonly client: number; readonly server: number };
}

type CostOf = (variant: Variant, copy: Copy, load: Load) => Promise<number>;

async function run(context: BenchContext): Promise<Outcome> {
  const { pod, pairOf } = await startPairs(context);
  const costOf: CostOf = async (variant, copy, load) => {
    const { pids, target: to } = pairOf(variant, copy);
    const spent = () => cpuSeconds(pids.client) + cpuSeconds(pids.server);
    const before = spent();
    const { requests, failures } = await pod.load(to, load);
    if (failures > 0) throw new Error(`${failures} requests failed, so what was measured is not what it should be`);
    return ((spent() - before) * 1e6) / requests;
  };
  for (const variant of variants) for (const copy of copies) await costOf(variant, copy, loads.saturated);
  const usual = await turnsOf(costOf, { context, load: loads.usual, compared: measuredVariants });
  const saturated = await turnsOf(costOf, { context, load: loads.saturated, compared: ["standard"] });
  const standard = median(ratiosOf(usual, "standard"));
  return {
    measured: { ...outcomesOf(usual, measuredVariants), saturated: outcomesOf(saturated, ["standard"]) },
    reached: { standardRatio: standard <= target.standardRatio },
  };
}

interface Comparison {
  readonly context: BenchContext;
  readonly load: Load;
  readonly compared: readonly Variant[];
}

async function turnsOf(costOf: CostOf, { context, load, compared }: Comparison): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  const last = context.quick ? rounds.quick : rounds.full;
  for (let round = 0; round < last; round += 1) {
    // All pairs of processes take part equally often.
    const [noneCopy, copy] = [round % 2 === 0 ? 0 : 1, round % 4 < 2 ? 0 : 1] as const;
    let before = await costOf("none", noneCopy, load);
    // Each goes first, second and last equally often.
    for (const index of compared.keys()) {
      const variant = compared[(index + round) % compared.length] ?? "standard";
      const cost = await costOf(variant, copy, load);
      const after = await costOf("none", noneCopy, load);
      turns.push({ variant, cost, none: (before + after) / 2 });
      before = after;
    }
    if (round % 8 === 7) context.progress(`round ${round + 1} of ${last}: ${compared.map(shortly(turns)).join(", ")}`);
  }
  return turns;
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

function outcomesOf(turns: readonly Turn[], compared: readonly Variant[]) {
  const outcomes = compared.map((variant) => {
    const ratios = ratiosOf(turns, variant);
    const cpuUs = summaryOf(turns.filter((turn) => turn.variant === variant).map(({ cost }) => cost));
    const quartiles = [25, 50, 75].map((percent) => rounded(percentile(ratios, percent), 3));
    return [variant, { cpuUs, ratio: summaryOf(ratios, 3), quartiles }] as const;
  });
  return { none: { cpuUs: summaryOf(turns.map(({ none }) => none)) }, ...Object.fromEntries(outcomes) };
}

function shortly(turns: readonly Turn[]): (variant: Variant) => string {
  return (variant) => `${variant} ${rounded(median(ratiosOf(turns, variant)), 3)}`;
}

/** The pairs on core 0, the application (an Envoy too) and the client on core 1. */
async function startPairs(context: BenchContext) {
  const { client, runDir } = await startControlPlane(context);
  await client.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const ports80 = [{ name: "http", port: 80, targetPort: 8080 }];
  const metadata = { name: serviceName, namespace };
  await client.create({ apiVersion: "v1", kind: "Service", metadata, spec: { selector: { app: serviceName }, ports: ports80 } });
  let pods = 0;
  const podOf = (app: string): Promise<PodPlace> => {
    pods += 1;
    return createPod(client, { name: `${app}-${pods}`, app, version: "v1", hasProxy: true }, `10.1.0.${pods}`);
  };
  const adminOf = (name: string) => join(runDir, `${name}.sock`);
  const bootstrapFor = async ({ name, uid }: PodPlace) => {
    const xdsPath = runFiles.xdsSocket(runDir, uid);
    await eventually(() => existsSync(xdsPath), 10_000, "the proxy's socket");
    return bootstrapOf({ kind: "sidecar", podName: name, namespace, xdsPath, adminPath: adminOf(name) });
  };
  const [client0, server0] = [await podOf("client"), await podOf(serviceName)];
  const pod = await startPodProcess(context, { podAddress: client0.address, endpointAddresses: [] });
  const serverPod = await startPodProcess(context, { podAddress: server0.address, endpointAddresses: [], neighbour: pod });
  const start = (at: typeof pod, name: string, bootstrap: Readonly<Record<string, unknown>>, core: 0 | 1) =>
    at.envoy({ name, bootstrap, adminPath: adminOf(name), folder: runDir, core });
  // These two have all from the control plane, and show it.
  await start(pod, client0.name, { ...(await bootstrapFor(client0)) }, 1);
  await start(serverPod, server0.name, { ...(await bootstrapFor(server0)) }, 1);
  const configured = await configuredPair({ client: adminOf(client0.name), server: adminOf(server0.name) }, host);
  await start(pod, "application", { ...backendBootstrap(adminOf("application"), ["127.0.0.1"], answer) }, 1);
  const pairs = new Map<string, Pair>();
  for (const variant of variants) {
    for (const copy of copies) {
      const number = pairs.size;
      const options = { reporting: parts[variant], ports: { client: ports.client + number, server: ports.server + number } };
      const [clientPod, serverPlace] = [await podOf("client"), await podOf(serviceName)];
      const clustersOf = ({ name }: PodPlace) => ({ ...options, clustersPath: join(runDir, `${name}.clusters.json`) });
      const server = serverBootstrap(await bootstrapFor(serverPlace), configured, clustersOf(serverPlace));
      const sidecar = clientBootstrap(await bootstrapFor(clientPod), configured, clustersOf(clientPod));
      const pids = {
        server: await start(pod, serverPlace.name, server, 0),
        client: await start(pod, clientPod.name, sidecar, 0),
      };
      pairs.set(nameOf(variant, copy), { pids, target: { address: "127.0.0.1", port: options.ports.client, host } });
    }
  }
  const pairOf = (variant: Variant, copy: Copy): Pair => {
    const found = pairs.get(nameOf(variant, copy));
    if (found === undefined) throw new Error(`${variant} was not started`);
    return found;
  };
  return { pod, pairOf };
}

function nameOf(variant: Variant, copy: Copy): string {
  return `${variant}-${copy}`;
}

const target = { standardRatio: 1.2 };

export const benchmark: Benchmark = {
  name: "telemetry-cost",
  summary: "CPU per request of two sidecars with metrics, access log and traces against none of them, at 1,000 requests a second",
  target,
  run,
};
