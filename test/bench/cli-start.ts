// How long commands take that a person types often, start to end, with the demo's shop running: the built program as a process of its own each time.

import type { BenchContext, Benchmark, Outcome } from "./benchmark.ts";
import { summaryOf } from "./numbers.ts";
import { type ShopMesh, startShop } from "./shop-mesh.ts";
import { startProcess } from "./workspace.ts";

const target = { helpMedianMs: 80, commandMedianMs: 150 };
const rounds = { full: 15, quick: 2 };

const commands = {
  help: ["--help"],
  getPods: ["get", "pods"],
  stat: ["stat"],
  graph: ["graph"],
  getReleases: ["get", "releases"],
  traceList: ["trace", "list"],
  status: ["status"],
} as const;
const names = [
  "help",
  "getPods",
  "stat",
  "graph",
  "getReleases",
  "traceList",
  "status",
] as const satisfies readonly (keyof typeof commands)[];

async function run(context: BenchContext): Promise<Outcome> {
  const mesh = await startShop(context);
  const samples: Record<(typeof names)[number] | "node", number[]> = {
    node: [],
    help: [],
    getPods: [],
    stat: [],
    graph: [],
    getReleases: [],
    traceList: [],
    status: [],
  };
  // The first start of each fills Node's compile cache.
  for (const name of names) await timed(mesh, [context.program, ...commands[name]]);
  for (let round = 0; round < (context.quick ? rounds.quick : rounds.full); round += 1) {
    samples.node.push(await timed(mesh, ["-e", "0"]));
    for (const name of names) samples[name].push(await timed(mesh, [context.program, ...commands[name]]));
  }
  const ms = Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, summaryOf(values, 0)]));
  const slowest = Math.max(...names.filter((name) => name !== "help").map((name) => summaryOf(samples[name]).median));
  return {
    measured: { ms },
    reached: { helpMedianMs: summaryOf(samples.help).median < target.helpMedianMs, commandMedianMs: slowest < target.commandMedianMs },
  };
}

/** Milliseconds from the process's start to its end. @throws Error when it fails. */
async function timed({ env }: ShopMesh, args: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const child = startProcess([process.execPath, ...args], { env, stdio: "ignore", core: 0 });
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("exit", resolve));
  if (code !== 0) throw new Error(`lateen ${args.slice(1).join(" ")} ended with ${String(code)}`);
  return performance.now() - startedMs;
}

export const benchmark: Benchmark = {
  name: "cli-start",
  summary: "--help, get, stat, graph and other commands from start to end, with the shop running",
  target,
  run,
};
