// `lateen up` as a bare process: what it says, and how it starts and ends.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { descendantsOf } from "./processes.ts";
import { mainPath, root } from "./program.ts";

const startMs = 120_000;

export interface UpOptions {
  /** XDG_RUNTIME_DIR. */
  readonly home: string;
  readonly mesh: string;
  readonly args: readonly string[];
  /** More environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default true: resolve when it is up, or has given up waiting for what isn't ready. */
  readonly untilUp?: boolean;
  /** Throws when what it said then isn't what the test needs. */
  readonly check?: (said: string) => void;
}

export interface UpProcess {
  readonly pid: number;
  /** The exit code, or 128 + signal. */
  readonly exited: Promise<number>;
  said(): string;
  kill(signal: NodeJS.Signals): void;
}

/** Starts it. @throws Error with what it said, and nothing of it is left, when it ends before it is up or the check throws. */
export async function startUp({ home, mesh, args, env: more = {}, untilUp = true, check = () => {} }: UpOptions): Promise<UpProcess> {
  const env = { ...process.env, NO_COLOR: "1", ...more, XDG_RUNTIME_DIR: home };
  const command = [mainPath, "--mesh", mesh, "up", ...args];
  const child = spawn(process.execPath, command, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
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
  if (!untilUp) return running;
  try {
    await eventually(() => {
      if (child.exitCode !== null) throw new Error(`lateen up ended with ${child.exitCode}`);
      return text.includes("end: Ctrl-C");
    }, startMs);
    check(text);
  } catch (error) {
    // Before the mesh's folder vanishes with it.
    const logs = logsIn(join(home, "lateen", mesh, "logs"));
    const processes = descendantsOf(child.pid ?? 0).map(({ pid, command }) => `${pid} ${command.slice(0, 200)}`);
    child.kill("SIGKILL");
    throw new Error(`${String(error)}; it said:\n${text}\n${processes.join("\n")}\n${logs}`);
  }
  return running;
}

/** The end of every log in a folder, for messages. */
function logsIn(folder: string): string {
  try {
    return readdirSync(folder)
      .map((name) => `== ${name}\n${readFileSync(join(folder, name), "utf8").slice(-2000)}`)
      .join("\n");
  } catch {
    return "";
  }
}
