// Istio's standard metrics as a table: series, what they measure and their labels in Istio's order. Source: "Istio Standard Metrics" (istio.io) and
// the metrics that istio/proxy's tests expect (testdata/metric).

/** All labels, in the order in which Istio emits them. */
export const standardLabels = [
  "reporter",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "destination_workload",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_service",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_service_name",
  "destination_service_namespace",
  "destination_cluster",
  "request_protocol",
  "response_code",
  "grpc_response_status",
  "response_flags",
  "connection_security_policy",
] as const;

export type StandardLabel = (typeof standardLabels)[number];

/** A full label set; grpc_response_status is "" for what isn't gRPC, which Prometheus takes for a missing label. */
export type StandardLabels = Readonly<Record<StandardLabel, string>>;

/** Which traffic has a series: requests are HTTP and gRPC together. */
export type Traffic = "request" | "grpc" | "tcp";

export interface StandardMetric {
  readonly name: string;
  readonly type: "counter" | "histogram";
  readonly unit: "requests" | "milliseconds" | "bytes" | "messages" | "connections";
  readonly traffic: Traffic;
  /** Prometheus' HELP. */
  readonly help: string;
}

/** What Istio's proxies count; `istio_build` is a component's, not a proxy's. */
export const standardMetrics = [
  { name: "istio_requests_total", type: "counter", unit: "requests", traffic: "request", help: "Requests." },
  {
    name: "istio_request_duration_milliseconds",
    type: "histogram",
    unit: "milliseconds",
    traffic: "request",
    help: "Duration of requests in milliseconds.",
  },
  { name: "istio_request_bytes", type: "histogram", unit: "bytes", traffic: "request", help: "Body sizes of requests." },
  { name: "istio_response_bytes", type: "histogram", unit: "bytes", traffic: "request", help: "Body sizes of responses." },
  { name: "istio_request_messages_total", type: "counter", unit: "messages", traffic: "grpc", help: "gRPC messages from clients." },
  { name: "istio_response_messages_total", type: "counter", unit: "messages", traffic: "grpc", help: "gRPC messages from servers." },
  {
    name: "istio_tcp_sent_bytes_total",
    type: "counter",
    unit: "bytes",
    traffic: "tcp",
    help: "Bytes sent as responses on TCP connections.",
  },
  {
    name: "istio_tcp_received_bytes_total",
    type: "counter",
    unit: "bytes",
    traffic: "tcp",
    help: "Bytes received as requests on TCP connections.",
  },
  { name: "istio_tcp_connections_opened_total", type: "counter", unit: "connections", traffic: "tcp", help: "TCP connections opened." },
  { name: "istio_tcp_connections_closed_total", type: "counter", unit: "connections", traffic: "tcp", help: "TCP connections closed." },
] as const satisfies readonly StandardMetric[];

export type StandardMetricName = (typeof standardMetrics)[number]["name"];

/** Ours, counted while a release judges: every try of a request by itself, and whether the user is named along the call chain; always: how connections went. */
const tryMetrics = [
  { name: "lateen_tries_total", type: "counter", unit: "requests", traffic: "request", help: "Tries of requests, retries included." },
  {
    name: "lateen_try_duration_milliseconds",
    type: "histogram",
    unit: "milliseconds",
    traffic: "request",
    help: "Duration of tries in milliseconds.",
  },
  {
    name: "lateen_untold_tries_total",
    type: "counter",
    unit: "requests",
    traffic: "request",
    help: "Tries of requests whose baggage doesn't name the user.",
  },
  {
    name: "lateen_told_requests_total",
    type: "counter",
    unit: "requests",
    traffic: "request",
    help: "Requests at their server whose baggage names the user.",
  },
  {
    name: "lateen_connections_tried_total",
    type: "counter",
    unit: "connections",
    traffic: "tcp",
    help: "TCP connections that were decided: made and ended well or lasting, or failed.",
  },
  {
    name: "lateen_connections_failed_total",
    type: "counter",
    unit: "connections",
    traffic: "tcp",
    help: "TCP connections that couldn't be made, or that the server reset.",
  },
] as const satisfies readonly StandardMetric[];

const byName: ReadonlyMap<string, StandardMetric> = new Map([...standardMetrics, ...tryMetrics].map((metric) => [metric.name, metric]));

/** The row of a series; undefined when it is neither Istio's nor one of `tryMetrics`. */
export function standardMetricOf(name: string): StandardMetric | undefined {
  return byName.get(name);
}

/** Istio's word for what it doesn't know. */
export const unknownValue = "unknown";

/** Labels of ours beside Istio's: kept in samples, not shown to Prometheus under Istio's names. */
export const ownLabels = ["destination_port", "mirrored"] as const;

export type OwnLabel = (typeof ownLabels)[number];

/** What a sample of traffic bears. `mirrored` is "true" on copies of requests and "" on the users' own; the port is the service's, or "". */
export type TrafficLabels = StandardLabels & Readonly<Record<OwnLabel, string>>;

/**
 * The name under which Prometheus sees a series. Copies have names of their own (lateen_mirrored_requests_total, …): dashboards that sum Istio's
 * names would count them as the users' requests, whatever their labels.
 */
export function exportedName(name: string, mirrored: string): string {
  return mirrored === "true" ? name.replace(/^(?:istio|lateen)_/, "lateen_mirrored_") : name;
}
