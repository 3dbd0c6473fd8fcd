// One container's life: start, probes, restart with back-off, stop. It tells its owner when its state changed; the owner writes the status.

import type { Container as ContainerSpec, Pod, Probe } from "../../../api/kubernetes/pod.ts";
import { MeshError } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { Container, Exit, PodSandbox, ProbeAction, ContainerSpec as ProcessSpec } from "../sandbox.ts";
import { type ContainerPhase, type ContainerState, restartDelayMs } from "./pod-status.ts";
import { type RunningProbe, startProbe } from "./probe-runner.ts";

export interface ContainerWorkerOptions {
  readonly spec: ContainerSpec;
  readonly restartPolicy: Pod["spec"]["restartPolicy"];
  readonly sandbox: PodSandbox;
  /** Reads ConfigMaps and Secrets anew at each start. @throws UserError for what the manifest gets wrong. */
  readonly processSpec: () => Promise<ProcessSpec>;
  readonly onChange: () => void;
  readonly logger: Logger;
}

const graceOfLivenessMs = 30_000;

export class ContainerWorker {
  readonly #options: ContainerWorkerOptions;
  #phase: ContainerPhase = { kind: "waiting", reason: "ContainerCreating", message: "" };
  #container: Container | undefined;
  #probes: RunningProbe[] = [];
  #restarts = 0;
  #lastExitCode: number | undefined;
  #started = false;
  #ready = false;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;
  #ended: (() => void) | undefined;
  /** Settles when the container has ended and its restart policy leaves it so. */
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#ended = resolve;
  });

  constructor(options: ContainerWorkerOptions) {
    this.#options = options;
  }

  get state(): ContainerState {
    const { name, image } = this.#options.spec;
    return {
      name,
      image: image ?? "",
      phase: this.#phase,
      lastExitCode: this.#lastExitCode,
      restarts: this.#restarts,
      started: this.#started,
      ready: this.#ready,
    };
  }

  get process(): Container | undefined {
    return this.#container;
  }

  /** Starts the process; what the manifest gets wrong becomes the waiting reason and is tried again, for the missing object may come. */
  async start(): Promise<void> {
    if (this.#stopping) return;
    try {
      const spec = await this.#options.processSpec();
      if (this.#stopping) return;
      this.#container = await this.#options.sandbox.startContainer({ ...spec, onExit: (exit) => this.#onExit(exit) });
    } catch (error) {
      const { message, fix } = MeshError.from(error);
      this.#set({ kind: "waiting", reason: "CreateContainerError", message: fix === undefined ? message : `${message}; ${fix}` });
      this.#later(1000);
      return;
    }
    this.#set({ kind: "running", startedAt: new Date().toISOString() });
    this.#startProbes();
  }

  /** SIGTERM, then SIGKILL after the grace period. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    this.#stopProbes();
    await this.#container?.stop({ graceMs });
    this.#ended?.();
  }

  #startProbes(): void {
    const { startupProbe } = this.#options.spec;
    if (startupProbe === undefined) {
      this.#onStarted();
      return;
    }
    this.#run("startup", startupProbe, (healthy) => {
      if (healthy) this.#onStarted();
    });
  }

  #onStarted(): void {
    const { readinessProbe, livenessProbe } = this.#options.spec;
    this.#stopProbes();
    this.#started = true;
    if (readinessProbe === undefined) this.#setReady(true);
    else this.#run("readiness", readinessProbe, (healthy) => this.#setReady(healthy));
    if (livenessProbe !== undefined) this.#run("liveness", livenessProbe, () => {});
    this.#options.onChange();
  }

  #run(kind: "startup" | "readiness" | "liveness", probe: Probe, onVerdict: (healthy: boolean) => void): void {
    const action = this.#actionOf(probe);
    if (action === undefined) {
      onVerdict(true);
      return;
    }
    const check = (timeoutMs: number) => this.#options.sandbox.probe(action, { timeoutMs });
    const running = startProbe({
      kind,
      probe,
      check,
      onVerdict: (healthy, restart) => (restart ? this.#kill(`the ${kind} probe failed`) : onVerdict(healthy)),
    });
    this.#probes.push(running);
  }

  #actionOf(probe: Probe): ProbeAction | undefined {
    const { httpGet, tcpSocket, exec, grpc } = probe;
    if (httpGet !== undefined) {
      const { path, scheme, httpHeaders } = httpGet;
      return { kind: "httpGet", port: this.#portOf(httpGet.port), path, scheme, httpHeaders };
    }
    if (tcpSocket !== undefined) return { kind: "tcpSocket", port: this.#portOf(tcpSocket.port) };
    if (grpc !== undefined) return { kind: "grpc", port: grpc.port, service: grpc.service };
    const [command, ...args] = exec?.command ?? [];
    if (command === undefined || this.#container === undefined) return undefined;
    return { kind: "exec", container: this.#container, command: [command, ...args] };
  }

  #portOf(port: number | string): number {
    if (typeof port === "number") return port;
    return this.#options.spec.ports.find((candidate) => candidate.name === port)?.containerPort ?? Number(port);
  }

  #kill(reason: string): void {
    this.#options.logger.info("container restarted", { container: this.#options.spec.name, reason });
    this.#stopProbes();
    void this.#container?.stop({ graceMs: graceOfLivenessMs });
  }

  #onExit(exit: Exit): void {
    this.#stopProbes();
    this.#container = undefined;
    this.#started = false;
    this.#ready = false;
    this.#lastExitCode = exit.exitCode;
    const finished = new Date().toISOString();
    const reason = exit.exitCode === 0 ? "Completed" : "Error";
    this.#set({ kind: "terminated", exitCode: exit.exitCode, reason, finishedAt: finished });
    if (this.#stopping || !this.#restarting(exit)) {
      this.#ended?.();
      return;
    }
    const delay = restartDelayMs(this.#restarts);
    this.#restarts += 1;
    const container = this.#options.spec.name;
    this.#options.logger.warn("a container ended and is started again", { container, exitCode: exit.exitCode, delayMs: delay });
    if (delay > 0) {
      const message = `back-off ${delay / 1000} s after exit code ${exit.exitCode}`;
      this.#set({ kind: "waiting", reason: "CrashLoopBackOff", message });
    }
    this.#later(delay);
  }

  #restarting(exit: Exit): boolean {
    const { restartPolicy } = this.#options;
    return restartPolicy === "Always" || (restartPolicy === "OnFailure" && exit.exitCode !== 0);
  }

  #later(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.start(), delayMs);
  }

  #stopProbes(): void {
    for (const probe of this.#probes) probe.stop();
    this.#probes = [];
  }

  #setReady(ready: boolean): void {
    if (this.#ready === ready) return;
    this.#ready = ready;
    this.#options.onChange();
  }

  #set(phase: ContainerPhase): void {
    this.#phase = phase;
    this.#options.onChange();
  }
}
