// The control plane as a child of the supervisor: started, and started again whenever it ends, without the data path noticing.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { MeshError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { runFiles, selfCommand } from "./config.ts";
import { roleArgument } from "./role-argument.ts";
import { type ControlPlaneOptions, roleMessageSchema } from "./roles.ts";

const firstRestartMs = 50;
const longestRestartMs = 2000;
const healthyMs = 10_000;
const stopMs = 3000;
const shownLogLines = 8;
const readyTimeoutMs = 30_000;

/**
 * V8 lets the heap grow to several times what lives before it collects; most of what a push or a report makes dies at once, so it needs less. A young
 * generation of 3 × 16 MB is the measured middle: with 4 MB half of the CPU of collecting telemetry is the garbage collector's, with 64 MB a hundred MB
 * more stay resident (`npm run bench -- telemetry-world`, `weight-world`).
 */
const memoryFlags = ["--max-semi-space-size=16", "--heap-growing-percent=50"];
/** glibc raises this threshold by itself up to 32 MB, and then keeps every freed response of a megabyte. */
const allocatorSettings = ["MALLOC_MMAP_THRESHOLD_=131072"];

/** The command that runs a control plane, given the one that runs this program. */
export function controlPlaneCommand([node, ...args]: ReturnType<typeof selfCommand>, options: ControlPlaneOptions): readonly string[] {
  return ["env", ...allocatorSettings, node, ...memoryFlags, ...args, roleArgument, JSON.stringify(options)];
}

export class ControlPlaneProcess {
  #options: ControlPlaneOptions;
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

  /** Port on loopback with the mesh's metrics; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.#options.metrics?.port;
  }

  /** The next process takes the same port: targets name it. */
  #keepPort(port: number | undefined): void {
    const { metrics: _, ...options } = this.#options;
    this.#options = port === undefined ? options : { ...options, metrics: { port, whenTaken: "wait" } };
  }

  /** Starts it; resolves once its API answers. @throws MeshError with what it said when it ends before that. */
  start(): Promise<void> {
    const logFd = openSync(runFiles.processLog(this.#options.runDir, "control-plane"), "a", 0o600);
    const command = ["--pdeathsig", "KILL", ...controlPlaneCommand(selfCommand(), this.#options)];
    // In a session of its own: Ctrl-C reaches the supervisor alone, which ends things in order.
    const child = spawn("setpriv", command, { stdio: ["ignore", logFd, logFd, "ipc"], cwd: "/", detached: true });
    closeSync(logFd);
    this.#child = child;
    const startedAt = performance.now();
    let isReady = false;
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
        isReady ||= parsed.data.type === "ready";
        if (parsed.data.type === "ready") this.#keepPort(parsed.data.metricsPort);
        if (parsed.data.type === "ready") resolve();
        else reject(new MeshError("unavailable", parsed.data.message, parsed.data.fix === undefined ? {} : { fix: parsed.data.fix }));
      });
      child.on("error", (error) => reject(new MeshError("internal", `the control plane can't be started: ${error.message}`)));
      child.on("exit", (code, signal) => {
        const how = signal ?? String(code);
        if (!isReady) reject(new MeshError("internal", `the control plane ended (${how}) before it was ready${this.#lastWords()}`));
        this.#onExit(startedAt, how);
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

  /** The end of its log, where what killed it stands. */
  #lastWords(): string {
    try {
      const text = readFileSync(runFiles.processLog(this.#options.runDir, "control-plane"), "utf8").trim();
      return text === "" ? "" : `; it said:\n  ${text.split("\n").slice(-shownLogLines).join("\n  ")}`;
    } catch {
      // The run directory is gone; a restart must not fail for want of a message.
      return "";
    }
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
