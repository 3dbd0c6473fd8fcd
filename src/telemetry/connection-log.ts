// Names of what a TCP proxy's OTLP access log says of a connection: written by translate/filter/stats-log.ts, read by the collector. Names only.
//
// One record each: when the upstream is connected ("TcpUpstreamConnected"), periodically while the connection lives ("TcpPeriodic") and at its end
// ("TcpConnectionEnd", also for connections that never reached an upstream). Attributes are strings. The composite tags (composite-tags.ts) come under
// their own names: traffic, source, destination, service, response, security; what isn't known is missing, "" or "-".

import { templateTag } from "./proxy-reports.ts";

/** `log_name` of these logs: the value of the resource attribute "log_name" in ExportLogsServiceRequest. */
export const connectionLogName = "lateen_tcp";

/** Attributes of a record, beside the tags. */
export const connectionAttributes = {
  /** Number of the connection, unique in one Envoy process; with the record's time_unix_nano, which is the connection's start, unique for good. */
  connection: "connection",
  /** Envoy's %ACCESS_LOG_TYPE%. */
  logType: "log_type",
  /** Bytes from the client so far (cumulative; Istio's "received"), a decimal number. */
  received: "received",
  /** Bytes to the client so far (cumulative; Istio's "sent"), a decimal number. */
  sent: "sent",
  /** Envoy's %RESPONSE_FLAGS%. */
  flags: "flags",
  /** Both addresses of the connection between the proxies, the client's first: in the records of the client's proxy, and of the server's. */
  wireOut: "wire_out",
  wireIn: "wire_in",
  /** In the client's: the `pod-template-hash` of the pod that was chosen. */
  template: templateTag,
} as const;

/** Values of `log_type`. */
export const connectionLogTypes = { connected: "TcpUpstreamConnected", periodic: "TcpPeriodic", end: "TcpConnectionEnd" } as const;
