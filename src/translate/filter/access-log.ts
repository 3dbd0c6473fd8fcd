// The access log in Istio's text format; `lateen logs` shows it.

import type { AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import { FileAccessLogSchema } from "#envoy/envoy/extensions/access_loggers/file/v3/file_pb.js";
import { ExpressionFilterSchema } from "#envoy/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js";
import { StderrAccessLogSchema, StdoutAccessLogSchema } from "#envoy/envoy/extensions/access_loggers/stream/v3/stream_pb.js";
import { any } from "../../envoy/any.ts";
import type { MeshSettings } from "../../model/mesh.ts";

/** Istio's default text format (pilot/pkg/model/telemetry_logging.go), and whether an AUDIT policy marked the request ("true"). */
export const defaultAccessLogFormat = `${[
  "[%START_TIME%]",
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS%",
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
  '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"',
  "%UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS%",
  "%REQUESTED_SERVER_NAME% %ROUTE_NAME% %DYNAMIC_METADATA(envoy.common:access_log_hint)%",
].join(" ")}\n`;

/** The mesh's access logs; none when no file is set. */
export function accessLog(settings: MeshSettings): AccessLogJson[] {
  return logOf(settings, settings.accessLogFormat === "" ? defaultAccessLogFormat : settings.accessLogFormat);
}

/** The default format with what went wrong at the client's side of TLS; custom formats rarely say it. */
const handshakeFailureFormat = defaultAccessLogFormat.replace("UPSTREAM_TRANSPORT_FAILURE_REASON", "DOWNSTREAM_TRANSPORT_FAILURE_REASON");

/** What "TLS_error|" begins is not a failure: the TLS inspector notes it of every plaintext connection. */
const handshakeFailed = "connection.transport_failure_reason != '' && !connection.transport_failure_reason.startsWith('TLS_error|')";

/**
 * A listener's access log of connections that failed in their handshake: expired, foreign or missing certificates. Such connections never
 * reach a filter that would log them, and the listener knows all connections, so those without a failure are left out.
 */
export function handshakeFailureLog(settings: MeshSettings): AccessLogJson[] {
  const filter = {
    extensionFilter: {
      name: "envoy.access_loggers.extension_filters.cel",
      typedConfig: any(ExpressionFilterSchema, { expression: handshakeFailed }),
    },
  };
  return logOf(settings, handshakeFailureFormat).map((log) => ({ ...log, filter }));
}

function logOf({ accessLogFile }: MeshSettings, inlineString: string): AccessLogJson[] {
  if (accessLogFile === "") return [];
  const logFormat = { textFormatSource: { inlineString } };
  // The standard streams by descriptor, not by path: a parent may have given Envoy a socket, and /dev/stdout can't be opened then.
  if (accessLogFile === "/dev/stdout") {
    return [{ name: "envoy.access_loggers.stdout", typedConfig: any(StdoutAccessLogSchema, { logFormat }) }];
  }
  if (accessLogFile === "/dev/stderr") {
    return [{ name: "envoy.access_loggers.stderr", typedConfig: any(StderrAccessLogSchema, { logFormat }) }];
  }
  return [{ name: "envoy.access_loggers.file", typedConfig: any(FileAccessLogSchema, { path: accessLogFile, logFormat }) }];
}
