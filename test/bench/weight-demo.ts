// With the demo's shop running: one weight change → every proxy acknowledged, as a client of the API sees it.

import { z } from "zod";
import type { ApiClient } from "../../src/http/client-types.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { cpuSeconds, roleProcess } from "./machine.ts";
import { rounded, summaryOf } from "./numbers.ts";
import { startShop } from "./shop-mesh.ts";

const target = { medianMs: 10, p99Ms: 40 };
const changes = { full: 200, quick: 20 };
/** Before counting, so that the code that runs is the code that runs after a while. */
const warmUp = 20;

const ref = { kind: "VirtualService", namespace: "shop", name: "catalog" } as const;
const rule = { kind: "DestinationRule", namespace: "shop", name: "catalog" } as const;
/** The shop's catalog has one version at the start; its route is divided between two all the same. */
const subsets = ["v1", "v2"];
const routeSchema = z.object({ spec: z.object({ http: z.array(z.looseObject({ route: z.array(z.looseObject({})) })) }) });

async function run(context: BenchContext): Promise<Outcome> {
  const mesh = await startShop(context);
  const count = context.quick ? changes.quick : changes.full;
  const { client } = mesh;
  const { spec } = routeSchema.parse(await client.get(ref));
  const split = spec.http.map((rule) => ({ ...rule, route: subsets.map((subset) => ({ destination: { host: "catalog", subset } })) }));
  await client.patch(rule, { spec: { subsets: subsets.map((name) => ({ name, labels: { version: name } })) } });
  const changeTo = (weight: number) => client.patch(ref, { spec: { http: split.map((rule) => withWeight(rule, weight)) } });
  const pid = roleProcess(mesh.pid, "control-plane").pid;
  const samples: Sample[] = [];
  let cpuBefore = 0;
  for (let index = -warmUp; index < count; index += 1) {
    if (index === 0) cpuBefore = cpuSeconds(pid);
    const sample = await oneChange(client, () => changeTo(1 + ((index + warmUp) % 98)));
    if (index >= 0) samples.push(sample);
  }
  const cpuMs = ((cpuSeconds(pid) - cpuBefore) / count) * 1000;
  context.progress(`${count} changes done`);
  const empty = await emptyRoundTrips(client, count);
  const all = summaryOf(samples.map(({ wholeMs }) => wholeMs));
  const measured = {
    changes: count,
    proxies: samples.at(-1)?.proxies,
    /** From the start of the PATCH to the answer that all proxies acknowledged: two requests. */
    changeToAcknowledgedMs: all,
    patchMs: summaryOf(samples.map(({ patchMs }) => patchMs)),
    /** What two requests cost that do nothing; the rest is the control plane's work and the proxies' answer. */
    twoEmptyRequestsMs: summaryOf(empty),
    serverSideMs: rounded(all.median - summaryOf(empty).median),
    controlPlaneCpuMsPerChange: rounded(cpuMs),
  };
  const reached = { medianMs: all.median <= target.medianMs, p99Ms: all.p99 <= target.p99Ms };
  return { measured, reached };
}

function withWeight(rule: z.output<typeof routeSchema>["spec"]["http"][number], weight: number): unknown {
  return { ...rule, route: rule.route.map((destination, index) => ({ ...destination, weight: index === 0 ? 100 - weight : weight })) };
}

interface Sample {
  readonly wholeMs: number;
  readonly patchMs: number;
  readonly proxies: number;
}

/** One change through the API. @throws Error when a proxy didn't acknowledge. */
export async function oneChange(client: ApiClient, change: () => ReturnType<ApiClient["patch"]>): Promise<Sample> {
  const start = performance.now();
  const { object } = await change();
  const patched = performance.now();
  const reply = await client.waitAcknowledged(Number(object.metadata.resourceVersion));
  const end = performance.now();
  if (!reply.acknowledged || reply.done !== reply.total) throw new Error(`not acknowledged: ${JSON.stringify(reply)}`);
  return { wholeMs: end - start, patchMs: patched - start, proxies: reply.total };
}

async function emptyRoundTrips(client: ApiClient, count: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = performance.now();
    await client.waitAcknowledged(0);
    await client.waitAcknowledged(0);
    times.push(performance.now() - start);
  }
  return times;
}

export const benchmark: Benchmark = {
  name: "weight-demo",
  summary: "the demo: a weight change through the API until all proxies acknowledged it",
  target,
  run,
};
