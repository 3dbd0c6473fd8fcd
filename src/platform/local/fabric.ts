// startFabric: makes this process's network namespace the fabric of a mesh and returns the one object the node agent works with.

import { mkdirSync, realpathSync } from "node:fs";
import type { Server } from "node:net";
import { MeshError } from "../../lib/errors.ts";
import { silentLogger } from "../../lib/log.ts";
import { AddressPool, fabricAddress } from "./addresses.ts";
import { DnsServer } from "./dns-server.ts";
import { type Egress, startEgress } from "./egress.ts";
import { applyFabricRules, applyPodRules, PodLinks, startBridge } from "./fabric-network.ts";
import { startForward } from "./forward.ts";
import { Pod, type PodHost } from "./pod.ts";
import type { Fabric, FabricNames, FabricOptions, Forward, ForwardTarget, PodSandbox, PodSpec } from "./sandbox.ts";
import { findTools } from "./tools.ts";
import { vipRules } from "./vip-rules.ts";

const uidPattern = /^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$/;

class LocalFabric implements Fabric {
  readonly address = fabricAddress;
  readonly #host: PodHost;
  readonly #egress: Egress | undefined;
  readonly #pool = new AddressPool();
  readonly #pods = new Map<string, Pod>();
  readonly #plainPods = new Set<Pod>();
  readonly #forwards = new Set<Forward>();
  #vipText = vipRules([]);
  #vipUpdate: Promise<void> = Promise.resolve();

  constructor(host: PodHost, egress: Egress | undefined) {
    this.#host = host;
    this.#egress = egress;
  }

  async createPod(spec: PodSpec): Promise<PodSandbox> {
    if (!uidPattern.test(spec.uid))
      throw new MeshError("invalid", `"${spec.uid}" can't be a pod's uid`, { fix: "Use letters, digits, - and ., at most 63." });
    if (this.#pods.has(spec.uid)) throw new MeshError("already_exists", `pod ${spec.uid} exists already`);
    const ip = this.#pool.take();
    const released = (): void => {
      const closed = this.#pods.get(spec.uid);
      if (closed !== undefined) this.#plainPods.delete(closed);
      this.#pods.delete(spec.uid);
      this.#pool.release(ip);
    };
    let pod: Pod;
    try {
      pod = new Pod(spec, ip, { host: this.#host, released });
    } catch (error) {
      this.#pool.release(ip);
      throw error;
    }
    this.#pods.set(spec.uid, pod);
    try {
      await pod.connect(spec);
      if (!spec.sidecar) await this.#addPlainPod(pod);
    } catch (error) {
      await pod.close();
      throw error;
    }
    return pod;
  }

  async updateNames(names: FabricNames): Promise<void> {
    this.#host.dns.update(names.hosts);
    const text = vipRules(names.vips);
    if (text === this.#vipText) return;
    this.#vipText = text;
    await this.#applyVips([...this.#plainPods]);
  }

  forward(server: Server, target: ForwardTarget): Forward {
    const forward = startForward(server, target);
    this.#forwards.add(forward);
    const close = async (): Promise<void> => {
      this.#forwards.delete(forward);
      await forward.close();
    };
    return { retarget: (next) => forward.retarget(next), close };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#forwards].map((forward) => forward.close()));
    await Promise.all([...this.#pods.values()].map((pod) => pod.close()));
    await this.#egress?.close();
  }

  async #addPlainPod(pod: Pod): Promise<void> {
    this.#plainPods.add(pod);
    await this.#applyVips([pod]);
  }

  /** One update after the other, each with the newest text: an older table never overwrites a newer one. */
  #applyVips(pods: readonly Pod[]): Promise<void> {
    const next = this.#vipUpdate.then(async () => {
      const text = this.#vipText;
      await Promise.all(pods.map((pod) => this.#applyVipsTo(pod, text)));
    });
    this.#vipUpdate = next.catch(() => {});
    return next;
  }

  async #applyVipsTo(pod: Pod, text: string): Promise<void> {
    if (!this.#plainPods.has(pod)) return;
    await applyPodRules(this.#host.tools, pod.net, text);
  }
}

/** Turns this process's network namespace into a fabric. Once per process, in a process started by `startNodeProcess`. */
export async function startFabric(options: FabricOptions): Promise<Fabric> {
  const tools = findTools(options.toolPath);
  const logger = options.logger ?? silentLogger;
  mkdirSync(options.runDir, { recursive: true, mode: 0o700 });
  await startBridge(tools);
  const egress = options.dial === undefined ? undefined : await startEgress(options.dial, logger);
  await applyFabricRules(tools, egress?.port);
  const host: PodHost = {
    tools,
    // Mounts are compared by real path.
    runDir: realpathSync(options.runDir),
    envoyPath: options.envoyPath,
    links: new PodLinks(tools),
    dns: new DnsServer(options.forwardDns),
  };
  return new LocalFabric(host, egress);
}
