// The node agent: every Pod of the API becomes a PodWorker, and goes with it. The kubelet's twin.

import type { Socket } from "node:net";
import { type Pod, podSchema } from "../../../api/kubernetes/pod.ts";
import { NotFound } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { NodeApi, NodeObject } from "./node-api.ts";
import { PodWorker, type PodWorkerOptions } from "./pod-worker.ts";

export interface NodeAgentOptions extends PodWorkerOptions {
  readonly api: NodeApi;
  readonly logger: Logger;
  /** Called whenever a pod came, went or got its address. */
  readonly onPods?: () => void;
}

export class NodeAgent {
  readonly #options: NodeAgentOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #pods = new Map<string, Pod>();

  constructor(options: NodeAgentOptions) {
    this.#options = options;
  }

  /** Follows the API's pods until the signal aborts; the control plane may come and go meanwhile. */
  async start(signal: AbortSignal): Promise<void> {
    for await (const event of this.#options.api.watch("Pod", { signal })) {
      if (event.type === "sync") this.#sync(event.items);
      else if (event.type === "deleted") this.#gone(uidOf(event.object));
      else if (event.type !== "down") this.#seen(event.object);
    }
  }

  /** Ends all pods at once: the mesh goes down. */
  async close(): Promise<void> {
    const workers = [...this.#workers.values()];
    this.#workers.clear();
    await Promise.all(workers.map((worker) => worker.kill()));
  }

  /** The pods as last seen, by uid. */
  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  workerOf(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  /** The pod that has an address now. */
  podAt(address: string): Pod | undefined {
    const found = [...this.#workers].find(([, worker]) => worker.address === address);
    return found === undefined ? undefined : this.#pods.get(found[0]);
  }

  /** Connects to the application in the pod with an address. @throws NotFound when there is no such pod */
  async dial(address: string, port: number): Promise<Socket> {
    const worker = [...this.#workers.values()].find((one) => one.address === address);
    if (worker === undefined) throw new NotFound(`no pod has the address ${address}`);
    return await worker.dial(port);
  }

  #sync(items: readonly NodeObject[]): void {
    const present = new Set(items.map(uidOf));
    for (const uid of [...this.#workers.keys()]) if (!present.has(uid)) this.#gone(uid);
    for (const item of items) this.#seen(item);
  }

  #seen(object: NodeObject): void {
    const parsed = podSchema.safeParse(object);
    if (!parsed.success) {
      this.#options.logger.error("unreadable pod", { name: object.metadata.name, error: parsed.error.message });
      return;
    }
    const pod = parsed.data;
    const { uid } = pod.metadata;
    this.#pods.set(uid, pod);
    const known = this.#workers.get(uid);
    if (known !== undefined) known.update(pod);
    else this.#add(pod);
    this.#options.onPods?.();
  }

  #add(pod: Pod): void {
    const worker = new PodWorker(pod, this.#options);
    this.#workers.set(pod.metadata.uid, worker);
    if (pod.metadata.deletionTimestamp !== undefined) void worker.stop();
    else void worker.start();
  }

  #gone(uid: string): void {
    const worker = this.#workers.get(uid);
    this.#workers.delete(uid);
    this.#pods.delete(uid);
    void worker?.kill();
    this.#options.onPods?.();
  }
}

function uidOf(object: NodeObject): string {
  return object.metadata.uid ?? "";
}
