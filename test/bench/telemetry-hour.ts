// Memory of what is collected over an hour of churn: 50 proxies report once a second, one in fifty is replaced every ten seconds; an hour of their time, as
// fast as it goes. In this process, so that the garbage collector can be asked for what is really kept.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Collector } from "../../src/telemetry/collector.ts";
import { joinParts } from "../../src/telemetry/composite-tags.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { rounded, summaryOf } from "./numbers.ts";
import { ProxyReport } from "./proxy-report.ts";

const sizes = { full: { proxies: 50, seconds: 3600 }, quick: { proxies: 10, seconds: 300 } };
const replaceEveryS = 10;
const lookEveryS = 300;
const neighbours = 12;
const totalPerSecond = 2000;

async function run(context: BenchContext): Promise<Outcome> {
  const { proxies, seconds } = context.quick ? sizes.quick : sizes.full;
  const startMs = 1_800_000_000_000;
  const pods = new Pods(proxies);
  const collector = new Collector({ sinceMs: startMs, peerOf: () => undefined, ownOf: (id) => pods.ownOf(id) });
  const running = Array.from({ length: proxies }, (_, index) => pods.start(index, startMs));
  const collectGarbage = exposedGarbageCollector();
  const heapMb: number[] = [];
  let cpuMs = 0;
  for (let second = 1; second <= seconds; second += 1) {
    const nowMs = startMs + second * 1000;
    const replaced = second % replaceEveryS === 0 ? (second / replaceEveryS) % proxies : undefined;
    for (const [index, { id, report }] of running.entries()) {
      report.count();
      const bytes = report.bytes(nowMs);
      const before = process.cpuUsage();
      collector.receive(id, bytes, nowMs);
      cpuMs += usedMs(before);
      if (index !== replaced) continue;
      collector.end(id);
      running[index] = pods.start(index, nowMs);
    }
    if (second % 60 === 0) collector.expire(nowMs);
    if (second % lookEveryS !== 0) continue;
    collectGarbage();
    heapMb.push(rounded(process.memoryUsage().heapUsed / 1e6 + process.memoryUsage().arrayBuffers / 1e6, 1));
    context.progress(`${second} s: ${heapMb.at(-1)} MB kept, ${pods.started} pods so far`);
    await new Promise((resolve) => setImmediate(resolve));
    if (context.signal.aborted) break;
  }
  const [early, late] = [heapMb[Math.floor(heapMb.length / 2)] ?? 0, heapMb.at(-1) ?? 0];
  return {
    measured: {
      pods: pods.started,
      requestsPerSecond: Math.round(totalPerSecond / proxies) * proxies,
      keptMb: heapMb,
      /** Of the second half hour over the first. */
      growthMb: rounded(late - early, 1),
      samplesMb: rounded(collector.store.report().bytes / 1e6, 1),
      cpuPercentOfACore: rounded((100 * cpuMs) / (seconds * 1000), 2),
      cpuPerReportMs: summaryOf([cpuMs / (seconds * proxies)], 3).median,
    },
    reached: { growthPercent: late - early <= (target.growthPercent / 100) * early },
  };
}

/** Pods of so many workloads, one at a time of each; all of them report, those that came and went had names of their own. */
class Pods {
  started = 0;
  readonly #names: readonly string[];
  readonly #workloads = new Map<string, string>();

  constructor(workloads: number) {
    this.#names = Array.from({ length: workloads }, (_, index) => `svc${index}`);
  }

  start(index: number, nowMs: number): { readonly id: string; readonly report: ProxyReport } {
    this.started += 1;
    const names = this.#names;
    const others = Array.from({ length: neighbours }, (_, step) => names[(index + step + 1) % names.length] ?? "");
    const plan = { calls: others, callers: others, namespace: "bench", requestsPerSecond: Math.round(totalPerSecond / names.length) };
    const id = `pod-${this.started}.bench`;
    this.#workloads.set(id, joinParts([names[index] ?? "", "bench", names[index] ?? "", "v1"]));
    return { id, report: new ProxyReport(plan, nowMs) };
  }

  ownOf(id: string): { readonly workload: string; readonly principal: string } {
    return { workload: this.#workloads.get(id) ?? "", principal: "" };
  }
}

function usedMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Node hides it behind a flag that can be set while it runs. */
function exposedGarbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("the garbage collector can't be called");
  return () => void collect();
}

/** Growth of what is kept in the second half hour: the history in steps of ten seconds, which is full after six hours. */
const target = { growthPercent: 10 };

export const benchmark: Benchmark = {
  name: "telemetry-hour",
  summary: "memory of the collected telemetry over an hour of 50 proxies with pods coming and going",
  target,
  run,
};
