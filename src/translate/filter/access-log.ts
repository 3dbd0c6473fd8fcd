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
import type { AccessLogSink } from "../../model/telemetry-settings.ts";
import { and, isCopy, isNoCopy } from "./stats-filters.ts";

/** Whether an AUDIT policy marked the request: "true". */
const auditMark = "%DYNAMIC_METADATA(envoy.common:access_log_hint)%";

/**
 * Istio's default text format (pilot/pkg/model/telemetry_logging.go), and behind it our marks. Whether a request is a copy, or caused by one, stands in the
 * format, and the logger's filter says so: evaluated in the format by CEL it would cost each request as much as the rest of its line.
 */
const defaultTextFormat = (copy: string): string =>
  [
    "[%START_TIME%]",
    '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%",
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"',
    "%UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%",
    `%REQUESTED_SERVER_NAME% %ROUTE_NAME% ${auditMark} ${copy}`,
  ].join(" ");

/** Istio's default JSON format (EnvoyJSONLogFormatIstio), and our marks. Numbers are written as numbers, what isn't there as null. */
const defaultJsonFormat: JsonObject = {
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
};

type Copies = "users" | "copies";

/** What Envoy writes for what isn't there: "-" or null, and nothing where empty values are left out. */
function defaultFormat({ format: { encoding }, omitEmptyValues }: AccessLogSink, copies: Copies): string | JsonObject {
  if (encoding === "TEXT") return defaultTextFormat(copies === "copies" ? "1" : omitEmptyValues ? "" : "-");
  if (copies === "copies") return { ...defaultJsonFormat, mirrored: "1" };
  return omitEmptyValues ? defaultJsonFormat : { ...defaultJsonFormat, mirrored: null };
}

/** The access logs of one side of a proxy: of requests, where marks of copies are believed, or else of anything. */
export function accessLog(settings: MeshSettings, side: Side, marks: "believed" | "none" = "none"): AccessLogJson[] {
  return listenerSinks(settings).flatMap((sink) => {
    const on = isOn(sink, side);
    const { format } = sink.format;
    if (format !== undefined && format !== "") return [logOf(sink, format, on)];
    const users = defaultFormat(sink, "users");
    if (marks === "none") return [logOf(sink, users, on)];
    return [logOf(sink, users, and(on, isNoCopy)), logOf(sink, defaultFormat(sink, "copies"), and(isCopy, on))];
  });
}

/** The default formats with what went wrong at the client's side of TLS; custom formats rarely say it. */
function handshakeFailureFormat(sink: AccessLogSink): string | JsonObject {
  const format = defaultFormat(sink, "users");
  if (typeof format === "string") return format.replace("UPSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_TRANSPORT_FAILURE_REASON");
  return { ...format, downstream_transport_failure_reason: "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%" };
}

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
  return listenerSinks(settings).map((sink) => logOf(sink, handshakeFailureFormat(sink), and(isOn(sink, side), failed)));
}

function isOn(sink: AccessLogSink, side: Side): AccessLogFilterJson {
  const numerator = sink.isOnByDefault ? 100 : 0;
  // All or nothing: a number drawn costs less than one read from the request's id.
  return {
    runtimeFilter: {
      runtimeKey: accessLogKey(sink, side),
      percentSampled: { numerator, denominator: "HUNDRED" },
      useIndependentRandomness: true,
    },
  };
}

function inFormat(format: string | JsonObject): SubstitutionFormatStringJson {
  // Istio adds the line's end where it is missing.
  if (typeof format === "string") return { textFormatSource: { inlineString: `${format.replace(/\n$/, "")}\n` } };
  return { jsonFormat: JSON.parse(JSON.stringify(format)), jsonFormatOptions: { sortProperties: false } };
}

function logOf({ path, omitEmptyValues }: AccessLogSink, format: string | JsonObject, filter: AccessLogFilterJson): AccessLogJson {
  const logFormat = defined<SubstitutionFormatStringJson>({ ...inFormat(format), omitEmptyValues: omitEmptyValues ? true : undefined });
  // The standard streams by descriptor, not by path: a parent may have given Envoy a socket, and /dev/stdout can't be opened then.
  if (path === "/dev/stdout")
    return { name: "envoy.access_loggers.stdout", typedConfig: any(StdoutAccessLogSchema, { logFormat }), filter };
  if (path === "/dev/stderr")
    return { name: "envoy.access_loggers.stderr", typedConfig: any(StderrAccessLogSchema, { logFormat }), filter };
  return { name: "envoy.access_loggers.file", typedConfig: any(FileAccessLogSchema, { path, logFormat }), filter };
}
