// Starts the node process (supervisor's side): its own network, PID, mount and UTS namespaces, and as an ordinary user a user namespace too.
// It is PID 1 of its PID namespace and dies with the supervisor's thread that started it, and everything below dies with it.

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { Unavailable } from "../../lib/errors.ts";
import { type Channel, childChannel, readyKind } from "./ipc.ts";
import { exitOf } from "./isolated-process.ts";
import type { Exit } from "./sandbox.ts";
import { findTool, packageOf, systemPath } from "./tools.ts";

export interface NodeProcessOptions {
  /** The program, usually the Node binary. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Default: true unless this process has the rights to make namespaces itself (root usually has). */
  readonly userNamespace?: boolean;
  /** How long until it must have called `announceReady`; default 15 s (it takes about 0.1 s). */
  readonly readyTimeoutMs?: number;
  /** Called with the channel before the first message can arrive. */
  readonly onStart?: (channel: Channel) => void;
  readonly onStderr?: (chunk: Buffer) => void;
}

export interface NodeProcess {
  /** PID of the wrapper; killing it kills everything. */
  readonly pid: number;
  readonly channel: Channel;
  readonly exited: Promise<Exit>;
  /** Closes the channel, the signal to end in order; after `graceMs` everything is killed. */
  stop(options: { readonly graceMs: number }): Promise<Exit>;
  kill(): void;
}

const keptStderrBytes = 8192;
const defaultReadyTimeoutMs = 15_000;

function requireProgram(name: "setpriv" | "unshare"): string {
  const path = findTool(name, systemPath);
  if (path !== undefined) return path;
  throw new Unavailable(`the program ${name} is not installed`, { fix: `Install the package ${packageOf[name]}.` });
}

const capNetAdmin = 12n;
const capSysAdmin = 21n;

/** Without CAP_SYS_ADMIN and CAP_NET_ADMIN (an ordinary user, or root in a container) only a user namespace of our own gives them. */
export function needsUserNamespace(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const needed = (1n << capNetAdmin) | (1n << capSysAdmin);
  return (BigInt(`0x${effective}`) & needed) !== needed;
}

/** The wrapper: dies with us, takes the namespace's PID 1 along, and with it everything inside. */
export function wrapperArguments(userNamespace: boolean): readonly string[] {
  const user = userNamespace ? ["-U", "-r"] : [];
  return [
    "--pdeathsig",
    "KILL",
    requireProgram("unshare"),
    ...user,
    "-n",
    "-m",
    "-p",
    "-u",
    "-i",
    "-f",
    "--kill-child=KILL",
    "--mount-proc",
  ];
}

function spawnNode(options: NodeProcessOptions): ChildProcess {
  const userNamespace = options.userNamespace ?? needsUserNamespace();
  return spawn(requireProgram("setpriv"), [...wrapperArguments(userNamespace), options.command, ...options.args], {
    cwd: options.cwd,
    env: options.env,
    // A session of its own: Ctrl-C in the terminal is for the supervisor, which then stops pods in order.
    detached: true,
    stdio: ["ignore", "inherit", "pipe", "ipc"],
  });
}

function untilReady(child: ChildProcess, channel: Channel, timeoutMs: number): Promise<void> {
  let kept = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    kept = (kept + chunk.toString("utf8")).slice(-keptStderrBytes);
  });
  return new Promise((resolve, reject) => {
    const fail = (what: string): void => {
      clearTimeout(timer);
      const said = kept.trim() === "" ? "" : `; it said: ${kept.trim()}`;
      reject(new Unavailable(`the node process ${what}${said}`, { fix: "Run `lateen check`: it tests what this machine allows." }));
    };
    const timer = setTimeout(() => fail(`was not ready within ${timeoutMs} ms`), timeoutMs);
    channel.onMessage((message) => {
      if (message.kind !== readyKind) return;
      clearTimeout(timer);
      resolve();
    });
    child.once("error", (error) => fail(`can't be started: ${error.message}`));
    child.once("close", (code, signal) => fail(`ended with ${signal ?? `exit code ${code}`} before it was ready`));
  });
}

function stopChild(child: ChildProcess, exited: Promise<Exit>, graceMs: number): Promise<Exit> {
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  return exited.finally(() => clearTimeout(timer));
}

/** Starts the node process; resolves when it has announced itself, rejects with what it printed when it ends before. Main thread only. */
export async function startNodeProcess(options: NodeProcessOptions): Promise<NodeProcess> {
  const child = spawnNode(options);
  const channel = childChannel(child);
  const exited = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve(exitOf(code, signal))));
  options.onStart?.(channel);
  if (options.onStderr !== undefined) child.stderr?.on("data", options.onStderr);
  try {
    await untilReady(child, channel, options.readyTimeoutMs ?? defaultReadyTimeoutMs);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return {
    pid: child.pid ?? 0,
    channel,
    exited,
    stop: ({ graceMs }) => stopChild(child, exited, graceMs),
    kill: () => void child.kill("SIGKILL"),
  };
}
