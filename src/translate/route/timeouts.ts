// `timeout` of an http route → the time limits of Envoy's RouteAction.

import type { RouteActionJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { DurationMs } from "../../lib/duration.ts";
import { protoDuration } from "../../lib/duration.ts";

/**
 * Without `timeout` there is no limit (Istio; Envoy's own default is 15 s), and a gRPC request keeps the deadline it brings along
 * (grpc-timeout), answered with DEADLINE_EXCEEDED.
 *
 * Istio sets max_grpc_timeout, which is deprecated: Envoy logs a line per route at every push. Its successor max_stream_duration
 * switches `timeout` off (seen on 1.40), so the two are never set together.
 */
export function timeouts(timeout: DurationMs | undefined): Pick<RouteActionJson, "timeout" | "maxStreamDuration"> {
  if (timeout !== undefined && timeout > 0) return { timeout: protoDuration(timeout) };
  return { timeout: "0s", maxStreamDuration: { grpcTimeoutHeaderMax: "0s" } };
}
