// Namespaces as file descriptors: a pod's namespaces are held open by the node process alone (no pause process), so they vanish with it.
// setns and unshare move only the calling thread; everything here is synchronous on the main thread and always moves back.

import { closeSync, openSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { CloneFlag, setHostname, setns, unshare } from "./syscalls.ts";

type Kind = "net" | "uts" | "ipc" | "pid" | "mnt";

/** Descriptors of namespaces to enter. `pid` and `newPid` count for children only (that is how the kernel does it). */
export interface EnterOptions {
  readonly net?: number;
  readonly uts?: number;
  readonly ipc?: number;
  readonly pid?: number;
  readonly mnt?: number;
  readonly newPid?: boolean;
  readonly newMount?: boolean;
}

/** The namespaces that all containers of a pod share. */
export interface PodNamespaces {
  readonly net: number;
  readonly uts: number;
  readonly ipc: number;
}

const kinds: readonly Kind[] = ["net", "uts", "ipc", "pid", "mnt"];
let homes: Readonly<Record<Kind, number>> | undefined;

function openNamespace(kind: Kind): number {
  return openSync(`/proc/thread-self/ns/${kind}`, "r");
}

function homeNamespaces(): Readonly<Record<Kind, number>> {
  if (!isMainThread) throw new Error("namespaces are entered on the main thread only: PDEATHSIG and spawn follow the thread");
  homes ??= {
    net: openNamespace("net"),
    uts: openNamespace("uts"),
    ipc: openNamespace("ipc"),
    pid: openNamespace("pid"),
    mnt: openNamespace("mnt"),
  };
  return homes;
}

/** The working directory may have been removed meanwhile. */
function goTo(directory: string): void {
  try {
    process.chdir(directory);
  } catch {
    process.chdir("/");
  }
}

function returnHome(kindsToLeave: readonly Kind[], workingDirectory: string): void {
  const home = homeNamespaces();
  try {
    for (const kind of kindsToLeave) setns(home[kind], CloneFlag[kind]);
    // Entering a mount namespace puts the thread's directory at its root.
    if (kindsToLeave.includes("mnt")) goTo(workingDirectory);
  } catch (error) {
    // A thread left in a pod's namespace would put everything that follows in the wrong place: nothing sane can go on.
    process.stderr.write(`cannot return to the node's namespaces: ${String(error)}\n`);
    process.abort();
  }
}

/** Runs `work` (synchronous!) inside other namespaces and comes back, whatever happens. */
export function inNamespaces<T>(options: EnterOptions, work: () => T): T {
  const home = homeNamespaces();
  const workingDirectory = process.cwd();
  const left: Kind[] = [];
  try {
    if (options.newMount === true) {
      unshare(CloneFlag.mnt);
      left.push("mnt");
    }
    for (const kind of kinds) {
      const fd = options[kind];
      if (fd === undefined || fd === home[kind]) continue;
      // The kernel refuses (EINVAL) while any other thread, such as libuv's pool, shares our root and working directory.
      if (kind === "mnt") unshare(CloneFlag.fs);
      setns(fd, CloneFlag[kind]);
      left.push(kind);
    }
    if (options.newPid === true) {
      unshare(CloneFlag.pid);
      left.push("pid");
    }
    return work();
  } finally {
    returnHome(left, workingDirectory);
  }
}

/** Makes the namespaces of one pod; the caller closes them with `closeNamespaces`. About 1 ms. */
export function createPodNamespaces(hostname: string): PodNamespaces {
  homeNamespaces();
  const workingDirectory = process.cwd();
  try {
    unshare(CloneFlag.net | CloneFlag.uts | CloneFlag.ipc);
    setHostname(hostname);
    return { net: openNamespace("net"), uts: openNamespace("uts"), ipc: openNamespace("ipc") };
  } finally {
    returnHome(["net", "uts", "ipc"], workingDirectory);
  }
}

/** Gives the namespaces up; they vanish with their last process and socket. */
export function closeNamespaces(namespaces: PodNamespaces): void {
  for (const fd of [namespaces.net, namespaces.uts, namespaces.ipc]) closeSync(fd);
}

/** Opens the PID and mount namespaces of a running process. */
export function openProcessNamespaces(pid: number): { pid: number; mnt: number } {
  const pidFd = openSync(`/proc/${pid}/ns/pid`, "r");
  try {
    return { pid: pidFd, mnt: openSync(`/proc/${pid}/ns/mnt`, "r") };
  } catch (error) {
    closeSync(pidFd);
    throw error;
  }
}
