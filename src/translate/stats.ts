// Which of Envoy's native stats a proxy keeps: what status, telemetry and releases read. Each stat costs memory per cluster and time per scrape.

import type { SinkConfigJson } from "#envoy/envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry_pb.js";
import type { ListStringMatcherJson, StringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";
import type { Matcher_MatcherList_PredicateJson } from "#envoy/xds/type/matcher/v3/matcher_pb.js";
import { xdsClusterName } from "../envoy/names.ts";

/** What access loggers count. */
const countedPrefixes = ["istio_", "lateen_"] as const;

const prefixes: readonly string[] = [
  ...countedPrefixes,
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

/**
 * What proxies report every second: what access loggers count, and the uptime, which always is there: without any series nothing would be sent, and
 * idleness would look like a gap. All other stats are for the admin interface.
 */
const reported: readonly Matcher_MatcherList_PredicateJson[] = [
  ...countedPrefixes.map((prefix) => statName({ prefix })),
  statName({ exact: "server.uptime" }),
];

/** The sink: over the connection that brings the configuration, so that the sender is known. */
export const reportSink = {
  name: "envoy.stat_sinks.open_telemetry",
  typedConfig: {
    "@type": "type.googleapis.com/envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig",
    ...sinkConfig(),
  },
} as const;

function sinkConfig(): SinkConfigJson {
  const drop = {
    name: "drop",
    typedConfig: { "@type": "type.googleapis.com/envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig.DropAction" },
  };
  return {
    grpcService: { envoyGrpc: { clusterName: xdsClusterName } },
    customMetricConversions: {
      matcherList: {
        matchers: [{ predicate: { notMatcher: { orMatcher: { predicate: [...reported] } } }, onMatch: { action: drop } }],
      },
    },
  };
}

function statName(valueMatch: StringMatcherJson): Matcher_MatcherList_PredicateJson {
  const input = {
    name: "name",
    typedConfig: { "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.stats.v3.StatFullNameMatchInput" },
  };
  return { singlePredicate: { input, valueMatch } };
}
