// Traces: which requests are sampled and where their spans go → HttpConnectionManager.Tracing.

import type { HttpConnectionManager_TracingJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HttpPlace } from "./http-connection-manager.ts";

/** The tracing of one place; undefined for none. */
export function tracing(_place: HttpPlace): HttpConnectionManager_TracingJson | undefined {
  return undefined;
}
