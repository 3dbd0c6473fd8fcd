// `lateen up` as a bare process, for tests of how it starts and ends.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { logsIn } from "./mesh.ts";
import { descendantsOf } from "./processes.ts";
import { mainPath, root } from "./program.ts";

const startMs = 60_000;

export interface UpOptions {
  /** XDG_RUNTIME_DIR. */
  readonly home: string;
  readonly mesh: string;
  readonly args: readonly string[];
  /** Default true: resolve when everything is ready. */
  readonly untilReady?: boolean;
}

export interface UpProcess {
  readonly pid: number;
  /** The exit code, or 128 + signal. */
  readonly exited: Promise<number>;
  said(): string;
  kill(signal: NodeJS.Signals): void;
}

/** Starts it. @throws Error with what it said when it ends before it is ready. */
export async function startUp({ home, mesh, args, untilReady = true }: UpOptions): Promise<UpProcess> {
  const env = { ...process.env, XDG_RUNTIME_DIR: home, NO_COLOR: "1" };
  const child = spawn(process.execPath, [mainPath, "--mesh", mesh, "up", ...args], { cwd: root, env, detached: true });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk;
    });
  }
  const exited = new Promise<number>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 128))),
  );
  const running = { pid: child.pid ?? 0, exited, said: () => text, kill: (signal: NodeJS.Signals) => void child.kill(signal) };
  if (!untilReady) return running;
  try {
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`lateen up ended with ${child.exitCode}`);
      return text.includes("everything is ready");
    }, startMs);
  } catch (error) {
    // Before the mesh's folder vanishes with it.
    const logs = logsIn(join(home, "lateen", mesh, "logs"));
    const processes = descendantsOf(child.pid ?? 0).map(({ pid, command }) => `${pid} ${command.slice(0, 200)}`);
    child.kill("SIGKILL");
    throw new Error(`${String(error)}; it said:\n${text}\n${processes.join("\n")}\n${logs}`);
  }
  return running;
}
