// The access loggers by which a proxy tells the control plane what its counters can't hold → Envoy's OpenTelemetry logger: connections while they live,
// gRPC calls of many messages. What the attributes mean: telemetry/connection-log.ts, telemetry/message-log.ts.

import type { AccessLogFilterJson, AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { OpenTelemetryAccessLogConfigJson } from "#envoy/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js";
import { OpenTelemetryAccessLogConfigSchema } from "#envoy/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.js";
import { any } from "../../envoy/any.ts";
import { xdsClusterName } from "../../envoy/names.ts";
import { connectionAttributes, connectionLogName } from "../../telemetry/connection-log.ts";
import { messageLogName, messagesAttribute } from "../../telemetry/message-log.ts";
import { templateKey } from "../service-text.ts";
import { messageCounts } from "./grpc-messages.ts";
import type { StatsSide, TagFormats } from "./stats-tags.ts";

/** Between two reports of a connection that lives on: Istio's tcp_reporting_duration. */
export const connectionReportInterval = "5s";

/** Addresses by which the records of both proxies of a connection are brought together, and what only the client's proxy knows. */
const ofSide = {
  source: {
    [connectionAttributes.wireOut]: "%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_REMOTE_ADDRESS%",
    [connectionAttributes.template]: `%UPSTREAM_METADATA(istio:${templateKey})%`,
  },
  destination: { [connectionAttributes.wireIn]: "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%" },
} as const;

/** One record at the connection's start, at each interval and at its end, with the tags. */
export function connectionLog(reporter: StatsSide["reporter"], tags: TagFormats): AccessLogJson {
  return reported(connectionLogName, {
    ...tags,
    [connectionAttributes.connection]: "%CONNECTION_ID%",
    [connectionAttributes.logType]: "%ACCESS_LOG_TYPE%",
    [connectionAttributes.received]: "%BYTES_RECEIVED%",
    [connectionAttributes.sent]: "%BYTES_SENT%",
    [connectionAttributes.flags]: "%RESPONSE_FLAGS%",
    ...ofSide[reporter],
  });
}

/** One record per gRPC call that the filter takes. */
export function messageLog(tags: TagFormats, filter: AccessLogFilterJson): AccessLogJson {
  return { ...reported(messageLogName, { ...tags, [messagesAttribute]: messageCounts }), filter };
}

/** To the control plane, under a name, once a second: buffer_flush_interval is Envoy's default, and 1.40 ignores any other beside grpc_service. */
function reported(logName: string, formats: Readonly<Record<string, string>>): AccessLogJson {
  return {
    name: "envoy.access_loggers.open_telemetry",
    typedConfig: any(OpenTelemetryAccessLogConfigSchema, {
      logName,
      grpcService: { envoyGrpc: { clusterName: xdsClusterName } },
      attributes: attributes(formats),
    }),
  };
}

function attributes(formats: Readonly<Record<string, string>>): NonNullable<OpenTelemetryAccessLogConfigJson["attributes"]> {
  return { values: Object.entries(formats).map(([key, stringValue]) => ({ key, value: { stringValue } })) };
}
