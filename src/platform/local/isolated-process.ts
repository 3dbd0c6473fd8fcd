// One process as PID 1 of its own PID namespace, in a pod's namespaces and a mount namespace of its own, with limited capabilities.
// Node itself enters the namespaces and forks there: the child is our direct child, its exit code is the process's, killing it kills all.

import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { closeSync, fchownSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { MeshError } from "../../lib/errors.ts";
import { inNamespaces, type PodNamespaces } from "./namespaces.ts";
import { type OutputSink, openOutput } from "./output-log.ts";
import type { Exit } from "./sandbox.ts";
import { openPipe } from "./syscalls.ts";
import type { Tools } from "./tools.ts";

/** What containers usually get (Docker's set) without NET_RAW: NET_RAW and NET_ADMIN would let them set the proxy's mark. */
export const applicationCapabilities: readonly string[] = [
  "chown",
  "dac_override",
  "fsetid",
  "fowner",
  "setgid",
  "setuid",
  "setpcap",
  "net_bind_service",
  "sys_chroot",
  "kill",
  "audit_write",
  "mknod",
  "setfcap",
];
/** SO_MARK needs it. */
export const sidecarCapabilities: readonly string[] = ["net_admin"];

/** Limits of a process: capabilities it may have, and its user when not ours. */
export interface Credentials {
  readonly capabilities: readonly string[];
  readonly user?: number | undefined;
  readonly group?: number | undefined;
}

export interface IsolatedProcessOptions extends OutputSink {
  readonly tools: Tools;
  readonly namespaces: PodNamespaces;
  readonly credentials: Credentials;
  readonly argv: readonly string[];
  readonly workingDir: string;
  /** A file in the format of fstab(5), mounted over the fresh /proc by PID 2 before the process itself runs. */
  readonly fstab?: string;
  /** Runs inside the new mount namespace before the process exists; may throw. */
  readonly prepareMounts?: () => void;
  readonly onExit?: ((exit: Exit) => void) | undefined;
}

export interface IsolatedProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  kill(signal: NodeJS.Signals): boolean;
}

/** Arguments of setpriv that drop everything not listed. */
export function setprivArguments(credentials: Credentials): readonly string[] {
  const { user, group } = credentials;
  return [
    ...(group === undefined && user === undefined ? [] : ["--regid", String(group ?? user), "--clear-groups"]),
    ...(user === undefined ? [] : ["--reuid", String(user)]),
    "--bounding-set",
    ["-all", ...credentials.capabilities.map((name) => `+${name}`)].join(","),
    "--inh-caps=-all",
    "--ambient-caps=-all",
    "--no-new-privs",
    "--",
  ];
}

/** What Node reports -> what a shell would. */
export function exitOf(code: number | null, signal: NodeJS.Signals | null): Exit {
  if (signal !== null) return { exitCode: 128 + constants.signals[signal], signal };
  const exitCode = code ?? 1;
  const named = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128);
  return named === undefined ? { exitCode } : { exitCode, signal: named[0] };
}

function readPipe(fd: number, onData: (chunk: Buffer) => void): Promise<void> {
  const socket = new Socket({ fd, readable: true, writable: false });
  socket.on("data", onData);
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.once("error", () => resolve());
  });
}

interface Pipes {
  readonly stdout: { read: number; write: number };
  readonly stderr: { read: number; write: number };
}

/** The file comes as descriptor 3: its path may be hidden in there. */
const mountScript = 'mount=$1; shift; "$mount" -n -a -T /proc/self/fd/3 && exec 3<&- && exec "$@"';

function fork(options: IsolatedProcessOptions, pipes: Pipes): ChildProcess {
  const fstab = options.fstab === undefined ? undefined : openSync(options.fstab, "r");
  try {
    return forkWith(options, pipes, fstab);
  } finally {
    if (fstab !== undefined) closeSync(fstab);
  }
}

function forkWith(options: IsolatedProcessOptions, pipes: Pipes, fstab: number | undefined): ChildProcess {
  const { tools, namespaces } = options;
  const mounting = fstab === undefined ? [] : [tools.sh, "-c", mountScript, "sh", tools.mount];
  const enter = { net: namespaces.net, uts: namespaces.uts, ipc: namespaces.ipc, newMount: true, newPid: true };
  return inNamespaces(enter, () => {
    options.prepareMounts?.();
    const chain = ["--mount-proc", "--", ...mounting, tools.setpriv, ...setprivArguments(options.credentials), ...options.argv];
    // An empty environment: variables such as LD_PRELOAD must not act before the capabilities are gone.
    const stdio: StdioOptions = ["ignore", pipes.stdout.write, pipes.stderr.write, ...(fstab === undefined ? [] : [fstab])];
    return spawn(tools.unshare, chain, { cwd: options.workingDir, env: {}, stdio });
  });
}

function spawned(child: ChildProcess, argv: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("spawn", () => resolve(child.pid ?? 0));
    child.once("error", (error) => reject(new MeshError("internal", `cannot start ${argv.join(" ")}: ${error.message}`, { cause: error })));
  });
}

/** Starts the process; resolves once it exists. Its output goes to the sinks; `onExit` follows the last line. */
export async function startIsolatedProcess(options: IsolatedProcessOptions): Promise<IsolatedProcess> {
  // Real pipes: Node's own are sockets, which an application can't open again as /dev/stdout.
  const pipes: Pipes = { stdout: openPipe(), stderr: openPipe() };
  const { user, group } = options.credentials;
  // So that another user can open them too.
  if (user !== undefined) for (const { write } of [pipes.stdout, pipes.stderr]) fchownSync(write, user, group ?? user);
  let child: ChildProcess;
  try {
    child = fork(options, pipes);
  } catch (error) {
    closeSync(pipes.stdout.read);
    closeSync(pipes.stderr.read);
    throw error;
  } finally {
    closeSync(pipes.stdout.write);
    closeSync(pipes.stderr.write);
  }
  const output = openOutput(options);
  const ended = new Promise<Exit>((resolve) => child.once("exit", (code, signal) => resolve(exitOf(code, signal))));
  const drained = [
    readPipe(pipes.stdout.read, (chunk) => output.stdout.push(chunk)),
    readPipe(pipes.stderr.read, (chunk) => output.stderr.push(chunk)),
  ];
  const pid = await spawned(child, options.argv);
  const exited = (async () => {
    const exit = await ended;
    await Promise.all(drained);
    output.close();
    options.onExit?.(exit);
    return exit;
  })();
  return { pid, exited, kill: (signal) => child.kill(signal) };
}
