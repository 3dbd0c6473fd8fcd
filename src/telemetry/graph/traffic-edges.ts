// Samples of a window → who called whom: the graph's edges. Pure. Ends, ports, protocols and encryption are as in src/analyze/edges, which reads
// them from admin interfaces today; counts are of the window, not since the proxies started.

import type { Labels } from "../point.ts";
import type { SampleStore } from "../samples/sample-store.ts";
import { mergedDistribution, quantileOf, type WindowRow, windowOf } from "../samples/window.ts";
import { unknownValue } from "../standard-metrics.ts";
import { outcomeOf } from "./outcome.ts";

export interface TrafficEnd {
  /** "shop/web": namespace and workload; a host where no workload is known; "(unknown)". */
  readonly name: string;
  readonly kind: "workload" | "gateway" | "external" | "unknown";
  /** SPIFFE ID that it showed. */
  readonly identity?: string;
}

export interface TrafficEdge {
  readonly from: TrafficEnd;
  readonly to: TrafficEnd;
  /** Of the destination; "unknown" without a version label. */
  readonly version: string;
  /** Host of the service that was called, or "unknown". */
  readonly service: string;
  /** Of the service; 0 when it isn't known. */
  readonly port: number;
  /** http, grpc or tcp. */
  readonly protocol: string;
  /** unknown: no connection was made. */
  readonly encryption: "mtls" | "none" | "partly" | "unknown";
  /** Copies of requests: edges of their own. */
  readonly mirrored: boolean;
  /** Whose numbers these are: the client's see refused connections and timeouts, the server's are for callers without a proxy. */
  readonly reporter: "source" | "destination";
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly failed: number;
  /** 0..1; undefined without a request. */
  readonly failedShare: number | undefined;
  /** In milliseconds; undefined without a request. */
  readonly latency: { readonly p50: number; readonly p90: number; readonly p99: number } | undefined;
  /** TCP connections that were opened. */
  readonly connections: number;
  /** Bodies of requests, or TCP from the client. */
  readonly bytesReceivedPerSecond: number;
  /** Bodies of responses, or TCP to the client. */
  readonly bytesSentPerSecond: number;
  /** Something happened in the window. */
  readonly live: boolean;
  /** Proxy-seconds of the window that nobody reported. */
  readonly missing: number;
}

export interface TrafficEdgesOptions {
  readonly fromMs: number;
  readonly toMs: number;
  /** "istio-system/ingress": workloads that are gateways. */
  readonly gateways: ReadonlySet<string>;
  /** Hosts of the mesh's own services: calls that reached none of their pods aren't calls to the world outside. */
  readonly services: ReadonlySet<string>;
}

const edgeLabels = [
  "reporter",
  "source_workload",
  "source_workload_namespace",
  "destination_workload",
  "destination_workload_namespace",
  "destination_version",
  "destination_service",
  "destination_port",
  "request_protocol",
  "mirrored",
] as const;

const detailLabels = ["source_principal", "destination_principal", "connection_security_policy"] as const;

/** Every edge that was ever counted, sorted; the client's numbers where both ends counted. */
export function trafficEdges(store: SampleStore, options: TrafficEdgesOptions): readonly TrafficEdge[] {
  const { fromMs, toMs } = options;
  const query = { by: edgeLabels, match: { mirrored: () => true }, fromMs, toMs };
  const rows = (name: string, more: readonly string[] = []) => windowOf(store, { ...query, name, by: [...edgeLabels, ...more] });
  const totals = (name: string) => windowOf(store, { ...query, name, onlyTotals: true });
  const table = new Map<string, Gathered>();
  const gather = (row: WindowRow): Gathered => {
    const key = JSON.stringify(edgeLabels.map((label) => row.group[label] ?? ""));
    const known = table.get(key) ?? new Gathered(row.group);
    table.set(key, known);
    return known;
  };
  for (const row of rows("istio_requests_total", [...detailLabels, "response_code", "grpc_response_status", "response_flags"])) {
    gather(row).addRequests(row);
  }
  for (const row of rows("istio_request_duration_milliseconds")) gather(row).addLatency(row);
  for (const row of totals("istio_request_bytes")) gather(row).received += row.sum;
  for (const row of totals("istio_response_bytes")) gather(row).sent += row.sum;
  for (const row of rows("istio_tcp_connections_opened_total", detailLabels)) gather(row).addConnections(row);
  for (const row of totals("istio_tcp_received_bytes_total")) gather(row).received += row.sum;
  for (const row of totals("istio_tcp_sent_bytes_total")) gather(row).sent += row.sum;
  return preferred([...table.values()].map((gathered) => gathered.edge(options))).toSorted(compareEdges);
}

/** The clients' edges, and of the servers' those that no client has. */
function preferred(edges: readonly TrafficEdge[]): readonly TrafficEdge[] {
  const fromClients = new Set(edges.filter(({ reporter }) => reporter === "source").map(edgeKey));
  return edges.filter((edge) => edge.reporter === "source" || !fromClients.has(edgeKey(edge)));
}

/** Names an edge among others; a server doesn't know by which of its names it was called. */
export function edgeKey({ from, to, version, port, protocol, mirrored }: TrafficEdge): string {
  return JSON.stringify([from.name, to.name, version, port, protocol, mirrored]);
}

function compareEdges(a: TrafficEdge, b: TrafficEdge): number {
  const [one, other] = [`${edgeKey(a)}${a.service}`, `${edgeKey(b)}${b.service}`];
  return one < other ? -1 : one > other ? 1 : 0;
}

/** What is known of one edge while rows come in. */
class Gathered {
  received = 0;
  sent = 0;
  readonly #labels: Labels;
  #requests = 0;
  #failed = 0;
  #connections = 0;
  #encrypted = 0;
  #plain = 0;
  #hasPlain = false;
  #seconds = 0;
  #missing = 0;
  #principals: { source: string; destination: string } | undefined;
  #latency: WindowRow["distribution"];

  constructor(labels: Labels) {
    this.#labels = labels;
  }

  addRequests(row: WindowRow): void {
    this.#requests += row.sum;
    if (outcomeOf(row.group) === "failed") this.#failed += row.sum;
    this.#see(row);
  }

  addConnections(row: WindowRow): void {
    this.#connections += row.sum;
    this.#see(row);
  }

  addLatency({ distribution }: WindowRow): void {
    if (distribution === undefined) return;
    this.#latency = this.#latency === undefined ? distribution : (mergedDistribution(this.#latency, distribution) ?? this.#latency);
  }

  edge({ gateways, services }: TrafficEdgesOptions): TrafficEdge {
    const labels = this.#labels;
    const seconds = Math.max(1, this.#seconds);
    const encryption = this.#encryption();
    const host = labels["destination_service"] ?? unknownValue;
    const principals = encryption === "mtls" ? this.#principals : undefined;
    return {
      from: endOf({
        namespace: labels["source_workload_namespace"],
        workload: labels["source_workload"],
        identity: principals?.source,
        gateways,
      }),
      to: endOf({
        namespace: labels["destination_workload_namespace"],
        workload: labels["destination_workload"],
        identity: principals?.destination,
        gateways,
        host,
        isOutside: !services.has(host),
      }),
      version: labels["destination_version"] ?? unknownValue,
      service: host,
      port: Number(labels["destination_port"] ?? 0),
      protocol: labels["request_protocol"] ?? unknownValue,
      encryption,
      mirrored: labels["mirrored"] === "true",
      reporter: labels["reporter"] === "destination" ? "destination" : "source",
      requests: this.#requests,
      requestsPerSecond: this.#requests / seconds,
      failed: this.#failed,
      failedShare: this.#requests === 0 ? undefined : this.#failed / this.#requests,
      latency: latencyOf(this.#latency),
      connections: this.#connections,
      bytesReceivedPerSecond: this.received / seconds,
      bytesSentPerSecond: this.sent / seconds,
      live: this.#requests > 0 || this.#connections > 0 || this.received > 0 || this.sent > 0,
      missing: this.#missing,
    };
  }

  #encryption(): TrafficEdge["encryption"] {
    if (this.#encrypted > 0) return this.#plain === 0 ? "mtls" : "partly";
    return this.#hasPlain ? "none" : "unknown";
  }

  /** A server knows by its policy whether the connection was mutual TLS, a client by the name that the server showed. */
  #see({ group, sum, seconds, missing }: WindowRow): void {
    const { source_principal: source = unknownValue, destination_principal: destination = unknownValue } = group;
    const isServer = group["reporter"] === "destination";
    const isEncrypted = isServer ? group["connection_security_policy"] === "mutual_tls" : destination !== unknownValue;
    // Where nothing was counted in the window, the series themselves still tell.
    if (isEncrypted) this.#encrypted += Math.max(sum, Number.MIN_VALUE);
    else if (!isFailedBefore(group)) {
      this.#hasPlain = true;
      this.#plain += sum;
    }
    if (isEncrypted) this.#principals ??= { source, destination };
    this.#seconds = Math.max(this.#seconds, seconds);
    this.#missing = Math.max(this.#missing, missing);
  }
}

/** No connection to a server was made: nothing says how it would have travelled. */
function isFailedBefore(group: Labels): boolean {
  const flags = (group["response_flags"] ?? "").split(",");
  return ["UF", "UH", "NR", "NC", "UO", "DC"].some((flag) => flags.includes(flag));
}

interface EndParts {
  readonly namespace: string | undefined;
  readonly workload: string | undefined;
  readonly identity: string | undefined;
  readonly gateways: ReadonlySet<string>;
  /** Of the service; destinations only. */
  readonly host?: string;
  readonly isOutside?: boolean;
}

function endOf(parts: EndParts): TrafficEnd {
  const { namespace = unknownValue, workload = unknownValue, identity, gateways, host = unknownValue, isOutside = true } = parts;
  const shown = identity === undefined || identity === unknownValue ? {} : { identity };
  if (workload === unknownValue) {
    return host === unknownValue
      ? { name: "(unknown)", kind: "unknown", ...shown }
      : { name: host, kind: isOutside ? "external" : "unknown", ...shown };
  }
  const name = `${namespace}/${workload}`;
  return { name, kind: gateways.has(name) ? "gateway" : "workload", ...shown };
}

function latencyOf(distribution: WindowRow["distribution"]): TrafficEdge["latency"] {
  if (distribution === undefined) return undefined;
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((q) => quantileOf(distribution, q));
  return p50 === undefined || p90 === undefined || p99 === undefined ? undefined : { p50, p90, p99 };
}
