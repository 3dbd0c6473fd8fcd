// The control plane as a child of the supervisor: started, and started again whenever it ends, without the data path noticing.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { MeshError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { runFiles, selfCommand } from "./config.ts";
import { roleArgument } from "./role-argument.ts";
import { type ControlPlaneOptions, roleMessageSchema } from "./roles.ts";

const firstRestartMs = 50;
const longestRestartMs = 2000;
const healthyMs = 10_000;
const stopMs = 3000;
const readyTimeoutMs = 30_000;

/** V8 lets the young generation grow to 3 × 16 MB before it collects; most of what a push makes dies at once, so 4 MB do (RSS −130 MB with 100 proxies). */
const memoryFlags = ["--max-semi-space-size=4"];

export class ControlPlaneProcess {
  readonly #options: ControlPlaneOptions;
  readonly #logger: Logger;
  #child: ChildProcess | undefined;
  #stopping = false;
  #restartMs = firstRestartMs;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ControlPlaneOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it; resolves once its API answers. @throws MeshError with what it said when it ends before that. */
  start(): Promise<void> {
    const logFd = openSync(runFiles.processLog(this.#options.runDir, "control-plane"), "a", 0o600);
    const [node, ...args] = selfCommand();
    const command = ["--pdeathsig", "KILL", node, ...memoryFlags, ...args, roleArgument, JSON.stringify(this.#options)];
    // In a session of its own: Ctrl-C reaches the supervisor alone, which ends things in order.
    const child = spawn("setpriv", command, { stdio: ["ignore", logFd, logFd, "ipc"], cwd: "/", detached: true });
    closeSync(logFd);
    this.#child = child;
    const startedAt = performance.now();
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new MeshError("timeout", `the control plane was not ready within ${readyTimeoutMs / 1000} s`, {
            fix: "see its log with LATEEN_LOG=debug",
          }),
        );
        child.kill("SIGKILL");
      }, readyTimeoutMs);
      child.once("exit", () => clearTimeout(timer));
      child.on("message", (message) => {
        const parsed = roleMessageSchema.safeParse(message);
        if (!parsed.success) return;
        clearTimeout(timer);
        if (parsed.data.type === "ready") resolve();
        else reject(new MeshError("unavailable", parsed.data.message, parsed.data.fix === undefined ? {} : { fix: parsed.data.fix }));
      });
      child.on("error", (error) => reject(new MeshError("internal", `the control plane can't be started: ${error.message}`)));
      child.on("exit", (code, signal) => {
        reject(new MeshError("internal", `the control plane ended (${signal ?? code}) before it was ready`));
        this.#onExit(startedAt, signal ?? String(code));
      });
    });
  }

  /** Ends it with SIGTERM, after 3 s with SIGKILL. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
    await exited;
    clearTimeout(timer);
  }

  #onExit(startedAt: number, how: string): void {
    if (this.#stopping) return;
    if (performance.now() - startedAt > healthyMs) this.#restartMs = firstRestartMs;
    this.#logger.warn("the control plane ended and is started again", { how, inMs: this.#restartMs });
    this.#timer = setTimeout(() => {
      this.start().catch((error: unknown) => this.#logger.error("control plane restart failed", { error: String(error) }));
    }, this.#restartMs);
    this.#restartMs = Math.min(longestRestartMs, this.#restartMs * 2);
  }
}
