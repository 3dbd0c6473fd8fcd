// Runs one system program to its end with text on its stdin; what it printed on stderr is the error.

import { spawn } from "node:child_process";
import { MeshError } from "../../lib/errors.ts";

export interface ToolRun {
  readonly program: string;
  readonly args: readonly string[];
  readonly input: string;
  /** Wraps the fork, e.g. to enter a namespace. */
  readonly around?: <T>(fork: () => T) => T;
}

/** Resolves when the program exits with 0; rejects with its stderr otherwise. */
export function runTool(run: ToolRun): Promise<void> {
  const fork = () => spawn(run.program, run.args, { stdio: ["pipe", "ignore", "pipe"], env: {} });
  const child = run.around === undefined ? fork() : run.around(fork);
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString("utf8")).slice(-4096);
  });
  child.stdin.on("error", () => {});
  child.stdin.end(run.input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new MeshError("internal", `${run.program} ${run.args.join(" ")} failed: ${stderr.trim()}`));
    });
  });
}
