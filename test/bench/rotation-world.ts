// 1,000 proxies whose certificates are all renewed at once: how long a change of weights waits behind it.

import { existsSync } from "node:fs";
import { runFiles } from "../../src/app/config.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { cpuSeconds, memoryOf } from "./machine.ts";
import { rounded, summaryOf } from "./numbers.ts";
import { type SimulatedProxies, startSimulatedProxies } from "./simulated-proxies.ts";
import { oneChange } from "./weight-demo.ts";
import { createWorld, setWeight, type World } from "./world.ts";

const target = { longestDelayMs: 200 };
const sizes = {
  full: { services: 10, replicas: 50, proxies: 1000, rounds: 5, idleChanges: 40 },
  quick: { services: 5, replicas: 2, proxies: 20, rounds: 1, idleChanges: 5 },
};
const syncedMs = 180_000;
const rotatedMs = 60_000;

interface RotationWorld {
  readonly controlPlane: ControlPlane;
  readonly world: World;
  readonly simulated: SimulatedProxies;
  readonly proxies: number;
}

async function run(context: BenchContext): Promise<Outcome> {
  const size = context.quick ? sizes.quick : sizes.full;
  const here = await startWorld(context, size);
  const idle: number[] = [];
  for (let index = 0; index < size.idleChanges; index += 1) idle.push(await changeMs(here, index));
  const rounds = [];
  for (let round = 0; round < size.rounds; round += 1) {
    rounds.push(await rotate(here, round));
    context.progress(`rotation ${round + 1} of ${size.rounds}: ${JSON.stringify(rounds.at(-1))}`);
  }
  const quiet = summaryOf(idle.slice(Math.floor(size.idleChanges / 4)));
  const longestMs = Math.max(...rounds.map(({ changeMs: { max } }) => max));
  const measured = {
    proxies: here.proxies,
    /** From the PATCH to the last acknowledgement, with nothing else going on. */
    idleChangeMs: quiet,
    /** The same while every proxy gets a new certificate. */
    rotations: rounds,
    longestDelayMs: rounded(longestMs - quiet.median),
    ...memoryOf(here.controlPlane.pid),
  };
  return { measured, reached: { longestDelayMs: measured.longestDelayMs <= target.longestDelayMs } };
}

async function startWorld(context: BenchContext, size: (typeof sizes)["full"]): Promise<RotationWorld> {
  const controlPlane = await startControlPlane(context);
  const { client, runDir } = controlPlane;
  const world = await createWorld(client, size, context);
  const places = [...world.proxies, world.real].map(({ uid, name, namespace }) => ({
    socketPath: runFiles.xdsSocket(runDir, uid),
    nodeId: `${name}.${namespace}`,
  }));
  await eventually(() => places.every(({ socketPath }) => existsSync(socketPath)), syncedMs, "the proxies' sockets");
  const simulated = await startSimulatedProxies(context, places);
  await eventually(async () => (await client.status()).proxies.synced === places.length, syncedMs, "all proxies' acknowledgement");
  context.progress(`${places.length} proxies have everything`);
  return { controlPlane, world, simulated, proxies: places.length };
}

async function changeMs({ controlPlane, world }: RotationWorld, index: number): Promise<number> {
  const { client } = controlPlane;
  return (await oneChange(client, () => setWeight(client, world.service.name, 1 + (index % 98)))).wholeMs;
}

/** Renews all certificates, and changes weights without a pause until every proxy has its new one. */
async function rotate(here: RotationWorld, round: number) {
  const { controlPlane, simulated, proxies } = here;
  await simulated.receipt();
  const cpuBefore = cpuSeconds(controlPlane.pid);
  const start = performance.now();
  await controlPlane.client.renewCertificates();
  const changes: number[] = [];
  let renewed = 0;
  while (renewed < proxies) {
    if (performance.now() - start > rotatedMs) throw new Error(`${renewed} of ${proxies} proxies have a new certificate`);
    changes.push(await changeMs(here, round * 31 + changes.length));
    renewed += (await simulated.receipt()).types["sds"]?.responses ?? 0;
  }
  return {
    wholeMs: rounded(performance.now() - start),
    cpuSeconds: rounded(cpuSeconds(controlPlane.pid) - cpuBefore, 3),
    changeMs: summaryOf(changes),
  };
}

export const benchmark: Benchmark = {
  name: "rotation-world",
  summary: "1,000 simulated proxies get new certificates at once: how long a weight change waits",
  target,
  run,
};
