// The world of weight-world and structure-world, running: control plane, 100 simulated proxies, one real Envoy with a client behind it.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { runFiles } from "../../src/app/config.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext } from "./benchmark.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { cpuSeconds, memoryOf } from "./machine.ts";
import { rounded } from "./numbers.ts";
import { type PodProcess, startPodProcess, type Target } from "./pod-process.ts";
import { type SimulatedProxies, startSimulatedProxies } from "./simulated-proxies.ts";
import { oneChange } from "./weight-demo.ts";
import { createWorld, type World, worldSizes } from "./world.ts";

const syncedMs = 120_000;

export interface LargeWorld {
  readonly controlPlane: ControlPlane;
  readonly world: World;
  readonly simulated: SimulatedProxies;
  readonly pod: PodProcess;
  /** What the real Envoy's application asks. */
  readonly target: Target;
  /** How the start went. */
  readonly start: Readonly<Record<string, unknown>>;
}

/** Makes all of it and waits until every proxy has acknowledged everything. */
export async function startLargeWorld(context: BenchContext): Promise<LargeWorld> {
  const size = context.quick ? worldSizes.quick : worldSizes.full;
  const controlPlane = await startControlPlane(context);
  const { client, pid, runDir } = controlPlane;
  const before = performance.now();
  const world = await createWorld(client, size, context);
  const worldSeconds = (performance.now() - before) / 1000;
  const cpuBefore = cpuSeconds(pid);
  const connectedAt = performance.now();
  const places = world.proxies.map(({ uid, name, namespace }) => ({
    socketPath: runFiles.xdsSocket(runDir, uid),
    nodeId: `${name}.${namespace}`,
  }));
  await eventually(() => places.every(({ socketPath }) => existsSync(socketPath)), syncedMs, "the proxies' sockets");
  const simulated = await startSimulatedProxies(context, places);
  const pod = await startRealEnvoy(context, controlPlane, world);
  await eventually(async () => (await client.status()).proxies.synced === size.proxies + 1, syncedMs, "all proxies' acknowledgement");
  const connectSeconds = (performance.now() - connectedAt) / 1000;
  const { bytes } = await simulated.receipt();
  const start = {
    ...size,
    worldSeconds: rounded(worldSeconds),
    connectSeconds: rounded(connectSeconds),
    connectCpuSeconds: rounded(cpuSeconds(pid) - cpuBefore),
    connectMb: rounded(bytes / 1e6, 1),
    ...memoryOf(pid),
  };
  context.progress(`all proxies have everything: ${JSON.stringify(start)}`);
  return { controlPlane, world, simulated, pod, target: { address: world.service.vip, port: 80, host: world.service.host }, start };
}

async function startRealEnvoy(context: BenchContext, { runDir }: ControlPlane, { real, service }: World): Promise<PodProcess> {
  const pod = await startPodProcess(context, { podAddress: real.address, endpointAddresses: service.endpoints });
  for (const [index, address] of service.endpoints.entries()) await pod.backend(address, 8080, `v${index + 1}`);
  const adminPath = join(runDir, "admin.sock");
  const xdsPath = runFiles.xdsSocket(runDir, real.uid);
  const bootstrap = bootstrapOf({ kind: "sidecar", podName: real.name, namespace: real.namespace, xdsPath, adminPath });
  await pod.envoy({ bootstrap, adminPath, folder: runDir, name: "real", core: 1 });
  return pod;
}

export interface ChangeSample {
  /** From the start of the PATCH to the answer that every proxy acknowledged. */
  readonly lastAckMs: number;
  readonly cpuMs: number;
  readonly bytes: number;
  readonly responses: number;
  /** "rtds weights", … */
  readonly resources: readonly string[];
  readonly removed: readonly string[];
}

/** One change, from the API to the last acknowledgement, and what it cost. */
export async function measureChange(
  { controlPlane, simulated }: LargeWorld,
  change: () => ReturnType<ControlPlane["client"]["patch"]>,
): Promise<ChangeSample> {
  const cpuBefore = cpuSeconds(controlPlane.pid);
  const { wholeMs } = await oneChange(controlPlane.client, change);
  const cpuMs = (cpuSeconds(controlPlane.pid) - cpuBefore) * 1000;
  const { bytes, responses, types } = await simulated.receipt();
  const resources = Object.entries(types).flatMap(([type, { names }]) => names.map((name) => `${type} ${name}`));
  const removed = Object.entries(types).flatMap(([type, { removed: names }]) => names.map((name) => `${type} ${name}`));
  return { lastAckMs: wholeMs, cpuMs, bytes, responses, resources, removed };
}
