// The network filter that carries bytes to a cluster → Envoy's TcpProxy.

import type { AccessLogFilterJson, AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { TcpProxyJson } from "#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { TcpProxySchema } from "#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import { clusterStatName } from "../../envoy/names.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { ConnectionLimits } from "../../model/l4-routes.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { accessLog } from "./access-log.ts";
import { connectionLogOptions, connectionStatsLogs } from "./stats-log.ts";
import { connectionTapLog } from "./tap-log.ts";

export interface TcpPlace {
  readonly cluster: string;
  readonly settings: MeshSettings;
  /** Connections silent or open for so long are closed; unset, silence may last Envoy's 1 h (0: for ever), and life is not limited. */
  readonly limits?: ConnectionLimits | undefined;
  /** The cluster's name when unset. */
  readonly statPrefix?: string;
  /** At the server's side: whose connections these are (`serviceText`), and whether the client has shown a certificate. */
  readonly inbound?: { readonly service: string; readonly isMutual: boolean };
  /** When the upstream is connected to; at once when unset. */
  readonly connectsAfter?: "handshake" | "first-byte";
}

/** The filter, ready for a filter chain. */
export function tcpProxyFilter(place: TcpPlace): FilterJson {
  return { name: "envoy.filters.network.tcp_proxy", typedConfig: any(TcpProxySchema, tcpProxy(place)) };
}

/** The TCP proxy of one chain. */
export function tcpProxy(place: TcpPlace): TcpProxyJson {
  const { cluster, settings, limits, statPrefix, connectsAfter, inbound } = place;
  return defined<TcpProxyJson>({
    statPrefix: statPrefix ?? clusterStatName(cluster),
    cluster,
    upstreamConnectMode: connectsAfter === undefined ? undefined : connectModes[connectsAfter],
    // Envoy wants to be told how much it may hold meanwhile; more is left to flow control. A server's proxy that doesn't read meanwhile doesn't notice that its
    // client has reset the connection either, and goes on with it until the application has answered or the connect has timed out (seen with 1.40).
    maxEarlyDataBytes: connectsAfter === undefined && inbound === undefined ? undefined : 16_384,
    idleTimeout: limits?.idleTimeout === undefined ? undefined : protoDuration(limits.idleTimeout),
    maxDownstreamConnectionDuration: limits?.maxConnectionDuration === undefined ? undefined : protoDuration(limits.maxConnectionDuration),
    accessLog: [
      ...accessLog(settings, place.inbound === undefined ? "outbound" : "inbound").map(atEnd),
      ...connectionStatsLogs(place),
      ...connectionTapLog(place),
    ],
    accessLogOptions: connectionLogOptions(place),
  });
}

/** One line per connection: loggers are called more often for those who count (connectionLogOptions). */
function atEnd(log: AccessLogJson): AccessLogJson {
  const end: AccessLogFilterJson = { logTypeFilter: { types: ["TcpConnectionEnd"] } };
  return { ...log, filter: log.filter === undefined ? end : { andFilter: { filters: [end, log.filter] } } };
}

const connectModes = { handshake: "ON_DOWNSTREAM_TLS_HANDSHAKE", "first-byte": "ON_DOWNSTREAM_DATA" } as const;
