// What collecting costs the control plane: 50 proxies that report 2,000 requests a second in total once a second, a scrape of the whole mesh, and the graph.
// The proxies are simulated (their reports have a real one's form, labels and size), the control plane is the real one.

import { existsSync } from "node:fs";
import { request } from "node:http";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { runFiles } from "../../src/app/config.ts";
import type { ApiClient } from "../../src/http/client-types.ts";
import { eventually } from "../harness/eventually.ts";
import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { startControlPlane } from "./control-plane.ts";
import { Helper } from "./ipc-calls.ts";
import { cpuSeconds, memoryOf } from "./machine.ts";
import { rounded, summaryOf } from "./numbers.ts";
import { startProcess, stopProcess } from "./workspace.ts";
import { createWorld, namespace, serviceName } from "./world.ts";

const sizes = { full: { proxies: 50, seconds: 20, scrapes: 10 }, quick: { proxies: 6, seconds: 3, scrapes: 2 } };
const totalPerSecond = 2000;
/** Services that each proxy calls, and as many that call it: as in most meshes, and as where everybody calls nearly everybody. */
const densities = [5, 12] as const;

const receiptSchema = z.object({ reports: z.number(), bytes: z.number(), refused: z.number() });

async function run(context: BenchContext): Promise<Outcome> {
  const { proxies, seconds, scrapes } = context.quick ? sizes.quick : sizes.full;
  const { client, runDir, pid } = await startControlPlane(context);
  const services = Math.ceil(proxies / 2);
  const world = await createWorld(client, { services, proxies }, context);
  const idle = await cpuShare(pid, seconds / 2);
  const before = memoryOf(pid);
  const sockets = world.proxies.map(({ uid }) => runFiles.xdsSocket(runDir, uid));
  for (const path of sockets) await eventually(() => existsSync(path), 10_000, `${path}`);
  const helper = startReporter(context);
  const { metricsPort } = await client.status();
  if (metricsPort === undefined || metricsPort === 0) throw new Error("the control plane serves no metrics");
  const measured = [];
  for (const neighbours of densities) {
    await startReports(helper, { neighbours, services, sockets });
    const cost = await measureCost({ client, pid, metricsPort, helper }, { idle, seconds, scrapes });
    measured.push({ neighbours, ...cost });
    context.progress(`${neighbours} neighbours: ${cost.collectingCpuPercent} % of a core`);
  }
  const [usual] = measured;
  const common = { proxies, requestsPerSecond: Math.round(totalPerSecond / proxies) * proxies, cpuPercentIdle: rounded(100 * idle) };
  return {
    measured: { ...common, rssMbBefore: before.rssMb, byDensity: measured },
    reached: {
      collectingCpuPercent: (usual?.collectingCpuPercent ?? Number.POSITIVE_INFINITY) <= target.collectingCpuPercent,
      scrapeMs: (usual?.scrapeMs.median ?? Number.POSITIVE_INFINITY) < target.scrapeMs,
    },
  };
}

interface Traffic {
  readonly neighbours: number;
  readonly services: number;
  /** One per proxy. */
  readonly sockets: readonly string[];
}

/** Has every proxy report requests to and from its neighbours; what is counted begins once all series have. */
async function startReports(helper: Helper, { neighbours, services, sockets }: Traffic): Promise<void> {
  const names = Array.from({ length: services }, (_, index) => serviceName(index));
  const around = (index: number) => Array.from({ length: neighbours }, (_, step) => names[(index + step) % services] ?? "");
  await helper.call("start", {
    namespace,
    requestsPerSecond: Math.round(totalPerSecond / sockets.length),
    proxies: sockets.map((socketPath, index) => ({ socketPath, calls: around(index), callers: around(index + 1) })),
  });
  await pause(3000);
  await helper.call("receipt");
}

interface Measured {
  readonly client: ApiClient;
  /** The control plane's. */
  readonly pid: number;
  readonly metricsPort: number;
  readonly helper: Helper;
}

/** What the reports under way cost; `idle` is the CPU share without them. */
async function measureCost(
  { client, pid, metricsPort, helper }: Measured,
  { idle, seconds, scrapes }: { readonly idle: number; readonly seconds: number; readonly scrapes: number },
) {
  const busy = await cpuShare(pid, seconds);
  const receipt = receiptSchema.parse(await helper.call("receipt"));
  const scraped = await repeated(scrapes, 200, () => scrape(metricsPort));
  // An answer is kept for a moment: each of these is to be a new one.
  const edges = await repeated(scrapes, 1100, async () => {
    const startedMs = performance.now();
    const reply = await client.edges({ windowMs: 10_000 });
    return { ms: performance.now() - startedMs, count: reply.edges.length };
  });
  return {
    collectingCpuPercent: rounded(100 * (busy - idle)),
    bytesPerReport: Math.round(receipt.bytes / Math.max(1, receipt.reports)),
    reportsPerSecond: rounded(receipt.reports / seconds),
    refusedReports: receipt.refused,
    rssMb: memoryOf(pid).rssMb,
    scrapeMs: summaryOf(scraped.map(({ ms }) => ms)),
    scrapeMb: rounded((scraped.at(-1)?.bytes ?? 0) / 1e6),
    scrapeSeries: scraped.at(-1)?.series ?? 0,
    edgesMs: summaryOf(edges.map(({ ms }) => ms)),
    edges: edges.at(-1)?.count ?? 0,
  };
}

async function repeated<T>(times: number, gapMs: number, once: () => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let index = 0; index < times; index += 1) {
    results.push(await once());
    await pause(gapMs);
  }
  return results;
}

function startReporter(context: BenchContext): Helper {
  const program = fileURLToPath(new URL("report-program.ts", import.meta.url));
  const child = startProcess([process.execPath, "--disable-warning=ExperimentalWarning", program], {
    core: 1,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  context.cleanup.defer(() => stopProcess(child, "SIGKILL"));
  return new Helper(child);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** CPU seconds per second over a time. */
async function cpuShare(pid: number, seconds: number): Promise<number> {
  const [before, startedMs] = [cpuSeconds(pid), performance.now()];
  await pause(seconds * 1000);
  return (cpuSeconds(pid) - before) / ((performance.now() - startedMs) / 1000);
}

function scrape(port: number): Promise<{ readonly ms: number; readonly bytes: number; readonly series: number }> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const call = request({ host: "127.0.0.1", port, path: "/metrics", agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const ms = performance.now() - startedMs;
        const text = Buffer.concat(chunks);
        const series = text
          .toString("utf8")
          .split("\n")
          .filter((line) => line !== "" && !line.startsWith("#")).length;
        resolve({ ms, bytes: text.length, series });
      });
    });
    call.once("error", reject);
    call.end();
  });
}

const target = { collectingCpuPercent: 15, scrapeMs: 300 };

export const benchmark: Benchmark = {
  name: "telemetry-world",
  summary: "CPU of collecting from 50 proxies at 2,000 requests/s, a scrape of all, and the graph",
  target,
  run,
};
