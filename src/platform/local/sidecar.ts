// One Envoy beside a pod's application: bootstrap file, process, readiness by its admin socket. Restarting it is the caller's decision.

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { MeshError, Unavailable } from "../../lib/errors.ts";
import type { ContainerPod } from "./container.ts";
import { type IsolatedProcess, sidecarCapabilities, startIsolatedProcess } from "./isolated-process.ts";
import type { LogLine, Sidecar, SidecarSpec } from "./sandbox.ts";

/** Longest path of a Unix socket (sun_path less its end). */
const maxSocketPathBytes = 107;
/** Each question costs Envoy and us half a millisecond, and many Envoys start at the same time. */
const readyPollMs = 20;
const keptLogLines = 20;
const adminTimeoutMs = 5000;
const maxAdminAnswerBytes = 64 * 1024 * 1024;
const defaultDrainTimeSeconds = 45;
/** How long a line of the access log may wait; Envoy's default of 10 s is too long for a person who watches. */
const logFlushMs = 500;

interface AdminAnswer {
  readonly status: number;
  readonly body: string;
}

/** One HTTP request to Envoy's admin over its Unix socket. */
export function askAdmin(socketPath: string, method: "GET" | "POST", path: string): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path, agent: false, timeout: adminTimeoutMs }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > maxAdminAnswerBytes) asked.destroy(new Unavailable("Envoy's admin answered more than 64 MiB"));
      });
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.once("error", reject);
    });
    asked.once("timeout", () => asked.destroy(new Unavailable(`Envoy's admin did not answer within ${adminTimeoutMs} ms`)));
    asked.once("error", reject);
    asked.end();
  });
}

async function isReady(adminPath: string): Promise<boolean> {
  if (!existsSync(adminPath)) return false;
  try {
    return (await askAdmin(adminPath, "GET", "/ready")).status === 200;
  } catch {
    return false;
  }
}

async function untilReady(
  running: IsolatedProcess,
  adminPath: string,
  options: { timeoutMs: number; lastLines: readonly string[] },
): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  let exitCode: number | undefined;
  const ended = running.exited.then((exit) => {
    exitCode = exit.exitCode;
  });
  const fail = (what: string): Unavailable =>
    new Unavailable(`Envoy ${what}; its last lines:\n${options.lastLines.join("\n")}`, { fix: "See the sidecar's log for its reason." });
  while (!(await isReady(adminPath))) {
    if (exitCode !== undefined) throw fail(`ended with exit code ${exitCode} before it was ready`);
    if (performance.now() > deadline) throw fail(`was not ready within ${options.timeoutMs} ms`);
    await Promise.race([ended, delay(readyPollMs)]);
  }
}

function envoyArguments(bootstrapPath: string, spec: SidecarSpec): readonly string[] {
  return [
    "-c",
    bootstrapPath,
    "--concurrency",
    "1",
    // Mandatory with many Envoys on one machine: hot restart uses shared memory under one id.
    "--disable-hot-restart",
    "--file-flush-interval-msec",
    String(logFlushMs),
    "--drain-time-s",
    String(spec.drainTimeSeconds ?? defaultDrainTimeSeconds),
    // As Istio: connections of a replaced listener end with their next answer, so nobody goes on in plaintext where STRICT is in force.
    "--drain-strategy",
    "immediate",
    "--log-level",
    spec.logLevel ?? "warning",
    ...(spec.extraArgs ?? []),
  ];
}

function checkAdminPath(adminPath: string): void {
  if (Buffer.byteLength(adminPath) <= maxSocketPathBytes) return;
  throw new MeshError("invalid", `the socket path ${adminPath} is longer than ${maxSocketPathBytes} bytes`, {
    fix: "Use a shorter runtime directory or mesh name.",
  });
}

/** Starts Envoy in a pod. */
export async function startSidecar(spec: SidecarSpec, pod: ContainerPod & { readonly envoyPath: string }): Promise<Sidecar> {
  checkAdminPath(spec.adminPath);
  const bootstrapPath = join(pod.podDir, "envoy.json");
  writeFileSync(bootstrapPath, JSON.stringify(spec.bootstrap), { mode: 0o600 });
  rmSync(spec.adminPath, { force: true });
  const lastLines: string[] = [];
  const onLog = (line: LogLine): void => {
    lastLines.push(line.text);
    if (lastLines.length > keptLogLines) lastLines.shift();
    spec.onLog?.(line);
  };
  const running = await startIsolatedProcess({
    tools: pod.tools,
    namespaces: pod.namespaces,
    credentials: { capabilities: sidecarCapabilities },
    argv: [pod.envoyPath, ...envoyArguments(bootstrapPath, spec)],
    workingDir: pod.podDir,
    logFile: spec.logFile,
    onLog,
    onExit: spec.onExit,
  });
  return {
    pid: running.pid,
    exited: running.exited,
    kill: () => void running.kill("SIGKILL"),
    ready: ({ timeoutMs }) => untilReady(running, spec.adminPath, { timeoutMs, lastLines }),
    admin: (method, path) => askAdmin(spec.adminPath, method, path),
    stop: async ({ graceMs }) => {
      running.kill("SIGTERM");
      const timer = setTimeout(() => running.kill("SIGKILL"), graceMs);
      return await running.exited.finally(() => clearTimeout(timer));
    },
  };
}
