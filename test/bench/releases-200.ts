// 200 releases at one decision per second each: the share of a core that deciding, storing and recording take, and the meshes that are made meanwhile.

import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { memoryOf } from "./machine.ts";
import { rounded } from "./numbers.ts";
import { startReleasesWorld } from "./releases-world.ts";

const sizes = { full: { releases: 200, seconds: 60, warmUp: 20 }, quick: { releases: 20, seconds: 5, warmUp: 3 } };
const settleMs = 120_000;

async function run(context: BenchContext): Promise<Outcome> {
  const { releases, seconds, warmUp } = context.quick ? sizes.quick : sizes.full;
  const world = startReleasesWorld(context, releases);
  await eventually(() => world.running() === releases, settleMs, `${releases} releases at their step`);
  context.progress(`${releases} releases run`);
  await pause(warmUp * 1000);
  const before = {
    cpu: process.cpuUsage(),
    at: performance.now(),
    meshes: world.meshes(),
    judged: world.judged(),
    revision: world.store.revision,
  };
  await pause(seconds * 1000);
  const { user, system } = process.cpuUsage(before.cpu);
  const passed = (performance.now() - before.at) / 1000;
  const per = (value: number) => rounded(value / passed);
  const cpuPercent = rounded((user + system) / 1e4 / passed);
  const measured = {
    releases,
    cpuPercent,
    judgedPerSecond: per(world.judged() - before.judged),
    writesPerSecond: per(world.store.revision - before.revision),
    meshesPerSecond: per(world.meshes() - before.meshes),
    stillRunning: world.running(),
    rssMb: memoryOf(process.pid).rssMb,
  };
  const wasDecided = measured.judgedPerSecond > 0.95 * releases && measured.stillRunning > 0.95 * releases;
  return { measured, reached: { cpuPercent: cpuPercent <= target.cpuPercent, decisions: wasDecided } };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const target = { cpuPercent: 20 };

export const benchmark: Benchmark = {
  name: "releases-200",
  summary: "200 releases at one decision a second each: share of a core",
  target,
  run,
};
