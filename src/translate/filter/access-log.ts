// The access logs of a place: one logger for every file that the proxy knows, switched on and off by runtime keys, in Istio's default text or JSON
// format or one of the user's; `lateen logs` shows what goes to the standard output.

import type { AccessLogFilterJson, AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import type { SubstitutionFormatStringJson } from "#envoy/envoy/config/core/v3/substitution_format_string_pb.js";
import { FileAccessLogSchema } from "#envoy/envoy/extensions/access_loggers/file/v3/file_pb.js";
import { ExpressionFilterSchema } from "#envoy/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js";
import { StderrAccessLogSchema, StdoutAccessLogSchema } from "#envoy/envoy/extensions/access_loggers/stream/v3/stream_pb.js";
import type { JsonObject } from "../../api/json.ts";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { accessLogKey, listenerSinks, type Side } from "../../model/telemetry.ts";
import type { AccessLogFormat, AccessLogSink } from "../../model/telemetry-settings.ts";
import { copyMark } from "../../telemetry/proxy-reports.ts";

/** Whether an AUDIT policy marked the request: "true". */
const auditMark = "%DYNAMIC_METADATA(envoy.common:access_log_hint)%";

/** Istio's default text format (pilot/pkg/model/telemetry_logging.go), and behind it our marks. */
export const defaultAccessLogFormat = `${[
  "[%START_TIME%]",
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%",
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
  '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"',
  "%UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%",
  `%REQUESTED_SERVER_NAME% %ROUTE_NAME% ${auditMark} ${copyMark}`,
].join(" ")}\n`;

/** Istio's default JSON format (EnvoyJSONLogFormatIstio), and our marks. Numbers are written as numbers, what isn't there as null. */
export const defaultJsonAccessLogFormat: JsonObject = {
  start_time: "%START_TIME%",
  route_name: "%ROUTE_NAME%",
  method: "%REQ(:METHOD)%",
  path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
  protocol: "%PROTOCOL%",
  response_code: "%RESPONSE_CODE%",
  response_flags: "%RESPONSE_FLAGS%",
  response_code_details: "%RESPONSE_CODE_DETAILS%",
  connection_termination_details: "%CONNECTION_TERMINATION_DETAILS%",
  bytes_received: "%BYTES_RECEIVED%",
  bytes_sent: "%BYTES_SENT%",
  duration: "%DURATION%",
  upstream_service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
  x_forwarded_for: "%REQ(X-FORWARDED-FOR)%",
  user_agent: "%REQ(USER-AGENT)%",
  request_id: "%REQ(X-REQUEST-ID)%",
  authority: "%REQ(:AUTHORITY)%",
  upstream_host: "%UPSTREAM_HOST%",
  upstream_cluster: "%UPSTREAM_CLUSTER_RAW%",
  upstream_local_address: "%UPSTREAM_LOCAL_ADDRESS%",
  downstream_local_address: "%DOWNSTREAM_LOCAL_ADDRESS%",
  downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%",
  requested_server_name: "%REQUESTED_SERVER_NAME%",
  upstream_transport_failure_reason: "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
  audit: auditMark,
  mirrored: copyMark,
};

/** The access logs of one side of a proxy. */
export function accessLog(settings: MeshSettings, side: Side): AccessLogJson[] {
  return listenerSinks(settings).map((sink) => logOf(sink, formatOf(sink.format), isOn(sink, side)));
}

/** The default formats with what went wrong at the client's side of TLS; custom formats rarely say it. */
const handshakeFailureFormat = {
  TEXT: defaultAccessLogFormat.replace("UPSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_TRANSPORT_FAILURE_REASON"),
  JSON: { ...defaultJsonAccessLogFormat, downstream_transport_failure_reason: "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%" },
} as const;

/** What "TLS_error|" begins is not a failure: the TLS inspector notes it of every plaintext connection. */
const handshakeFailed = "connection.transport_failure_reason != '' && !connection.transport_failure_reason.startsWith('TLS_error|')";

/**
 * A listener's access log of connections that failed in their handshake: expired, foreign or missing certificates. Such connections never
 * reach a filter that would log them, and the listener knows all connections, so those without a failure are left out.
 */
export function handshakeFailureLog(settings: MeshSettings, side: Side): AccessLogJson[] {
  const failed: AccessLogFilterJson = {
    extensionFilter: {
      name: "envoy.access_loggers.extension_filters.cel",
      typedConfig: any(ExpressionFilterSchema, { expression: handshakeFailed }),
    },
  };
  return listenerSinks(settings).map((sink) =>
    logOf(sink, inFormat(handshakeFailureFormat[sink.format.encoding]), { andFilter: { filters: [isOn(sink, side), failed] } }),
  );
}

function isOn(sink: AccessLogSink, side: Side): AccessLogFilterJson {
  const numerator = sink.isOnByDefault ? 100 : 0;
  return { runtimeFilter: { runtimeKey: accessLogKey(sink, side), percentSampled: { numerator, denominator: "HUNDRED" } } };
}

function formatOf({ encoding, format }: AccessLogFormat): SubstitutionFormatStringJson {
  if (encoding === "JSON") return inFormat(format ?? defaultJsonAccessLogFormat);
  // Istio adds the line's end where it is missing.
  return inFormat(format === "" ? defaultAccessLogFormat : `${format.replace(/\n$/, "")}\n`);
}

function inFormat(format: string | JsonObject): SubstitutionFormatStringJson {
  if (typeof format === "string") return { textFormatSource: { inlineString: format } };
  return { jsonFormat: JSON.parse(JSON.stringify(format)), jsonFormatOptions: { sortProperties: false } };
}

function logOf({ path, omitEmptyValues }: AccessLogSink, format: SubstitutionFormatStringJson, filter: AccessLogFilterJson): AccessLogJson {
  const logFormat = defined<SubstitutionFormatStringJson>({ ...format, omitEmptyValues: omitEmptyValues ? true : undefined });
  // The standard streams by descriptor, not by path: a parent may have given Envoy a socket, and /dev/stdout can't be opened then.
  if (path === "/dev/stdout")
    return { name: "envoy.access_loggers.stdout", typedConfig: any(StdoutAccessLogSchema, { logFormat }), filter };
  if (path === "/dev/stderr")
    return { name: "envoy.access_loggers.stderr", typedConfig: any(StderrAccessLogSchema, { logFormat }), filter };
  return { name: "envoy.access_loggers.file", typedConfig: any(FileAccessLogSchema, { path, logFormat }), filter };
}
