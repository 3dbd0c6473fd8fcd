// Samples of a window → rows of golden numbers by service, workload, version, caller or edge: `lateen stat` and `lateen top`. Pure. What nobody reported is
// undefined, never 0.

import { outcomeOf } from "../graph/outcome.ts";
import { isHostNamed } from "../party.ts";
import type { Labels } from "../point.ts";
import type { SampleStore } from "../samples/sample-store.ts";
import { quantileOf, type WindowQuery, type WindowRow, windowOf } from "../samples/window.ts";
import type { StandardMetricName } from "../standard-metrics.ts";
import { isFrom, isTo, isWorkload, type StatParty } from "./party.ts";

/** Labels that tell the rows of each kind apart. */
const statLabels = {
  service: ["destination_service_namespace", "destination_service_name", "destination_service"],
  workload: ["destination_workload_namespace", "destination_workload"],
  version: [
    "destination_service_namespace",
    "destination_service_name",
    "destination_service",
    "destination_workload",
    "destination_version",
  ],
  source: ["source_workload_namespace", "source_workload"],
  edge: [
    "source_workload_namespace",
    "source_workload",
    "destination_service_namespace",
    "destination_service_name",
    "destination_service",
    "destination_version",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type StatBy = keyof typeof statLabels;

/** Whose numbers: the callers' see refused connections and timeouts, the servers' see callers without a proxy. */
export type StatReporter = "client" | "server";

export interface StatQuery {
  readonly by: StatBy;
  /** Servers' numbers also stand for "client" where no client counted the row, of requests that no client tells of. */
  readonly reporter: StatReporter;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of what the rows name: the service or workload that was asked, or by source that asked. */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly from?: StatParty | undefined;
  readonly to?: StatParty | undefined;
  /** Labels of TCP connections that are open. */
  readonly open: readonly Labels[];
}

export interface StatLatency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface StatRow {
  /** By the labels of `statLabels`. */
  readonly labels: Labels;
  readonly reporter: StatReporter;
  readonly requests: number;
  /** Undefined where nobody reported, and where there was nothing but TCP; `state` says which. */
  readonly requestsPerSecond: number | undefined;
  readonly failed: number;
  /** Without failures of the server or the network, 0..1; undefined without a request. */
  readonly successShare: number | undefined;
  /** In ms; undefined without a request. */
  readonly latency: StatLatency | undefined;
  /** TCP only, from and to the client; undefined where there was no TCP, or nobody reported. */
  readonly tcpReceivedPerSecond: number | undefined;
  readonly tcpSentPerSecond: number | undefined;
  /** TCP connections that are open now. */
  readonly openConnections: number;
  /** live: something happened; idle: nothing, and its proxies said so; gap: nobody reported. */
  readonly state: "live" | "idle" | "gap";
  /** Seconds of the window that at least one of its proxies reported. */
  readonly seconds: number;
  /** Proxy-seconds that were not reported, though the proxies ran. */
  readonly missing: number;
}

/** Rows that anything was ever counted of, sorted by their labels. */
export function statRows(store: SampleStore, query: StatQuery): readonly StatRow[] {
  const own = rowsOf(store, query);
  if (query.reporter === "server") return own;
  const known = new Set(own.map(({ labels }) => keyOf(query.by, labels)));
  const isTold = toldByClients(store);
  const others = rowsOf(store, { ...query, reporter: "server" }, (labels) => !known.has(keyOf(query.by, labels)) && !isTold(labels));
  return [...own, ...others].toSorted((a, b) => (keyOf(query.by, a.labels) < keyOf(query.by, b.labels) ? -1 : 1));
}

/**
 * Whether a client's proxy counts what a server's series counts, under whatever name: a port of several services counts for the oldest at the server, and
 * an answer that came too late has another code there. Who asked whom both ends know.
 */
function toldByClients(store: SampleStore): (labels: Labels) => boolean {
  const told = new Set<string>();
  for (const { byName } of store.sources()) {
    for (const name of countedNames) {
      for (const { labels } of byName.get(name) ?? []) if (labels["reporter"] === "source") told.add(pairOf(labels));
    }
  }
  return (labels) => told.has(pairOf(labels));
}

const countedNames = ["istio_requests_total", "istio_tcp_connections_opened_total"] as const;

function pairOf(labels: Labels): string {
  return pairLabels.map((label) => labels[label] ?? "").join("\n");
}

const pairLabels = ["source_workload_namespace", "source_workload", "destination_workload_namespace", "destination_workload"] as const;

function keyOf(by: StatBy, labels: Labels): string {
  return JSON.stringify(statLabels[by].map((label) => labels[label] ?? ""));
}

function rowsOf(store: SampleStore, query: StatQuery, isWanted: (labels: Labels) => boolean = () => true): readonly StatRow[] {
  const { by, fromMs, toMs } = query;
  const where = (labels: Labels) => concerns(query, labels) && isWanted(labels);
  const ask = (name: StandardMetricName, more: Partial<WindowQuery> = {}) =>
    windowOf(store, { name, where, by: statLabels[by], fromMs, toMs, ...more });
  const requests = rowsByKey(by, ask("istio_requests_total"));
  const failed = failuresByKey(by, ask("istio_requests_total", { by: [...statLabels[by], ...outcomeLabels] }));
  const latencies = rowsByKey(by, ask("istio_request_duration_milliseconds"));
  const received = rowsByKey(by, ask("istio_tcp_received_bytes_total"));
  const sent = rowsByKey(by, ask("istio_tcp_sent_bytes_total"));
  const opened = rowsByKey(by, ask("istio_tcp_connections_opened_total"));
  const open = Map.groupBy(query.open.filter(where), (labels) => keyOf(by, labels));
  const keys = new Set([...requests.keys(), ...opened.keys(), ...received.keys(), ...sent.keys()]);
  return [...keys].toSorted().flatMap((key) => {
    const parts = {
      requests: requests.get(key),
      latency: latencies.get(key),
      received: received.get(key),
      sent: sent.get(key),
      opened: opened.get(key),
    };
    return rowOf(parts, { failed: failed.get(key) ?? 0, reporter: query.reporter, openConnections: open.get(key)?.length ?? 0 });
  });
}

interface Parts {
  readonly requests: WindowRow | undefined;
  readonly latency: WindowRow | undefined;
  readonly received: WindowRow | undefined;
  readonly sent: WindowRow | undefined;
  readonly opened: WindowRow | undefined;
}

interface More {
  readonly failed: number;
  readonly reporter: StatReporter;
  readonly openConnections: number;
}

function rowOf({ requests, latency, received, sent, opened }: Parts, { failed, reporter, openConnections }: More): readonly StatRow[] {
  const rows = [requests, opened, received, sent].filter((row) => row !== undefined);
  const [first] = rows;
  if (first === undefined) return [];
  const seconds = Math.max(...rows.map((row) => row.seconds));
  const isLive = rows.some(({ sum }) => sum > 0) || openConnections > 0;
  const count = requests?.sum ?? 0;
  return [
    {
      labels: first.group,
      reporter,
      requests: count,
      requestsPerSecond: requests?.perSecond,
      failed,
      successShare: count === 0 ? undefined : 1 - failed / count,
      latency: latencyOf(latency),
      tcpReceivedPerSecond: received?.perSecond ?? tcpRate(opened),
      tcpSentPerSecond: sent?.perSecond ?? tcpRate(opened),
      openConnections,
      state: seconds === 0 ? "gap" : isLive ? "live" : "idle",
      seconds,
      missing: Math.max(...rows.map((row) => row.missing)),
    },
  ];
}

/** Connections were opened, and carried nothing yet. */
function tcpRate(opened: WindowRow | undefined): number | undefined {
  return opened === undefined || opened.seconds === 0 ? undefined : 0;
}

function latencyOf(row: WindowRow | undefined): StatLatency | undefined {
  if (row?.distribution === undefined) return undefined;
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) =>
    row.distribution === undefined ? undefined : quantileOf(row.distribution, share),
  );
  return p50 === undefined || p95 === undefined || p99 === undefined ? undefined : { p50, p95, p99 };
}

const outcomeLabels = ["response_code", "grpc_response_status", "response_flags"] as const;

function failuresByKey(by: StatBy, rows: readonly WindowRow[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { group, sum } of rows) {
    const key = keyOf(by, group);
    if (outcomeOf(group) === "failed") counts.set(key, sum + (counts.get(key) ?? 0));
  }
  return counts;
}

function rowsByKey(by: StatBy, rows: readonly WindowRow[]): ReadonlyMap<string, WindowRow> {
  return new Map(rows.map((row) => [keyOf(by, row.group), row]));
}

function concerns({ by, reporter, namespace, name, from, to }: StatQuery, labels: Labels): boolean {
  if (labels["reporter"] !== (reporter === "client" ? "source" : "destination")) return false;
  if (from !== undefined && !isFrom(from, labels)) return false;
  if (to !== undefined && !isTo(to, labels)) return false;
  if (namespace !== undefined && labels[namespaceLabel(by)] !== namespace) return false;
  if (name === undefined) return true;
  if (by === "source") return isFrom({ kind: "any", name, namespace: undefined }, labels);
  return by === "workload" ? isWorkload(name, labels) : isHostNamed(labels["destination_service"] ?? "", name);
}

function namespaceLabel(by: StatBy): string {
  if (by === "source") return "source_workload_namespace";
  return by === "workload" ? "destination_workload_namespace" : "destination_service_namespace";
}

/** The last second in which a request or connection was counted, as the end of that second; undefined when there was none. */
export function newestTrafficMs(store: SampleStore): number | undefined {
  let newest = 0;
  for (const { byName } of store.sources()) {
    for (const name of countedNames) {
      for (const { lastSecond } of byName.get(name) ?? []) newest = Math.max(newest, lastSecond);
    }
  }
  return newest === 0 ? undefined : (newest + 1) * 1000;
}
