// The access logger of `lateen tap`: every request with all that is known of it, to the control plane, and only while a runtime key says that somebody watches.

import type { AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { HttpPlace } from "./http-connection-manager.ts";
import type { TcpPlace } from "./tcp-proxy.ts";

/** Of an HTTP connection manager. */
export function requestTapLog(_place: HttpPlace): AccessLogJson[] {
  return [];
}

/** Of a TCP proxy. */
export function connectionTapLog(_place: TcpPlace): AccessLogJson[] {
  return [];
}
