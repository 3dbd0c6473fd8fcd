// One pod's life on this node: namespaces, Envoy, containers, status; and its end without losing a request.
// In: the Pod as the API has it. Out: processes, and the pod's status through the API.

import type { Socket } from "node:net";
import type { Pod } from "../../../api/kubernetes/pod.ts";
import { Conflict, NotFound, Unavailable, UserError } from "../../../lib/errors.ts";
import { type Logger, withFields } from "../../../lib/log.ts";
import type { Fabric, PodSandbox, ContainerSpec as ProcessSpec } from "../sandbox.ts";
import { captureOf } from "./capture-annotations.ts";
import { ContainerWorker } from "./container-worker.ts";
import { argvOf, environmentOf, type PodSources, withFlagServer, withSpanCollector } from "./environment.ts";
import type { ImageTable } from "./images.ts";
import type { NodeApi } from "./node-api.ts";
import { type ContainerState, type PodState, podStatusOf, waitingState } from "./pod-status.ts";
import { SidecarWorker } from "./sidecar-worker.ts";
import { fetchSources } from "./sources.ts";
import { StatusWriter } from "./status-writer.ts";
import { makeVolumes, mountsOf } from "./volumes.ts";

export interface PodWorkerOptions {
  readonly api: NodeApi;
  readonly fabric: Fabric;
  readonly images: ImageTable;
  /** True when the pod's traffic goes through an Envoy beside its containers. */
  readonly hasSidecar: (pod: Pod) => boolean;
  /** The pod's Envoy, sidecar or gateway: its bootstrap, or undefined for a pod without one. */
  readonly bootstrap: (pod: Pod, sandbox: PodSandbox) => SidecarPlan | undefined;
  /** Shows the pod's metrics from before its containers start; `adminPath` is its Envoy's. Returns what ends it. */
  readonly serveMetrics?: (pod: Pod, sandbox: PodSandbox, adminPath: string | undefined) => () => void;
  /** Folder of container logs. */
  readonly logsDir: string;
  readonly logger: Logger;
}

export interface SidecarPlan {
  readonly bootstrap: Readonly<Record<string, unknown>>;
  readonly adminPath: string;
}

/** The longest that a pod's end waits for the proxies to take it out of their endpoints. */
const maxDrainMs = 5000;
const sidecarReadyMs = 30_000;
const dialMs = 3000;

export class PodWorker {
  readonly #options: PodWorkerOptions;
  readonly #status: StatusWriter;
  readonly #startTime = new Date().toISOString();
  #pod: Pod;
  #sandbox: PodSandbox | undefined;
  #sidecar: SidecarWorker | undefined;
  #unserve: (() => void) | undefined;
  #containers: ContainerWorker[] = [];
  #initContainers: ContainerWorker[] = [];
  #ended: PodState["ended"];
  #terminating = false;
  #drained = Promise.withResolvers<void>();
  readonly #ending = Promise.withResolvers<void>();
  #making: Promise<void> = Promise.resolve();
  #finished: Promise<void> | undefined;

  constructor(pod: Pod, options: PodWorkerOptions) {
    this.#pod = pod;
    const name = `${pod.metadata.namespace ?? "default"}/${pod.metadata.name}`;
    this.#options = { ...options, logger: withFields(options.logger, { pod: name }) };
    const ref = { kind: "Pod", namespace: pod.metadata.namespace ?? "default", name: pod.metadata.name } as const;
    this.#status = new StatusWriter({
      status: () => ({
        metadata: { uid: pod.metadata.uid },
        status: podStatusOf(this.#state(), this.#conditions(), new Date().toISOString()),
      }),
      write: (status) => options.api.patchStatus(ref, status),
      // A conflict means that another pod has taken the name.
      isFinal: (error) => error instanceof NotFound || error instanceof Conflict,
      logger: this.#options.logger,
    });
  }

  /** Makes the pod and starts what is in it; never rejects, what goes wrong is in the pod's status. */
  start(): Promise<void> {
    this.#making = this.#start();
    return this.#making;
  }

  async #start(): Promise<void> {
    try {
      await this.#make();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.logger.error("pod failed", { message });
      this.#ended = { failed: true, reason: "CreatePodError", message };
      this.#status.changed();
    }
  }

  /** Takes in a newer version of the object. */
  update(pod: Pod): void {
    this.#pod = pod;
    const drained = pod.status?.conditions.some(({ type, status }) => type === "lateen.dev/Drained" && status === "True");
    if (drained === true) this.#drained.resolve();
    if (pod.metadata.deletionTimestamp !== undefined) void this.stop();
  }

  /** Ends the pod: out of all endpoints first, then SIGTERM, then the proxy, then the namespaces; then the object goes. */
  stop(): Promise<void> {
    this.#finished ??= this.#stop();
    return this.#finished;
  }

  /** Ends the pod at once, when its object is gone already. */
  async kill(): Promise<void> {
    this.#status.close();
    await this.#end(0);
  }

  /** Containers, then the proxy, then the namespaces; what is still being made is waited for, so that nothing is left over. */
  async #end(graceMs: number): Promise<void> {
    this.#terminating = true;
    const stopAll = () => Promise.all([...this.#initContainers, ...this.#containers].map((container) => container.stop(graceMs)));
    await stopAll();
    this.#ending.resolve();
    await this.#making;
    await stopAll();
    await this.#sidecar?.stop();
    this.#unserve?.();
    await this.#sandbox?.close();
  }

  /** Runs a command in a container; undefined when the pod has no such running container. */
  processOf(container: string): ContainerWorker["process"] {
    return this.#containers.find((worker) => worker.state.name === container)?.process;
  }

  get address(): string | undefined {
    return this.#sandbox?.ip;
  }

  /** Connects to the application itself. @throws Unavailable */
  async dial(port: number): Promise<Socket> {
    if (this.#sandbox === undefined) throw new Unavailable("the pod isn't there yet");
    return await this.#sandbox.dial(port, { timeoutMs: dialMs });
  }

  async #make(): Promise<void> {
    const { fabric, bootstrap, logger } = this.#options;
    const { uid, name, namespace } = this.#pod.metadata;
    const sandbox = await fabric.createPod({
      uid,
      name,
      namespace: namespace ?? "default",
      sidecar: this.#options.hasSidecar(this.#pod),
      capture: captureOf(this.#pod.metadata.annotations),
    });
    this.#sandbox = sandbox;
    const plan = bootstrap(this.#pod, sandbox);
    this.#unserve = this.#options.serveMetrics?.(this.#pod, sandbox, plan?.adminPath);
    if (plan !== undefined) {
      const logFile = `${this.#options.logsDir}/${namespace ?? "default"}_${name}_istio-proxy.log`;
      this.#sidecar = new SidecarWorker({ sandbox, plan, logFile, logger, onChange: () => this.#status.changed() });
      await this.#sidecar.start();
    }
    this.#status.changed();
    // The application starts behind a proxy that works: its first call is not lost.
    await Promise.race([this.#sidecar?.ready(sidecarReadyMs), this.#ending.promise]);
    if (this.#terminating) return;
    await this.#runInitContainers(sandbox);
    if (this.#terminating) return;
    const policy = this.#pod.spec.restartPolicy;
    this.#containers = this.#applicationContainers().map((container) => this.#workerOf(container, sandbox, policy));
    await Promise.all(this.#containers.map((container) => container.start()));
    this.#status.changed();
    if (this.#containers.length > 0) void this.#whenAllEnded();
  }

  async #runInitContainers(sandbox: PodSandbox): Promise<void> {
    for (const spec of this.#pod.spec.initContainers) {
      const policy = this.#pod.spec.restartPolicy === "Never" ? "Never" : "OnFailure";
      const worker = this.#workerOf(spec, sandbox, policy);
      this.#initContainers.push(worker);
      await worker.start();
      await worker.ended;
      if (this.#terminating) return;
      if (worker.state.lastExitCode !== 0) {
        throw new UserError(`init container ${spec.name} ended with exit code ${worker.state.lastExitCode}`, { fix: "see its log" });
      }
    }
  }

  #workerOf(spec: Pod["spec"]["containers"][number], sandbox: PodSandbox, restartPolicy: Pod["spec"]["restartPolicy"]): ContainerWorker {
    return new ContainerWorker({
      spec,
      restartPolicy,
      sandbox,
      processSpec: () => this.#processSpec(spec, sandbox),
      onChange: () => this.#status.changed(),
      logger: this.#options.logger,
    });
  }

  async #processSpec(spec: Pod["spec"]["containers"][number], sandbox: PodSandbox): Promise<ProcessSpec> {
    const { images, api, logsDir } = this.#options;
    const image = images.processOf(spec.image ?? "");
    const sources: PodSources = await fetchSources(this.#pod, api);
    const env = images.complete(
      withFlagServer(withSpanCollector(environmentOf({ pod: this.#pod, container: spec, image, sources, podIp: sandbox.ip }))),
    );
    const [command, ...args] = argvOf(spec, image, env);
    if (command === undefined) throw new UserError(`container ${spec.name} has an empty command`, { fix: "name a command" });
    const folders = await makeVolumes(this.#pod, sandbox.dir, sources);
    const { name, namespace } = this.#pod.metadata;
    return {
      name: spec.name,
      argv: [command, ...args],
      env,
      workingDir: spec.workingDir ?? image.workingDir,
      volumes: mountsOf(spec, folders),
      logFile: `${logsDir}/${namespace ?? "default"}_${name}_${spec.name}.log`,
    };
  }

  async #whenAllEnded(): Promise<void> {
    await Promise.all(this.#containers.map((container) => container.ended));
    if (this.#terminating) return;
    const failed = this.#containers.some((container) => container.state.lastExitCode !== 0);
    this.#ended = { failed, reason: failed ? "Error" : "Completed", message: "" };
    this.#status.changed();
  }

  async #stop(): Promise<void> {
    this.#terminating = true;
    this.#status.changed();
    const seconds = this.#pod.metadata.deletionGracePeriodSeconds ?? this.#pod.spec.terminationGracePeriodSeconds;
    const graceMs = seconds * 1000;
    const until = performance.now() + Math.min(maxDrainMs, graceMs);
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, until - performance.now());
    await Promise.race([this.#drained.promise, timeout.promise]);
    clearTimeout(timer);
    await this.#sidecar?.quiet(until - performance.now());
    await this.#end(graceMs);
    this.#status.close();
    await this.#removeObject();
  }

  /** The object goes once everything it stood for is gone; tried until the control plane answers. */
  async #removeObject(): Promise<void> {
    const { name, namespace, uid } = this.#pod.metadata;
    for (;;) {
      try {
        await this.#options.api.delete({ kind: "Pod", namespace: namespace ?? "default", name }, { gracePeriodSeconds: 0, uid });
        return;
      } catch (error) {
        if (error instanceof NotFound) return;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  #state(): PodState {
    return {
      ip: this.#sandbox?.ip ?? "",
      startTime: this.#startTime,
      containers: this.#containerStates(),
      initContainers: this.#initContainers.map((container) => container.state),
      sidecarReady: this.#sidecar?.isReady,
      ended: this.#ended,
      terminating: this.#terminating,
    };
  }

  /** Containers that are still to come are waiting, so that a pod isn't ready before it has any. */
  #containerStates(): readonly ContainerState[] {
    if (this.#containers.length > 0) return this.#containers.map((container) => container.state);
    return this.#applicationContainers().map(({ name, image }) => waitingState(name, image ?? ""));
  }

  #applicationContainers(): Pod["spec"]["containers"] {
    return this.#pod.spec.containers.filter((container) => !this.#options.images.isProxy(container.image));
  }

  #conditions(): Parameters<typeof podStatusOf>[1] {
    return (this.#pod.status?.conditions ?? []).map(({ type, status, reason, message, lastTransitionTime }) => ({
      type,
      status: status === "True" ? "True" : "False",
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
      lastTransitionTime: lastTransitionTime ?? "",
    }));
  }
}
