// The access logger of `lateen tap`: every request with all that is known of it, to the control plane, and only while a runtime key says that somebody
// watches. It stands in every listener, so that none is replaced when somebody begins or ends to watch.

import type { AccessLogFilterJson, AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import { OpenTelemetryAccessLogConfigSchema } from "#envoy/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js";
import { any } from "../../envoy/any.ts";
import { xdsClusterName } from "../../envoy/names.ts";
import { telemetryRuntimeKeys } from "../../model/telemetry.ts";
import { connectionTapFormats, requestTapFormats, tapLogName, tapReporter } from "../../telemetry/tap-record.ts";
import type { HttpPlace } from "./http-connection-manager.ts";
import type { TcpPlace } from "./tcp-proxy.ts";

/**
 * Nothing where the key is missing. Requests are drawn by their id, so that both proxies of one request draw alike, where only a share of them is
 * watched.
 */
const watched: AccessLogFilterJson = {
  runtimeFilter: { runtimeKey: telemetryRuntimeKeys.tap, percentSampled: { numerator: 0, denominator: "HUNDRED" } },
};

/** Begin and end; the reports between are the counters'. */
const watchedConnections: AccessLogFilterJson = {
  andFilter: { filters: [watched, { logTypeFilter: { types: ["TcpUpstreamConnected", "TcpConnectionEnd"] } }] },
};

/** Of an HTTP connection manager. */
export function requestTapLog({ direction }: HttpPlace): AccessLogJson[] {
  return [tapLog({ ...requestTapFormats, [tapReporter]: direction === "inbound" ? "destination" : "source" }, watched)];
}

/** Of a TCP proxy. */
export function connectionTapLog(_place: TcpPlace): AccessLogJson[] {
  return [tapLog({ ...connectionTapFormats, [tapReporter]: "tcp" }, watchedConnections)];
}

function tapLog(formats: Readonly<Record<string, string>>, filter: AccessLogFilterJson): AccessLogJson {
  const values = Object.entries(formats).map(([key, stringValue]) => ({ key, value: { stringValue } }));
  return {
    name: "envoy.access_loggers.open_telemetry",
    filter,
    typedConfig: any(OpenTelemetryAccessLogConfigSchema, {
      // Sent after a second, or 16 KiB: Envoy 1.40 ignores buffer_flush_interval here, and common_config, where it doesn't, is deprecated, of which
      // each proxy would warn in its log once per listener.
      logName: tapLogName,
      grpcService: { envoyGrpc: { clusterName: xdsClusterName } },
      attributes: { values },
    }),
  };
}
