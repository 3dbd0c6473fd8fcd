// Which of Envoy's native stats a proxy keeps: what status, telemetry and releases read. Each stat costs memory per cluster and time per scrape.

import type { ListStringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";

const prefixes: readonly string[] = [
  "cluster_manager.",
  "listener_manager.",
  "server.",
  "runtime.",
  "control_plane.",
  "cluster.xds-grpc.",
  "http.",
  "tcp.",
];

/** Parts of cluster and listener stats; the names before them are ours and contain no such part. */
const clusterStats: readonly string[] = [
  ".upstream_rq_",
  ".upstream_cx_total",
  ".upstream_cx_active",
  ".upstream_cx_connect_fail",
  ".upstream_cx_overflow",
  ".upstream_cx_pool_overflow",
  ".upstream_cx_destroy",
  ".upstream_cx_http2_total",
  ".upstream_cx_max_requests",
  ".upstream_cx_max_duration_reached",
  ".outlier_detection.",
  ".membership_",
  ".downstream_cx_total",
  ".downstream_cx_active",
  ".no_filter_chain_match",
  // Which policy's rule decided. "http." doesn't take them: Envoy doesn't compare prefixes with names made at run time.
  ".rbac.policy.",
  // Why handshakes failed, at either side.
  ".ssl.connection_error",
  ".ssl.fail_verify_",
  ".ssl.handshake",
];

/** The inclusion list of the bootstrap. */
export const includedStats: ListStringMatcherJson = {
  patterns: [...prefixes.map((prefix) => ({ prefix })), ...clusterStats.map((contains) => ({ contains }))],
};
