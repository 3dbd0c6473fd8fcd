// `npm run -s bench -- <name>`: runs one benchmark and prints one JSON object on stdout; `--list` names them. Progress goes to stderr.

import { loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { envoyPathOf } from "../../src/app/config.ts";
import { parseArguments } from "./arguments.ts";
import type { Benchmark } from "./benchmark.ts";
import { catalogue } from "./catalogue.ts";

const exitCode = { ok: 0, failed: 1, usage: 64, interrupted: 130 } as const;
const root = fileURLToPath(new URL("../..", import.meta.url));
const say = (line: string) => void process.stderr.write(`${line}\n`);

async function list(): Promise<void> {
  for (const { name, load } of catalogue) {
    const { benchmark } = await load();
    process.stdout.write(`${name.padEnd(16)} ${benchmark.summary}\n`);
  }
}

async function measure(benchmark: Benchmark, quick: boolean): Promise<number> {
  const [load1 = Number.NaN] = loadavg();
  const abort = new AbortController();
  const stopped = new Promise<never>((_, reject) => abort.signal.addEventListener("abort", () => reject(new Error("stopped"))));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => abort.abort());
  const cleanup = new AsyncDisposableStack();
  const context = {
    root,
    program: join(root, "dist/main.js"),
    envoyPath: envoyPathOf(process.env),
    quick,
    signal: abort.signal,
    cleanup,
    progress: say,
  };
  try {
    const outcome = await Promise.race([benchmark.run(context), stopped]);
    const { name, target } = benchmark;
    const head = { name, load1: Number(load1.toFixed(2)), ...(quick ? { quick } : {}) };
    process.stdout.write(`${JSON.stringify({ ...head, target, ...outcome })}\n`);
    return exitCode.ok;
  } catch (error) {
    if (abort.signal.aborted) return exitCode.interrupted;
    say(`the benchmark ${benchmark.name} failed: ${error instanceof Error ? error.stack : String(error)}`);
    return exitCode.failed;
  } finally {
    await cleanup.disposeAsync();
  }
}

async function main(args: readonly string[]): Promise<number> {
  const request = parseArguments(
    args,
    catalogue.map(({ name }) => name),
  );
  if (request.kind === "mistake") {
    say(`${request.message}\nusage: npm run -s bench -- <name> [--quick] | --list`);
    return exitCode.usage;
  }
  if (request.kind === "list") {
    await list();
    return exitCode.ok;
  }
  const entry = catalogue.find(({ name }) => name === request.name);
  if (entry === undefined) return exitCode.usage;
  const { benchmark } = await entry.load();
  return measure(benchmark, request.quick);
}

process.exitCode = await main(process.argv.slice(2));
// What a stopped benchmark left under way must not keep the process.
process.exit();
