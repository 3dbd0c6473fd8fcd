// What the series of one edge add up to in one window: filled series by series, emptied for the next window. A part of traffic-edges.ts.

import type { Distribution, Labels } from "../point.ts";
import type { Resolution, Series, SumOf } from "../samples/series.ts";
import { mergedDistribution, quantileOf } from "../samples/window.ts";
import { unknownValue } from "../standard-metrics.ts";
import { outcomeOf } from "./outcome.ts";
import { endNames, type TrafficEdge, type TrafficEnd } from "./traffic-edge.ts";
import type { Travelled } from "./travelled.ts";

/** Which sum of an edge a series belongs to. */
export type Part = "requests" | "latency" | "received" | "sent" | "connections";

/** Sums that are worked out only for rows that become edges: of two ends' rows one goes. */
export interface Later {
  readonly part: "latency" | "received" | "sent";
  readonly series: Series;
  readonly resolution: Resolution;
  readonly sumOf: SumOf;
}

/** Beside Istio's labels: the edge is the way from outside into a gateway. */
export const outsideLabel = "outside";

/** The seconds of one proxy in a window. */
export interface SourceSeconds {
  readonly id: string;
  /** 1 for each that is known. */
  readonly seconds: Uint8Array;
  readonly known: number;
  readonly missing: number;
  /** Seconds at the window's end that it is about to report. */
  readonly late: number;
}

export interface EdgeNames {
  /** "istio-system/ingress": workloads that are gateways. */
  readonly gateways: ReadonlySet<string>;
  /** Hosts of the mesh's own services: calls that reached none of their pods aren't calls to the world outside. */
  readonly services: ReadonlySet<string>;
}

export class EdgeRow {
  /** Window that its numbers are of; whoever fills it begins a new one with `begin`. */
  window = -1;
  readonly labels: Labels;
  /** Names both ends, whoever of them counted. */
  readonly pair: string;
  /** Names the server and the protocol. */
  readonly place: string;
  /** "shop/orders", or the host. */
  readonly to: string;
  #requests = 0;
  #failed = 0;
  #answered = 0;
  #connections = 0;
  #open = 0;
  readonly #later: Later[] = [];
  #encrypted = 0;
  #plain = 0;
  #hasEncrypted = false;
  #hasPlain = false;
  #principals: { readonly source: string; readonly destination: string } | undefined;
  #seconds: Uint8Array | undefined;
  #isShared = true;
  #known = 0;
  #missing = 0;
  #late = 0;
  #proxies = 0;
  #lastProxy = "";

  constructor(labels: Labels) {
    this.labels = labels;
    const { source_workload_namespace: namespace, source_workload: workload } = labels;
    this.to = this.hasServer ? `${labels["destination_workload_namespace"]}/${labels["destination_workload"]}` : serviceIn(labels);
    const from = this.isOutside ? endNames.outside : `${namespace}/${workload}`;
    this.pair = [from, this.to, labels["mirrored"] ?? ""].join("\n");
    this.place = `${this.to}\n${labels["request_protocol"] ?? ""}`;
  }

  get hasServer(): boolean {
    return (this.labels["destination_workload"] ?? unknownValue) !== unknownValue;
  }

  /** The way from outside into a gateway. */
  get isOutside(): boolean {
    return this.labels[outsideLabel] !== undefined;
  }

  get isByClient(): boolean {
    return this.labels["reporter"] !== "destination";
  }

  /** What a caller that showed no certificate sent; clients don't count the copies that they send. */
  get isUnnamedPlain(): boolean {
    return (
      !this.#hasEncrypted && (this.labels["mirrored"] ?? "") === "" && (this.labels["source_workload"] ?? unknownValue) === unknownValue
    );
  }

  /** Nobody reported. */
  get isGap(): boolean {
    return this.#known === 0 && this.#requests === 0 && this.#connections === 0 && this.#open === 0;
  }

  get seconds(): number {
    return this.#known;
  }

  begin(window: number): void {
    this.window = window;
    this.#requests = this.#failed = this.#answered = this.#connections = this.#open = 0;
    this.#later.length = 0;
    this.#encrypted = this.#plain = this.#known = this.#missing = this.#late = this.#proxies = 0;
    this.#hasEncrypted = this.#hasPlain = false;
    this.#principals = this.#seconds = undefined;
    this.#isShared = true;
    this.#lastProxy = "";
  }

  /** Series of one proxy come one after another. */
  addProxy({ id, seconds, known, missing, late }: SourceSeconds): void {
    if (this.#proxies > 0 && this.#lastProxy === id) return;
    this.#lastProxy = id;
    this.#proxies += 1;
    this.#missing += missing;
    this.#late += late;
    if (this.#seconds === undefined) {
      this.#seconds = seconds;
      this.#known = known;
      return;
    }
    if (this.#known === seconds.length || known === 0) return;
    const union = this.#isShared ? this.#seconds.slice() : this.#seconds;
    this.#isShared = false;
    for (const [index, second] of seconds.entries()) if (second === 1) union[index] = 1;
    this.#seconds = union;
    this.#known = union.reduce((sum, second) => sum + second, 0);
  }

  /** Requests or connections; where nothing was counted, the series itself still tells how they travelled. */
  addCount(
    part: "requests" | "connections",
    value: number,
    { labels, travelled }: { readonly labels: Labels; readonly travelled: Travelled },
  ) {
    if (part === "connections") this.#connections += value;
    else {
      const outcome = outcomeOf(labels);
      this.#requests += value;
      if (outcome === "failed") this.#failed += value;
      if (outcome === "ok" || outcome === "refused") this.#answered += value;
    }
    this.#addTravelled(value, travelled);
  }

  #addTravelled(value: number, travelled: Travelled): void {
    if (travelled === undefined) return;
    if (travelled === "plain") {
      this.#hasPlain = true;
      this.#plain += value;
      return;
    }
    this.#hasEncrypted = true;
    this.#encrypted += value;
    const known = this.#principals;
    if (known === undefined || travelled.source + travelled.destination < known.source + known.destination) this.#principals = travelled;
  }

  /** A connection that is open now says how the edge travels, however long ago it was opened. */
  addOpen(travelled: Travelled): void {
    this.#open += 1;
    this.#addTravelled(1, travelled);
  }

  addLater(later: Later): void {
    this.#later.push(later);
  }

  /** Requests with an answer that isn't the server's fault, or connections: how often a client and its server both saw it, retries or not. */
  get answered(): number {
    return this.#answered + this.#connections;
  }

  get isPlain(): boolean {
    return this.#hasPlain;
  }

  /** @param without - requests and connections of it that are told of elsewhere. */
  edge(names: EdgeNames, without = 0): TrafficEdge {
    const { labels } = this;
    const seconds = this.#known === 0 ? undefined : Math.max(1, this.#known - this.#late / Math.max(1, this.#proxies));
    const per = (value: number) => (seconds === undefined ? undefined : value / seconds);
    const requests = Math.max(0, this.#requests - (this.#requests > 0 ? without : 0));
    const connections = Math.max(0, this.#connections - (this.#requests > 0 ? 0 : without));
    const { received, sent, latency } = this.#sums();
    const isLive = requests > 0 || connections > 0 || this.#open > 0 || received > 0 || sent > 0;
    const encryption = this.#encryption();
    const principals = encryption === "mtls" ? this.#principals : undefined;
    const failed = Math.min(this.#failed, requests);
    return {
      from: callerOf(labels, names, principals?.source),
      to: serverOf(labels, names, principals?.destination),
      version: labels["destination_version"] ?? unknownValue,
      service: serviceIn(labels),
      port: Number(labels["destination_port"] ?? 0),
      protocol: labels["request_protocol"] ?? unknownValue,
      encryption,
      mirrored: labels["mirrored"] === "true",
      reporter: labels["reporter"] === "destination" ? "destination" : "source",
      requests,
      requestsPerSecond: per(requests),
      failed,
      failedShare: requests === 0 ? undefined : failed / requests,
      latency: latency === undefined ? undefined : latencyOf(latency),
      connections,
      open: labels["request_protocol"] === "tcp" ? this.#open : undefined,
      bytesReceivedPerSecond: per(received),
      bytesSentPerSecond: per(sent),
      state: isLive ? "live" : seconds === undefined ? "gap" : "idle",
      seconds: this.#known,
      missing: this.#missing,
    };
  }

  #sums() {
    const bytes = { received: 0, sent: 0 };
    let latency: Distribution | undefined;
    for (const { part, series, resolution, sumOf } of this.#later) {
      if (part !== "latency") {
        bytes[part] += series.total(resolution, sumOf);
        continue;
      }
      const distribution = series.distribution(resolution, sumOf);
      if (distribution === undefined) continue;
      latency = latency === undefined ? distribution : (mergedDistribution(latency, distribution) ?? latency);
    }
    return { ...bytes, latency };
  }

  #encryption(): TrafficEdge["encryption"] {
    if (!this.#hasEncrypted) return this.#hasPlain ? "none" : "unknown";
    // Where both kinds are known and one of them carried nothing in the window, the other one says how it travels now.
    if (!this.#hasPlain || (this.#plain === 0 && this.#encrypted > 0)) return "mtls";
    return this.#encrypted === 0 && this.#plain > 0 ? "none" : "partly";
  }
}

/** Istio writes these into the service's name and leaves its host unknown. */
const hostless: Readonly<Record<string, string>> = {
  PassthroughCluster: endNames.unknownHosts,
  InboundPassthroughCluster: endNames.noDestination,
  BlackHoleCluster: endNames.blockedHosts,
};

/** The host that was called, or the name that stands for hosts which nobody declared. */
function serviceIn({ destination_service: host = unknownValue, destination_service_name: name = unknownValue }: Labels): string {
  return Object.hasOwn(hostless, name) ? name : host;
}

function callerOf(labels: Labels, { gateways }: EdgeNames, identity: string | undefined): TrafficEnd {
  if (labels[outsideLabel] !== undefined) return { name: endNames.outside, kind: "external" };
  const { source_workload_namespace: namespace = unknownValue, source_workload: workload = unknownValue } = labels;
  if (workload !== unknownValue) return workloadEnd(`${namespace}/${workload}`, gateways, identity);
  // A certificate of somebody whom no workload is known for: the identity is all there is.
  const name = identity === undefined || identity === unknownValue ? endNames.noSidecar : identity;
  return { name, kind: "unknown", ...shown(identity) };
}

function serverOf(labels: Labels, { gateways, services }: EdgeNames, identity: string | undefined): TrafficEnd {
  const { destination_workload_namespace: namespace = unknownValue, destination_workload: workload = unknownValue } = labels;
  if (workload !== unknownValue) return workloadEnd(`${namespace}/${workload}`, gateways, identity);
  const host = serviceIn(labels);
  const stand = Object.hasOwn(hostless, host) ? hostless[host] : undefined;
  if (stand !== undefined) return { name: stand, kind: "unknown", ...shown(identity) };
  if (host === unknownValue) return { name: endNames.noDestination, kind: "unknown", ...shown(identity) };
  return { name: host, kind: services.has(host) ? "unknown" : "external", ...shown(identity) };
}

function workloadEnd(name: string, gateways: ReadonlySet<string>, identity: string | undefined): TrafficEnd {
  return { name, kind: gateways.has(name) ? "gateway" : "workload", ...shown(identity) };
}

function shown(identity: string | undefined): { readonly identity?: string } {
  return identity === undefined || identity === unknownValue ? {} : { identity };
}

function latencyOf(distribution: Distribution): TrafficEdge["latency"] {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((q) => quantileOf(distribution, q));
  return p50 === undefined || p95 === undefined || p99 === undefined ? undefined : { p50, p95, p99 };
}
