// A container: the application as PID 3 of its own PID namespace (2 protects files of the kernel and ends), under a tiny shell that reaps and passes the exit code on.
// (Signals with default action never reach a namespace's PID 1, so the application itself must not be it.)

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MeshError } from "../../lib/errors.ts";
import { envArguments, execInContainer } from "./exec.ts";
import { applicationCapabilities, type Credentials, type IsolatedProcess, startIsolatedProcess } from "./isolated-process.ts";
import { protectedKernelFiles } from "./kernel-files.ts";
import { mountContainerFiles } from "./mounts.ts";
import type { PodNamespaces } from "./namespaces.ts";
import type { Container, ContainerSpec, Exit } from "./sandbox.ts";
import { systemPath, type Tools } from "./tools.ts";

/** The pod a container starts in. */
export interface ContainerPod {
  readonly tools: Tools;
  readonly namespaces: PodNamespaces;
  readonly hostname: string;
  readonly runDir: string;
  readonly podDir: string;
}

// Runs the application in the foreground (a background job would have SIGINT ignored); the shell's own words about signals go nowhere.
const initScript = 'exec 3>&2 2>/dev/null\n(exec "$@" 2>&3 3>&-)\nexit $?';
const retrySignalMs = 5;

/** The application's PID as the node sees it: the child of the container's init that is PID 3 inside. */
export function applicationPid(initPid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${initPid}/task/${initPid}/children`, "utf8").trim().split(" ").filter(Boolean);
    return children.map(Number).find((pid) => /^NSpid:.*\t3$/m.test(readFileSync(`/proc/${pid}/status`, "utf8")));
  } catch {
    return undefined;
  }
}

function credentialsOf(spec: ContainerSpec): Credentials {
  const identities = [spec.runAsUser, spec.runAsGroup].filter((id) => id !== undefined && id !== 0);
  // An ordinary user's namespace has one identity only: itself, shown as 0.
  if (identities.length > 0 && readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/)[2] === "1") {
    throw new MeshError("invalid", `container ${spec.name} asks for user ${identities[0]}, but an ordinary user can run only as itself`, {
      fix: "Leave runAsUser and runAsGroup away, or run lateen as root.",
    });
  }
  return { capabilities: applicationCapabilities, user: spec.runAsUser, group: spec.runAsGroup };
}

function prepareMounts(spec: ContainerSpec, pod: ContainerPod): void {
  mountContainerFiles({ runDir: pod.runDir, podDir: pod.podDir, volumes: spec.volumes ?? [] });
  const directory = statSync(spec.workingDir, { throwIfNoEntry: false });
  if (directory?.isDirectory() === true) return;
  throw new MeshError("invalid", `the working directory ${spec.workingDir} of container ${spec.name} does not exist`, {
    fix: "Correct workingDir in lateen.yaml or in the manifest.",
  });
}

function signalApplication(process_: IsolatedProcess, signal: NodeJS.Signals): boolean {
  const pid = applicationPid(process_.pid);
  if (pid === undefined) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

async function stopContainer(running: IsolatedProcess, graceMs: number): Promise<Exit> {
  const deadline = performance.now() + graceMs;
  let ended = false;
  const end = running.exited.then(() => {
    ended = true;
  });
  // The application may not have been forked yet.
  while (!ended && !signalApplication(running, "SIGTERM") && performance.now() < deadline) await Promise.race([end, delay(retrySignalMs)]);
  const timer = setTimeout(() => running.kill("SIGKILL"), Math.max(0, deadline - performance.now()));
  try {
    return await running.exited;
  } finally {
    clearTimeout(timer);
  }
}

async function untilApplicationRuns(running: IsolatedProcess): Promise<void> {
  let ended = false;
  const end = running.exited.then(() => {
    ended = true;
  });
  while (!ended && applicationPid(running.pid) === undefined) await Promise.race([end, delay(retrySignalMs)]);
  if (ended) throw new MeshError("conflict", "the container has ended", { fix: "Wait until it runs again." });
}

/** Starts a container in a pod. Throws MeshError for what a manifest can get wrong. */
export async function startContainer(spec: ContainerSpec, pod: ContainerPod): Promise<Container> {
  const { tools, namespaces } = pod;
  const env = { PATH: systemPath, HOSTNAME: pod.hostname, ...spec.env };
  const credentials = credentialsOf(spec);
  const fstab = join(pod.podDir, "fstab");
  writeFileSync(fstab, protectedKernelFiles());
  const running = await startIsolatedProcess({
    tools,
    namespaces,
    credentials,
    argv: [tools.sh, "-c", initScript, "sh", tools.env, ...envArguments(env, spec.argv)],
    workingDir: spec.workingDir,
    fstab,
    prepareMounts: () => prepareMounts(spec, pod),
    logFile: spec.logFile,
    onLog: spec.onLog,
    onExit: spec.onExit,
  });
  return {
    name: spec.name,
    pid: running.pid,
    exited: running.exited,
    kill: () => void running.kill("SIGKILL"),
    stop: ({ graceMs }) => stopContainer(running, graceMs),
    signal: (signal) => signalApplication(running, signal),
    exec: async (execSpec) => {
      await untilApplicationRuns(running);
      return await execInContainer({ tools, namespaces, pid: running.pid, credentials, env, workingDir: spec.workingDir }, execSpec);
    },
  };
}
