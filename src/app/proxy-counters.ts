// Reads what the proxies counted from their admin sockets, when somebody asks: the local runtime's source for edgesOf. A proxy that doesn't
// answer is left out.

import { z } from "zod";
import type { ClusterCounters, HttpCounters, ProxyCounters } from "../analyze/edges/counters.ts";
import { clusterStatName } from "../envoy/names.ts";
import type { MeshProxy } from "../model/mesh.ts";
import { askAdmin } from "../platform/local/sidecar.ts";

/** Counters by proxy id. */
export type ReadCounters = (proxies: readonly MeshProxy[]) => Promise<ReadonlyMap<string, ProxyCounters>>;

/** Proxies that are asked at the same time. */
const concurrency = 16;

/** A reader of the admin sockets of a mesh. */
export function countersReader(adminSocketOf: (podUid: string) => string): ReadCounters {
  return async (proxies) => {
    const counters = new Map<string, ProxyCounters>();
    const queue = [...proxies];
    const work = async (): Promise<void> => {
      for (let proxy = queue.shift(); proxy !== undefined; proxy = queue.shift()) {
        const read = await readProxy(adminSocketOf(proxy.podUid)).catch(() => undefined);
        if (read !== undefined) counters.set(proxy.id, read);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return counters;
  };
}

/** The counters that edges are made of, and nothing else: the answer stays small. */
const wantedStats =
  "^(cluster\\..*\\.(ssl\\.handshake|upstream_cx_total|upstream_cx_connect_fail)|http\\.(inbound|gateway)_\\d+\\.downstream_(cx|rq)_.*)$";

async function readProxy(socketPath: string): Promise<ProxyCounters> {
  const [stats, clusters] = await Promise.all([
    askAdmin(socketPath, "GET", `/stats?usedonly&filter=${encodeURIComponent(wantedStats)}`),
    askAdmin(socketPath, "GET", "/clusters?format=json"),
  ]);
  return countersOf(stats.body, JSON.parse(clusters.body));
}

const hostStatus = z.object({
  address: z.object({ socket_address: z.object({ address: z.string(), port_value: z.number().default(0) }).optional() }).default({}),
  stats: z.array(z.object({ name: z.string().default(""), value: z.coerce.number().default(0) })).default([]),
});

const clustersSchema = z.object({
  cluster_statuses: z.array(z.object({ name: z.string(), host_statuses: z.array(hostStatus).default([]) })).default([]),
});

/** Envoy's /stats (text) and /clusters (JSON) as counters. @throws ZodError for another answer. */
export function countersOf(statsText: string, clusters: unknown): ProxyCounters {
  const stats = new Map(
    statsText.split("\n").map((line): [string, number] => {
      const colon = line.lastIndexOf(": ");
      return [line.slice(0, colon), Number(line.slice(colon + 2)) || 0];
    }),
  );
  const { cluster_statuses } = clustersSchema.parse(clusters);
  return {
    clusters: cluster_statuses
      .map(({ name, host_statuses }) => clusterCounters(name, host_statuses, stats))
      .filter(({ endpoints }) => endpoints.length > 0),
    inbound: httpCounters(stats, "inbound"),
    gateway: httpCounters(stats, "gateway"),
  };
}

function clusterCounters(name: string, hosts: readonly z.output<typeof hostStatus>[], stats: ReadonlyMap<string, number>): ClusterCounters {
  const of = (stat: string): number => stats.get(`cluster.${clusterStatName(name)}.${stat}`) ?? 0;
  const endpoints = hosts.flatMap(({ address: { socket_address: socket }, stats: counted }) => {
    const value = (wanted: string): number => counted.find((stat) => stat.name === wanted)?.value ?? 0;
    const [connections, active, requests] = [value("cx_total") - value("cx_connect_fail"), value("cx_active"), value("rq_total")];
    const isUsed = socket !== undefined && (connections > 0 || active > 0);
    return isUsed ? [{ address: `${socket.address}:${socket.port_value}`, connections, active, requests }] : [];
  });
  return { name, connections: of("upstream_cx_total") - of("upstream_cx_connect_fail"), handshakes: of("ssl.handshake"), endpoints };
}

function httpCounters(stats: ReadonlyMap<string, number>, direction: "inbound" | "gateway"): ReadonlyMap<number, HttpCounters> {
  const ports = [...stats.keys()].flatMap((name) => {
    const [http, place = ""] = name.split(".");
    return http === "http" && place.startsWith(`${direction}_`) ? [Number(place.slice(direction.length + 1))] : [];
  });
  return new Map(
    [...new Set(ports)].map((port) => {
      const of = (stat: string): number => stats.get(`http.${direction}_${port}.downstream_${stat}`) ?? 0;
      const counters = {
        connections: of("cx_total"),
        tlsConnections: of("cx_ssl_total"),
        active: of("cx_active"),
        tlsActive: of("cx_ssl_active"),
      };
      return [port, { ...counters, requests: of("rq_total") }];
    }),
  );
}
