// A pod's Envoy: started, watched, and started again at once when it dies; ready once it has its first configuration.

import type { Logger } from "../../../lib/log.ts";
import type { PodSandbox, Sidecar } from "../sandbox.ts";
import { restartDelayMs } from "./pod-status.ts";

export interface SidecarWorkerOptions {
  readonly sandbox: PodSandbox;
  readonly plan: { readonly bootstrap: Readonly<Record<string, unknown>>; readonly adminPath: string };
  readonly logFile: string;
  readonly onChange: () => void;
  readonly logger: Logger;
}

/** After this long a restart counts as the first again. */
const healthyMs = 10_000;
const readyTimeoutMs = 60_000;
const stopGraceMs = 1000;
const quietPollMs = 25;
const quietLooks = 4;
/** Requests that the pod's Envoy has handed to the application, or is about to. */
const activeRequests = "^cluster\\.inbound.*\\.upstream_rq_(pending_)?active$";

export class SidecarWorker {
  readonly #options: SidecarWorkerOptions;
  #sidecar: Sidecar | undefined;
  #isReady = false;
  #stopping = false;
  #restarts = 0;
  #startedAt = 0;
  #firstReady = Promise.withResolvers<void>();

  constructor(options: SidecarWorkerOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  async start(): Promise<void> {
    const { sandbox, plan, logFile } = this.#options;
    this.#startedAt = performance.now();
    const sidecar = await sandbox.startSidecar({ ...plan, logFile, onExit: ({ exitCode }) => this.#onExit(exitCode) });
    this.#sidecar = sidecar;
    void this.#watchReady(sidecar);
  }

  /** Settles when Envoy is ready for the first time, or after the time given: the application then starts all the same. */
  async ready(timeoutMs: number): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, timeoutMs);
    await Promise.race([this.#firstReady.promise, timeout.promise]);
    clearTimeout(timer);
  }

  /**
   * Waits until no request is under way to the application, looked at several times, or the time is over: other proxies send none any
   * more, but what they sent may still be on its way, longest on a busy machine.
   */
  async quiet(timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs;
    for (let looks = 0; looks < quietLooks && this.#isReady && performance.now() < until; ) {
      looks = (await this.#activeRequests()) === 0 ? looks + 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, quietPollMs));
    }
  }

  async #activeRequests(): Promise<number> {
    try {
      const answer = await this.#sidecar?.admin("GET", `/stats?filter=${encodeURIComponent(activeRequests)}`);
      const values = (answer?.body ?? "")
        .trim()
        .split("\n")
        .map((line) => Number(line.split(": ")[1] ?? 0));
      return values.reduce((sum, value) => sum + value, 0);
    } catch {
      return 0;
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#firstReady.resolve();
    await this.#sidecar?.stop({ graceMs: stopGraceMs });
  }

  async #watchReady(sidecar: Sidecar): Promise<void> {
    try {
      await sidecar.ready({ timeoutMs: readyTimeoutMs });
      this.#isReady = true;
      this.#firstReady.resolve();
      this.#options.onChange();
    } catch (error) {
      if (!this.#stopping) this.#options.logger.warn("proxy is not ready", { error: String(error) });
    }
  }

  #onExit(exitCode: number): void {
    this.#isReady = false;
    this.#options.onChange();
    if (this.#stopping) return;
    if (performance.now() - this.#startedAt > healthyMs) this.#restarts = 0;
    const delay = restartDelayMs(this.#restarts);
    this.#restarts += 1;
    this.#options.logger.warn("the proxy ended and is started again", { exitCode, delayMs: delay });
    setTimeout(() => {
      if (!this.#stopping)
        void this.start().catch((error: unknown) => this.#options.logger.error("proxy start failed", { error: String(error) }));
    }, delay);
  }
}
