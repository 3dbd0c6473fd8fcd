// The command line as a user runs it: a process, its exit code, and what it said.

import { spawn } from "node:child_process";
import { dirname } from "node:path";
import type { TestMesh } from "./mesh.ts";
import { mainPath, root } from "./program.ts";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Default: a runtime directory in which nothing runs. */
  readonly runtimeDir?: string;
  readonly stdin?: string;
  readonly cwd?: string;
}

/** Runs `lateen <args>` to its end. */
export function lateen(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const env = { ...process.env, XDG_RUNTIME_DIR: options.runtimeDir ?? "/nonexistent", NO_COLOR: "1" };
  const child = spawn(process.execPath, [mainPath, ...args], { cwd: options.cwd ?? root, env, stdio: ["pipe", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(options.stdin ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs `lateen` on a test's mesh. */
export function lateenOn(mesh: TestMesh, args: readonly string[], stdin = ""): Promise<CliResult> {
  return lateen(["--mesh", "t", ...args], { runtimeDir: runtimeDirOf(mesh), stdin });
}

/** XDG_RUNTIME_DIR of a test's mesh. */
export function runtimeDirOf(mesh: TestMesh): string {
  return dirname(dirname(mesh.runDir));
}
