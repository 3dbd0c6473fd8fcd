// One pod: its namespaces, files and DNS sockets, and the processes in it. Made by the fabric, closed once.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { MeshError } from "../../lib/errors.ts";
import { fabricAddress } from "./addresses.ts";
import { captureRules, plainPodRules } from "./capture.ts";
import { startContainer } from "./container.ts";
import { searchDomains } from "./dns-answer.ts";
import type { DnsServer, PodDns } from "./dns-server.ts";
import { applyPodRules, configurePodNetwork, type PodLinks } from "./fabric-network.ts";
import { closeNamespaces, createPodNamespaces, type PodNamespaces } from "./namespaces.ts";
import { connectToApplication } from "./pod-connect.ts";
import { listenInPod, type PodListener } from "./pod-listen.ts";
import { runProbe } from "./probes.ts";
import type {
  Container,
  ContainerSpec,
  Exit,
  PodSandbox,
  PodSpec,
  ProbeAction,
  ProbeOptions,
  ProbeResult,
  Sidecar,
  SidecarSpec,
} from "./sandbox.ts";
import { startSidecar } from "./sidecar.ts";
import type { Tools } from "./tools.ts";

/** What all pods of a fabric share. */
export interface PodHost {
  readonly tools: Tools;
  readonly runDir: string;
  readonly envoyPath: string | undefined;
  readonly links: PodLinks;
  readonly dns: DnsServer;
}

const maxHostnameLength = 63;

function hostsFile(spec: PodSpec, hostname: string, ip: string): string {
  const aliases = (spec.hostAliases ?? []).map((alias) => `${alias.ip}\t${alias.hostnames.join(" ")}`);
  return ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", `${ip}\t${hostname}`, ...aliases, ""].join("\n");
}

/** Any address would do as nameserver: the pod's rules redirect port 53 to our server. */
function resolvConf(namespace: string): string {
  return `search ${searchDomains(namespace).join(" ")}\nnameserver ${fabricAddress}\noptions ndots:5\n`;
}

function writePodFiles(dir: string, spec: PodSpec, names: { hostname: string; ip: string }): void {
  mkdirSync(join(dir, "volumes"), { recursive: true, mode: 0o700 });
  // Readable by whatever user the application runs as.
  writeFileSync(join(dir, "hosts"), hostsFile(spec, names.hostname, names.ip), { mode: 0o644 });
  writeFileSync(join(dir, "resolv.conf"), resolvConf(spec.namespace), { mode: 0o644 });
}

interface Running {
  readonly exited: Promise<Exit>;
  kill(): void;
}

/** The implementation of PodSandbox. */
export class Pod implements PodSandbox {
  readonly uid: string;
  readonly ip: string;
  readonly dir: string;
  readonly #host: PodHost;
  readonly #namespaces: PodNamespaces;
  readonly #hostname: string;
  readonly #released: () => void;
  readonly #running = new Set<Running>();
  readonly #starting = new Set<Promise<unknown>>();
  readonly #listeners: PodListener[] = [];
  #dns: PodDns | undefined;
  #closing: Promise<void> | undefined;

  constructor(spec: PodSpec, ip: string, options: { host: PodHost; released: () => void }) {
    this.uid = spec.uid;
    this.ip = ip;
    this.#host = options.host;
    this.#released = options.released;
    this.dir = join(options.host.runDir, "pods", spec.uid);
    this.#hostname = (spec.hostname ?? spec.name).slice(0, maxHostnameLength);
    writePodFiles(this.dir, spec, { hostname: this.#hostname, ip });
    this.#namespaces = createPodNamespaces(this.#hostname);
  }

  /** Network namespace, for those who make sockets in it. */
  get net(): number {
    return this.#namespaces.net;
  }

  /** Wires the pod to the fabric; the fabric calls it once. */
  async connect(spec: PodSpec): Promise<void> {
    const { net } = this.#namespaces;
    const rules = spec.sidecar ? captureRules(this.ip, spec.capture) : plainPodRules();
    const wired = this.#host.links.connect(net).then(() => configurePodNetwork(net, this.ip));
    await Promise.all([wired, applyPodRules(this.#host.tools, net, rules)]);
    this.#dns = this.#host.dns.serve(net, spec.namespace);
  }

  startContainer(spec: ContainerSpec): Promise<Container> {
    return this.#start(() => startContainer(spec, this.#containerPod()));
  }

  startSidecar(spec: SidecarSpec): Promise<Sidecar> {
    const { envoyPath } = this.#host;
    if (envoyPath === undefined) return Promise.reject(new MeshError("internal", "startFabric was given no envoyPath"));
    return this.#start(() => startSidecar(spec, { ...this.#containerPod(), envoyPath }));
  }

  listen(port: number, onConnection: (socket: Socket) => void): void {
    this.#listeners.push(listenInPod(this.net, port, onConnection));
  }

  dial(port: number, { timeoutMs }: { readonly timeoutMs: number }): Promise<Socket> {
    if (this.#closing !== undefined) return Promise.reject(new MeshError("conflict", `pod ${this.uid} is closed`));
    return connectToApplication({ net: this.net, address: this.ip, port, timeoutMs });
  }

  probe(action: ProbeAction, options: ProbeOptions): Promise<ProbeResult> {
    if (this.#closing !== undefined) return Promise.resolve({ success: false, reason: "the pod is gone" });
    return runProbe({ net: this.net, ip: this.ip }, action, options);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #containerPod() {
    const { tools, runDir } = this.#host;
    return { tools, namespaces: this.#namespaces, hostname: this.#hostname, runDir, podDir: this.dir };
  }

  async #start<T extends Running>(start: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new MeshError("conflict", `pod ${this.uid} is closed`);
    const starting = start();
    this.#starting.add(starting);
    try {
      const running = await starting;
      this.#running.add(running);
      void running.exited.then(() => this.#running.delete(running));
      return running;
    } finally {
      this.#starting.delete(starting);
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#starting);
    for (const running of this.#running) running.kill();
    await Promise.all([...this.#running].map(({ exited }) => exited));
    this.#dns?.close();
    for (const listener of this.#listeners) listener.close();
    closeNamespaces(this.#namespaces);
    rmSync(this.dir, { recursive: true, force: true });
    this.#released();
  }
}
