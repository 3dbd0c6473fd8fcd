// Folders and processes of a benchmark that vanish with it, also when it is killed: children die with their parent, and a detached
// shell removes the folder.

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "../../src/platform/local/tools.ts";
import type { BenchContext } from "./benchmark.ts";
import { pinned } from "./machine.ts";

const stopMs = 15_000;

/** A new folder with a short path (Unix sockets lie in it). */
export function temporaryFolder({ cleanup }: Pick<BenchContext, "cleanup">): string {
  const folder = mkdtempSync(join(tmpdir(), "lb-"));
  const janitor = spawn("sh", ["-c", 'read -r _; sleep 1; rm -rf "$1"', "lateen-bench-janitor", folder], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
  });
  janitor.unref();
  cleanup.defer(() => {
    rmSync(folder, { recursive: true, force: true });
    janitor.kill("SIGKILL");
  });
  return folder;
}

export interface ChildOptions extends SpawnOptions {
  /** Keeps it on this core. */
  readonly core?: 0 | 1;
  /** What it gets when this process is killed hard; default SIGKILL. */
  readonly whenOrphaned?: "KILL" | "TERM";
}

/** Starts a program that does not outlive this process. */
export function startProcess(command: readonly string[], { core, whenOrphaned = "KILL", ...options }: ChildOptions): ChildProcess {
  const setpriv = findTool("setpriv");
  const tied = setpriv === undefined ? [] : [setpriv, "--pdeathsig", whenOrphaned];
  const [program = "", ...args] = [...tied, ...(core === undefined ? [] : pinned(core)), ...command];
  return spawn(program, args, options);
}

/** Ends a child with a signal, and after 15 s with SIGKILL; resolves when it is gone. */
export async function stopProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
  await exited;
  clearTimeout(timer);
}
