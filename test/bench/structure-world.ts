// The same world as weight-world: one more route rule, to the last acknowledgement; only what changed may be sent.

import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { measureChange, startLargeWorld } from "./large-world.ts";
import { memoryOf } from "./machine.ts";
import { summaryOf } from "./numbers.ts";
import { serviceName, setWeight } from "./world.ts";

const counts = { full: 20, quick: 3 };
/** Longer than the time in which structural changes are collected, so that each one is alone. */
const pauseMs = 400;

async function run(context: BenchContext): Promise<Outcome> {
  const large = await startLargeWorld(context);
  const { client, pid } = large.controlPlane;
  const samples = [];
  const count = context.quick ? counts.quick : counts.full;
  for (let index = -1; index < count; index += 1) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const sample = await measureChange(large, () => setWeight(client, serviceName(7), 50, [ruleOf(index)]));
    // The first one warms the code up.
    if (index >= 0) samples.push(sample);
  }
  const resources = [...new Set(samples.flatMap((sample) => sample.resources))];
  const removed = [...new Set(samples.flatMap((sample) => sample.removed))];
  const measured = {
    start: large.start,
    changes: count,
    lastAckMs: summaryOf(samples.map(({ lastAckMs }) => lastAckMs)),
    controlPlaneCpuSeconds: summaryOf(
      samples.map(({ cpuMs }) => cpuMs / 1000),
      4,
    ),
    sentMb: summaryOf(
      samples.map(({ bytes }) => bytes / 1e6),
      3,
    ),
    responsesPerChange: summaryOf(samples.map(({ responses }) => responses)),
    resources,
    removed,
    ...memoryOf(pid),
  };
  // The rule's route table is one RDS resource; weights in motion may settle with it.
  const allowed = resources.every((resource) => resource === "rds 80" || resource.startsWith("rtds "));
  return { measured, reached: { onlyChangedResources: allowed && removed.length === 0 } };
}

function ruleOf(index: number): object {
  return {
    match: [{ uri: { prefix: `/rule-${index + 2}` } }],
    route: [{ destination: { host: serviceName(7), subset: "v1" } }],
  };
}

export const benchmark: Benchmark = {
  name: "structure-world",
  summary: "the same world: one more route rule",
  target: {},
  run,
};
