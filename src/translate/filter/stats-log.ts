// Access loggers that count: Istio's standard metrics by few composite tags, which the collector makes Istio's labels of.

import type { AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { TcpProxyJson } from "#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import type { HttpPlace } from "./http-connection-manager.ts";
import type { TcpPlace } from "./tcp-proxy.ts";

/** The counting loggers of an HTTP connection manager. */
export function requestStatsLogs(_place: HttpPlace): AccessLogJson[] {
  return [];
}

/** The counting loggers of a TCP proxy. */
export function connectionStatsLogs(_place: TcpPlace): AccessLogJson[] {
  return [];
}

/** When a TCP proxy's loggers are called, besides at a connection's end. */
export function connectionLogOptions(_place: TcpPlace): TcpProxyJson["accessLogOptions"] {
  return undefined;
}
