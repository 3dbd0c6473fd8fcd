// Runs one command inside a running container: same namespaces, limits and environment as its application.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { MeshError } from "../../lib/errors.ts";
import { type Credentials, exitOf, setprivArguments } from "./isolated-process.ts";
import { inNamespaces, openProcessNamespaces, type PodNamespaces } from "./namespaces.ts";
import type { ExecResult, ExecSpec } from "./sandbox.ts";
import type { Tools } from "./tools.ts";

const maxOutputBytes = 64 * 1024;

/** Where and as what the command runs. */
export interface ExecTarget {
  readonly tools: Tools;
  readonly namespaces: PodNamespaces;
  /** Init of the container. */
  readonly pid: number;
  readonly credentials: Credentials;
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
}

/** `env -i` arguments that give a command exactly this environment. */
export function envArguments(env: Readonly<Record<string, string>>, argv: readonly string[]): readonly string[] {
  const command = argv[0] ?? "";
  if (command.includes("=")) throw new MeshError("invalid", `the command "${command}" contains "="`, { fix: "Rename the program." });
  return ["-i", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...argv];
}

function spawnInside(target: ExecTarget, spec: ExecSpec): ChildProcess {
  const { tools, namespaces } = target;
  const own = openProcessNamespaces(target.pid);
  try {
    return inNamespaces({ ...namespaces, ...own }, () =>
      spawn(tools.setpriv, [...setprivArguments(target.credentials), tools.env, ...envArguments(target.env, spec.argv)], {
        cwd: target.workingDir,
        env: {},
        // A group of its own, so that a timeout ends the command with its children.
        detached: true,
        stdio: ["pipe", "pipe", "pipe"],
      }),
    );
  } finally {
    closeSync(own.pid);
    closeSync(own.mnt);
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // Already gone.
  }
}

/** Runs the command to its end; never rejects for what the command does, only when it can't be started. */
export function execInContainer(target: ExecTarget, spec: ExecSpec): Promise<ExecResult> {
  const child = spawnInside(target, spec);
  let output = "";
  let timedOut = false;
  const collect = (stream: "stdout" | "stderr") => (chunk: Buffer) => {
    if (output.length < maxOutputBytes) output += chunk.toString("utf8").slice(0, maxOutputBytes - output.length);
    spec.onOutput?.(stream, chunk);
  };
  child.stdout?.on("data", collect("stdout"));
  child.stderr?.on("data", collect("stderr"));
  // The command may end without reading its input.
  child.stdin?.on("error", () => {});
  child.stdin?.end(spec.input);
  const expire = (): void => {
    timedOut = true;
    killGroup(child);
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const timer = spec.timeoutMs === undefined ? undefined : setTimeout(expire, spec.timeoutMs);
  return new Promise<ExecResult>((resolve, reject) => {
    child.once("error", (error) => reject(new MeshError("internal", `cannot run ${spec.argv[0]}: ${error.message}`, { cause: error })));
    child.once("close", (code, signal) => resolve({ ...exitOf(code, signal), output, timedOut }));
  }).finally(() => clearTimeout(timer));
}
