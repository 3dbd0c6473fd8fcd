// The real control plane as a process of its own, without a node: store, API on its Unix socket, engine, ADS. For worlds of simulated proxies.

import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { runFiles } from "../../src/app/config.ts";
import { controlPlaneCommand } from "../../src/app/control-plane-process.ts";
import { createApiClient } from "../../src/http/client.ts";
import type { ApiClient } from "../../src/http/client-types.ts";
import type { BenchContext } from "./benchmark.ts";
import { startProcess, stopProcess, temporaryFolder } from "./workspace.ts";

const readyMs = 20_000;
const messageSchema = z.object({ type: z.string(), message: z.string().optional() });

export interface ControlPlane {
  readonly pid: number;
  readonly client: ApiClient;
  readonly runDir: string;
  readonly log: () => string;
}

/** Starts it on core 0; resolves once its API answers. Ends with the benchmark. */
export async function startControlPlane(context: BenchContext): Promise<ControlPlane> {
  const runDir = join(temporaryFolder(context), "m");
  for (const folder of [runDir, runFiles.xdsDir(runDir), runFiles.logsDir(runDir)]) mkdirSync(folder, { mode: 0o700 });
  const logPath = runFiles.processLog(runDir, "control-plane");
  const logFd = openSync(logPath, "a", 0o600);
  const metrics = { port: 0, whenTaken: "another" } as const;
  const settings = { logLevel: "info", egress: false, certificateLifetimeMs: 86_400_000, metrics } as const;
  const options = { role: "control-plane", mesh: "b", runDir, ...settings } as const;
  const command = controlPlaneCommand([process.execPath, ...nodeArguments(), context.program], options);
  const child = startProcess(command, { core: 0, stdio: ["ignore", logFd, logFd, "ipc"], cwd: "/" });
  closeSync(logFd);
  context.cleanup.defer(() => stopProcess(child, "SIGTERM"));
  const log = () => readFileSync(logPath, "utf8");
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the control plane is not ready: ${log()}`)), readyMs);
    child.once("message", (message) => {
      clearTimeout(timer);
      const { type, message: text } = messageSchema.parse(message);
      if (type === "ready") resolve();
      else reject(new Error(text));
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`the control plane ended: ${log()}`)));
  });
  const client = createApiClient({ socketPath: runFiles.apiSocket(runDir) });
  context.cleanup.defer(() => client.close());
  return { pid: child.pid ?? 0, client, runDir, log };
}

/** LATEEN_BENCH_NODE_ARGS: more words for the control plane's Node, for example "--cpu-prof --cpu-prof-dir=/tmp/profile". */
function nodeArguments(): readonly string[] {
  return (process.env["LATEEN_BENCH_NODE_ARGS"] ?? "").split(" ").filter((word) => word !== "");
}
