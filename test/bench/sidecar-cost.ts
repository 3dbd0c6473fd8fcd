// CPU of one Envoy per request: with the configuration we generate, against the same Envoy with one route written by hand.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { runFiles } from "../../src/app/config.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { startControlPlane } from "./control-plane.ts";
import { cpuSeconds, memoryOf } from "./machine.ts";
import { rounded, summaryOf } from "./numbers.ts";
import { backendBootstrap, minimalBootstrap } from "./plain-envoy.ts";
import { type PodProcess, startPodProcess, type Target } from "./pod-process.ts";
import { createWorld } from "./world.ts";

const counts = { full: { pairs: 8, seconds: 3 }, quick: { pairs: 2, seconds: 1 } };
const connections = 16;
const minimalPort = 18_001;

interface Place {
  readonly target: Target;
  readonly pid: number;
}

async function run(context: BenchContext): Promise<Outcome> {
  const { generated, minimal, pod } = await startEnvoys(context);
  const { pairs, seconds } = context.quick ? counts.quick : counts.full;
  // The first runs fill caches and are not counted.
  for (const place of [generated, minimal]) await costOf(pod, place, 1);
  const samples = [];
  for (let index = 0; index < pairs; index += 1) {
    const first = await costOf(pod, index % 2 === 0 ? generated : minimal, seconds);
    const second = await costOf(pod, index % 2 === 0 ? minimal : generated, seconds);
    const [ours, theirs] = index % 2 === 0 ? [first, second] : [second, first];
    context.progress(`pair ${index + 1} of ${pairs}: ${rounded(ours.cpuUs)} µs and ${rounded(theirs.cpuUs)} µs per request`);
    samples.push({ ours, theirs, ratio: ours.cpuUs / theirs.cpuUs });
  }
  const measured = {
    pairs,
    generatedCpuUs: summaryOf(samples.map(({ ours }) => ours.cpuUs)),
    minimalCpuUs: summaryOf(samples.map(({ theirs }) => theirs.cpuUs)),
    ratio: summaryOf(
      samples.map(({ ratio }) => ratio),
      3,
    ),
    generatedMedianMs: summaryOf(
      samples.map(({ ours }) => ours.medianMs),
      3,
    ),
    minimalMedianMs: summaryOf(
      samples.map(({ theirs }) => theirs.medianMs),
      3,
    ),
    requests: samples.reduce((sum, { ours, theirs }) => sum + ours.requests + theirs.requests, 0),
    failures: samples.reduce((sum, { ours, theirs }) => sum + ours.failures + theirs.failures, 0),
    generatedRssMb: memoryOf(generated.pid).rssMb,
    minimalRssMb: memoryOf(minimal.pid).rssMb,
  };
  return { measured, reached: {} };
}

async function costOf(pod: PodProcess, { target, pid }: Place, seconds: number) {
  const before = cpuSeconds(pid);
  const { requests, failures, medianMs } = await pod.load(target, { seconds, connections });
  return { cpuUs: ((cpuSeconds(pid) - before) * 1e6) / requests, requests, failures, medianMs };
}

/** Both Envoys on core 0, the backend (an Envoy too: cheaper than any Node server) and the client on core 1. */
async function startEnvoys(context: BenchContext) {
  const { client, runDir } = await startControlPlane(context);
  const { real, service } = await createWorld(client, { services: 5, proxies: 0 }, context);
  const pod = await startPodProcess(context, { podAddress: real.address, endpointAddresses: service.endpoints });
  const adminOf = (name: string) => join(runDir, `${name}.sock`);
  const start = (name: string, bootstrap: Readonly<Record<string, unknown>>, core: 0 | 1) =>
    pod.envoy({ name, bootstrap, adminPath: adminOf(name), folder: runDir, core });
  await start("backend", { ...backendBootstrap(adminOf("backend"), service.endpoints) }, 1);
  const [endpoint = ""] = service.endpoints;
  const minimal = {
    pid: await start("minimal", { ...minimalBootstrap(adminOf("minimal"), { port: minimalPort, endpoint }) }, 0),
    target: { address: "127.0.0.1", port: minimalPort, host: service.host },
  };
  const xdsPath = runFiles.xdsSocket(runDir, real.uid);
  await eventually(() => existsSync(xdsPath), 10_000, "the proxy's socket");
  const options = { kind: "sidecar", podName: real.name, namespace: real.namespace, xdsPath, adminPath: adminOf("real") } as const;
  const generated = {
    pid: await start("real", bootstrapOf(options), 0),
    target: { address: service.vip, port: 80, host: service.host },
  };
  return { generated, minimal, pod };
}

export const benchmark: Benchmark = {
  name: "sidecar-cost",
  summary: "CPU per request of an Envoy with our configuration against one with a minimal route",
  target: {},
  run,
};
