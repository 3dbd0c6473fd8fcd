// Envoy's side of delta ADS as a deterministic model, for property tests: what is applied, warmed, refused and asked for.
// Contents are lines of JSON (see simulated-config.ts). Behaviour as seen on Envoy 1.40, envoy-xds.md parts 1b and J.

import type { ResourceType } from "../../src/envoy/config.ts";
import type { ProxyRequest } from "../../src/xds/proxy-events.ts";
import type { PlannedResponse } from "../../src/xds/push-plan.ts";
import { type ContentLine, contentOf } from "./simulated-config.ts";

interface Cluster {
  /** Which content serves; undefined while the first one warms. */
  active: ContentLine | undefined;
  warming: ContentLine | undefined;
  /** Endpoints came after the warming content. */
  hasEndpoints: boolean;
}

type Subscribable = "eds" | "rds" | "sds";

export class SimulatedEnvoy {
  readonly clusters = new Map<string, Cluster>();
  readonly endpoints = new Map<string, string>();
  readonly listeners = new Map<string, ContentLine>();
  /** Removed or replaced listeners that still serve their connections. */
  draining: ContentLine[] = [];
  /** Route tables in force, by name. */
  readonly tables = new Map<string, readonly ContentLine[]>();
  weights: string | undefined;
  /** Name to version per type, as the client library records it: only on ACK. */
  readonly versions: Readonly<Record<ResourceType, Map<string, string>>> = {
    cds: new Map(),
    eds: new Map(),
    lds: new Map(),
    rds: new Map(),
    sds: new Map(),
    ecds: new Map(),
    rtds: new Map(),
  };
  readonly #subscribed: Readonly<Record<Subscribable, Set<string>>> = { eds: new Set(), rds: new Set(), sds: new Set() };
  /** Requests to the server, in order. */
  requests: ProxyRequest[] = [];
  /** How many of them tell what was held before this stream; they leave in one go. */
  reports = 0;
  readonly #namesCulprit: () => boolean;

  /** @param namesCulprit whether the next NACK says which resource is bad. */
  constructor(namesCulprit: () => boolean) {
    this.#namesCulprit = namesCulprit;
  }

  /** A new stream: everything in flight is lost, all subscriptions and versions are told again. */
  connect(): void {
    this.requests = [];
    // Nobody may remember that a warming cluster is owed endpoints: initial_fetch_timeout ends that with the cached ones.
    for (const name of this.clusters.keys()) if (this.versions.eds.has(name)) this.#endWarming(name);
    this.#ask("rtds", { subscribe: ["weights"] }, true);
    this.#ask("cds", {}, true);
    this.#ask("lds", {}, true);
    if (this.#subscribed.eds.size > 0) this.#ask("eds", { subscribe: [...this.#subscribed.eds] }, true);
    if (this.#subscribed.sds.size > 0) this.#ask("sds", { subscribe: [...this.#subscribed.sds] }, true);
    if (this.#subscribed.rds.size > 0) this.#ask("rds", { subscribe: [...this.#subscribed.rds] }, true);
    this.reports = this.requests.length;
  }

  receive(response: PlannedResponse): void {
    const bad = response.resources.filter((resource) => contentOf(resource).some((line) => line.bad));
    if (bad.length > 0) {
      this.#refuse(
        response,
        bad.map(({ name }) => name),
      );
      return;
    }
    this.#apply(response, response.resources);
    const versions = this.versions[response.type];
    for (const { name, version } of response.resources) if (this.#wants(response.type, name)) versions.set(name, version);
    for (const name of response.removed) versions.delete(name);
    if (response.type === "sds") for (const cluster of this.clusters.values()) this.#endIfWarm(cluster);
    this.#ask(response.type, { nonce: response.nonce });
  }

  /** The oldest draining listener ends. */
  endDrain(): void {
    this.draining.shift();
    this.#watchTables();
  }

  /** Clusters that a request could be sent to now, by what names them. */
  *named(): Generator<{ readonly by: string; readonly cluster: string }> {
    for (const [name, lines] of this.tables)
      for (const line of lines) for (const cluster of line.clusters) yield { by: `${name}/${line.name}`, cluster };
    for (const line of this.listeners.values()) for (const cluster of line.clusters) yield { by: line.name, cluster };
  }

  /** Clusters and listeners of a refused response may be applied or not; of the other types nothing is. */
  #refuse(response: PlannedResponse, bad: readonly string[]): void {
    const good = response.resources.filter(({ name }) => !bad.includes(name));
    const isNamed = this.#namesCulprit();
    if (response.type === "cds" || response.type === "lds")
      this.#apply({ ...response, removed: isNamed ? response.removed : [] }, isNamed ? good : good.slice(1));
    const kind = response.type === "cds" ? "cluster" : "listener";
    const error = isNamed
      ? `Error adding/updating ${kind}(s) ${bad.map((name) => `${name}: bad`).join(", ")}`
      : "Proto constraint validation failed";
    this.#ask(response.type, { nonce: response.nonce, error });
  }

  #apply({ type, removed }: PlannedResponse, resources: PlannedResponse["resources"]): void {
    const lines = resources.map((resource) => ({ resource, content: contentOf(resource) }));
    if (type === "rtds") for (const { resource } of lines) this.weights = resource.version;
    if (type === "rtds" && removed.length > 0) this.weights = undefined;
    if (type === "cds") for (const { content } of lines) for (const line of content) this.#setCluster(line);
    if (type === "cds") for (const name of removed) this.#removeCluster(name);
    if (type === "eds") for (const name of [...resources.map(({ name }) => name), ...removed]) this.#endWarming(name);
    if (type === "lds")
      this.#setListeners(
        lines.flatMap(({ content }) => content),
        removed,
      );
    if (type === "rds")
      for (const { resource, content } of lines)
        if (this.#subscribed.rds.has(resource.name)) this.tables.set(resource.name, content.slice(1));
  }

  #wants(type: ResourceType, name: string): boolean {
    return type === "eds" || type === "rds" || type === "sds" ? this.#subscribed[type].has(name) : true;
  }

  #setCluster(line: ContentLine): void {
    const known = this.clusters.get(line.name);
    const current = known?.warming ?? known?.active;
    if (current?.version === line.version) return;
    this.clusters.set(line.name, { active: known?.active, warming: line, hasEndpoints: false });
    // A name the subscription has already is not asked for again (envoyproxy/envoy#47302).
    if (!this.#subscribed.eds.has(line.name)) this.#subscribe("eds", line.name);
    this.#watchSecrets();
  }

  #removeCluster(name: string): void {
    if (!this.clusters.delete(name)) return;
    this.#subscribed.eds.delete(name);
    this.versions.eds.delete(name);
    this.#ask("eds", { unsubscribe: [name] });
    this.#watchSecrets();
  }

  #endWarming(name: string): void {
    const cluster = this.clusters.get(name);
    if (cluster === undefined) return;
    cluster.hasEndpoints = true;
    this.#endIfWarm(cluster);
  }

  /** One subscription per secret, shared by all clusters: who needs one that is there has it at once. */
  #endIfWarm(cluster: Cluster): void {
    const { warming, hasEndpoints } = cluster;
    if (warming === undefined || !hasEndpoints || !(warming.secrets ?? []).every((name) => this.versions.sds.has(name))) return;
    cluster.active = warming;
    cluster.warming = undefined;
    this.#watchSecrets();
  }

  #watchSecrets(): void {
    const used = new Set(
      [...this.clusters.values()].flatMap(({ active, warming }) => [...(active?.secrets ?? []), ...(warming?.secrets ?? [])]),
    );
    for (const name of used) if (!this.#subscribed.sds.has(name)) this.#subscribe("sds", name);
    for (const name of [...this.#subscribed.sds]) {
      if (used.has(name)) continue;
      this.#subscribed.sds.delete(name);
      this.versions.sds.delete(name);
      this.#ask("sds", { unsubscribe: [name] });
    }
  }

  #setListeners(lines: readonly ContentLine[], removed: readonly string[]): void {
    for (const name of [...removed, ...lines.map((line) => line.name)]) {
      const old = this.listeners.get(name);
      if (old !== undefined) this.draining.push(old);
      this.listeners.delete(name);
    }
    for (const line of lines) this.listeners.set(line.name, line);
    this.#watchTables();
  }

  /** Route tables live as long as a listener, draining ones included, watches them. */
  #watchTables(): void {
    const watched = new Set([...this.listeners.values(), ...this.draining].flatMap(({ routes }) => routes));
    for (const name of watched) if (!this.#subscribed.rds.has(name)) this.#subscribe("rds", name);
    for (const name of [...this.#subscribed.rds]) {
      if (watched.has(name)) continue;
      this.#subscribed.rds.delete(name);
      this.tables.delete(name);
      this.versions.rds.delete(name);
      this.#ask("rds", { unsubscribe: [name] });
    }
  }

  #subscribe(type: Subscribable, name: string): void {
    this.#subscribed[type].add(name);
    this.#ask(type, { subscribe: [name] });
  }

  #ask(type: ResourceType, fields: Partial<ProxyRequest>, isFirst = false): void {
    const initialVersions = isFirst ? new Map(this.versions[type]) : new Map<string, string>();
    this.requests.push({ type, subscribe: [], unsubscribe: [], initialVersions, nonce: "", error: undefined, ...fields });
  }
}
