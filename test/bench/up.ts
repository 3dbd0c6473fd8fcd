// `lateen up` with the demo's shop: time until its last pod is meshed and serving, where the time goes, and the processes' memory.

import { z } from "zod";
import type { RawResource } from "../../src/store/store.ts";
import { descendantsOf } from "../harness/processes.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { cpuSeconds, memoryOf, roleProcess } from "./machine.ts";
import { median, rounded, summaryOf } from "./numbers.ts";
import { type ShopMesh, startShop } from "./shop-mesh.ts";

const target = { upSeconds: 3, controlPlaneRssMb: 150 };
const runs = { full: 5, quick: 1 };

const podSchema = z.object({
  metadata: z.object({ name: z.string() }),
  status: z.object({
    startTime: z.string(),
    conditions: z.array(z.object({ type: z.string(), status: z.string(), lastTransitionTime: z.string() })),
    containerStatuses: z.array(z.object({ state: z.object({ running: z.object({ startedAt: z.string() }).optional() }) })),
  }),
});

async function run(context: BenchContext): Promise<Outcome> {
  const count = context.quick ? runs.quick : runs.full;
  const samples: Sample[] = [];
  for (let index = 0; index < count; index += 1) {
    const mesh = await startShop(context);
    const sample = await sampleOf(mesh);
    samples.push(sample);
    context.progress(`start ${index + 1} of ${count}: ${rounded(sample.upSeconds)} s`);
    await mesh.stop();
  }
  const of = (pick: (sample: Sample) => number) => summaryOf(samples.map(pick));
  const measured = {
    upSeconds: of((sample) => sample.upSeconds),
    controlPlaneRssMb: of((sample) => sample.controlPlane.rssMb),
    controlPlanePeakRssMb: of((sample) => sample.controlPlane.peakRssMb),
    nodeRssMb: of((sample) => sample.node.rssMb),
    /** Seconds since the command's start at which each phase was over, medians. */
    phases: mediansOf(samples.map(({ phases }) => phases)),
    /** CPU seconds of all processes together until then, medians: what decides where two cores are busy all the time. */
    cpuSeconds: mediansOf(samples.map(({ cpu }) => cpu)),
  };
  const reached = {
    upSeconds: measured.upSeconds.median < target.upSeconds,
    controlPlaneRssMb: measured.controlPlaneRssMb.max < target.controlPlaneRssMb,
  };
  return { measured, reached };
}

interface Sample {
  readonly upSeconds: number;
  readonly controlPlane: ReturnType<typeof memoryOf>;
  readonly node: ReturnType<typeof memoryOf>;
  readonly phases: Readonly<Record<string, number>>;
  readonly cpu: Readonly<Record<string, number>>;
}

async function sampleOf(mesh: ShopMesh): Promise<Sample> {
  const cpu = cpuOf(mesh.pid);
  const { items } = await mesh.client.list("Pod");
  return {
    upSeconds: mesh.readyMs / 1000,
    controlPlane: memoryOf(roleProcess(mesh.pid, "control-plane").pid),
    node: memoryOf(roleProcess(mesh.pid, "node").pid),
    phases: phases(mesh, items),
    cpu,
  };
}

/** By kind of process; what ran and ended (ip, nft) is not in it. */
function cpuOf(root: number): Readonly<Record<string, number>> {
  const sums = { controlPlane: 0, node: 0, supervisor: 0, envoys: 0, applications: 0 };
  for (const { pid, command } of descendantsOf(root)) sums[kindOf(command)] += spentBy(pid);
  return { ...sums, all: Object.values(sums).reduce((sum, value) => sum + value, 0) };
}

/** Zero for one that has just ended. */
function spentBy(pid: number): number {
  try {
    return cpuSeconds(pid);
  } catch {
    return 0;
  }
}

function kindOf(command: string) {
  if (command.includes('"role":"control-plane"')) return "controlPlane";
  if (command.includes('"role":"node"')) return "node";
  if (command.includes("--mesh b up")) return "supervisor";
  return /envoy -c /.test(command) ? "envoys" : "applications";
}

/** When each phase was over, in seconds since the command's start. Containers start as soon as their pod's Envoy is ready. */
function phases(mesh: ShopMesh, items: readonly RawResource[]): Readonly<Record<string, number>> {
  const pods = items.map((item) => podSchema.parse(item));
  const since = (time: string | undefined) => (time === undefined ? [] : [(Date.parse(time) - mesh.startedAt) / 1000]);
  const started = pods.flatMap(({ status }) => since(status.startTime));
  const containers = pods.flatMap(({ status }) => status.containerStatuses.flatMap(({ state }) => since(state.running?.startedAt)));
  const ready = pods.flatMap(({ status }) => since(status.conditions.find(({ type }) => type === "Ready")?.lastTransitionTime));
  const processes = mesh.lines.find(({ text }) => text.includes("control plane and node are up"));
  return {
    processesUp: (processes?.atMs ?? Number.NaN) / 1000,
    firstPodSeen: Math.min(...started),
    objectsApplied: Math.max(...started),
    firstEnvoyReady: Math.min(...containers),
    envoysReady: Math.max(...containers),
    applicationsReady: Math.max(...ready),
    reported: mesh.readyMs / 1000,
  };
}

function mediansOf(records: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const names = Object.keys(records[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, rounded(median(records.map((record) => record[name] ?? Number.NaN)))]));
}

export const benchmark: Benchmark = {
  name: "up",
  summary: "`lateen up` with the demo: time to the last pod meshed and serving, phases, memory",
  target,
  run,
};
