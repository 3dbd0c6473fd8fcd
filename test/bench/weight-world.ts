// 1,000 services with 2 endpoints, 100 simulated proxies and a real Envoy: one weight change, to the last acknowledgement and its effect.

import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { type LargeWorld, measureChange, startLargeWorld } from "./large-world.ts";
import { cpuSeconds, memoryOf } from "./machine.ts";
import { rounded, summaryOf } from "./numbers.ts";
import { setWeight } from "./world.ts";

const target = { lastAckMedianMs: 40, cpuSeconds: 0.05, sentKb: 200, rssMb: 350, effectiveMedianMs: 40 };
const counts = { full: { warmUp: 10, changes: 50, effective: 20 }, quick: { warmUp: 2, changes: 5, effective: 3 } };
/** Between changes, so that each one is alone. */
const pauseMs = 150;

async function run(context: BenchContext): Promise<Outcome> {
  const count = context.quick ? counts.quick : counts.full;
  const large = await startLargeWorld(context);
  const { controlPlane, world } = large;
  const change = (weight: number) => setWeight(controlPlane.client, world.service.name, weight);
  for (let index = 0; index < count.warmUp; index += 1) await measureChange(large, () => change(index + 1));
  const samples = [];
  for (let index = 0; index < count.changes; index += 1) {
    await pause();
    samples.push(await measureChange(large, () => change(index + 20)));
  }
  context.progress(`${count.changes} changes done`);
  const idleCpuMs = await idleCost(large, count.changes * pauseMs);
  const effective = await effects(large, count.effective);
  const lastAckMs = summaryOf(samples.map((sample) => sample.lastAckMs));
  const cpu = summaryOf(
    samples.map((sample) => sample.cpuMs / 1000),
    4,
  );
  const sentKb = summaryOf(samples.map(({ bytes }) => bytes / 1000));
  const memory = memoryOf(controlPlane.pid);
  const measured = {
    start: large.start,
    changes: samples.length,
    lastAckMs,
    controlPlaneCpuSeconds: cpu,
    idleCpuMsPerSecond: idleCpuMs,
    sentKb,
    resources: [...new Set(samples.flatMap(({ resources }) => resources))],
    /** On the real Envoy: from the start of the PATCH to the first answer by the new weights; no request may fail. */
    effectiveMs: summaryOf(effective.map(({ ms }) => ms)),
    failedRequests: effective.reduce((sum, { failures }) => sum + failures, 0),
    ...memory,
  };
  const reached = {
    lastAckMedianMs: lastAckMs.median <= target.lastAckMedianMs,
    cpuSeconds: cpu.median <= target.cpuSeconds,
    sentKb: sentKb.max <= target.sentKb,
    rssMb: memory.rssMb <= target.rssMb,
    effectiveMedianMs: measured.effectiveMs.median <= target.effectiveMedianMs,
  };
  return { measured, reached };
}

/** All traffic to one version and back, while a client of the real Envoy asks without pause. */
async function effects({ controlPlane, world, pod, target: place }: LargeWorld, count: number) {
  const results = [];
  const { client } = controlPlane;
  for (let index = 0; index < count; index += 1) {
    const isSecond = index % 2 === 1;
    await setWeight(client, world.service.name, isSecond ? 0 : 100);
    await pod.until(place, isSecond ? "v1" : "v2");
    await pause();
    const seen = pod.until(place, isSecond ? "v2" : "v1");
    // The client asks for a while under the old weights first.
    await pause();
    const start = performance.timeOrigin + performance.now();
    await setWeight(client, world.service.name, isSecond ? 100 : 0);
    const { atMs, failures } = await seen;
    results.push({ ms: atMs - start, failures });
  }
  return results;
}

async function idleCost({ controlPlane }: LargeWorld, ms: number): Promise<number> {
  const before = cpuSeconds(controlPlane.pid);
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, ms));
  return rounded(((cpuSeconds(controlPlane.pid) - before) * 1e6) / (performance.now() - start));
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pauseMs));
}

export const benchmark: Benchmark = {
  name: "weight-world",
  summary: "1,000 services, 100 simulated proxies and a real Envoy: one weight change",
  target,
  run,
};
