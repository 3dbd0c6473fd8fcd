// What was reported, with who reported it → spans as they are kept. A proxy's spans are named as Istio names them, after the service that is called, and
// say nothing of themselves: the connection says whose they are.

import { attributeText, type ReportedSpan, type ReportedSpans, type Span, type SpanSender } from "./span.ts";

/** What is known of a proxy besides its sender's names. */
export interface ProxyPlace {
  /** Service by port of the application, "<host>:<service port>". */
  readonly serviceOfPort: ReadonlyMap<number, string>;
}

/** The spans of a proxy. */
export function proxySpans({ spans }: ReportedSpans, sender: SpanSender, place: ProxyPlace): readonly Span[] {
  return spans.map((span) => {
    const { attributes } = span;
    return {
      ...span,
      name: operationOf(span, place),
      isError: span.isError || isFailedAnswer(span),
      sender,
      isMirrored: attributeText(attributes, "lateen.mirrored") === "1" || span.name === mirrorSpanName,
      resource: {},
    };
  });
}

/** Envoy's name for the span around a mirrored copy, at the client. */
const mirrorSpanName = "mirror";

/** Istio's names (route decorators): "<host>:<port>/*"; where no service was reached Envoy's own, without the host, which a stranger may have made up. */
function operationOf({ name, attributes }: ReportedSpan, { serviceOfPort }: ProxyPlace): string {
  // `upstream_cluster.name` is the name of the cluster's statistics, which has no dots.
  const cluster = attributeText(attributes, "upstream_cluster");
  const [direction, port = "", , host = ""] = cluster.split("|");
  if (direction === "outbound" && host !== "") return `${host}:${port}/*`;
  if (direction !== "inbound") return name.split(" ")[0] ?? "";
  const service = serviceOfPort.get(Number(port));
  return service === undefined ? `inbound:${port}/*` : `${service}/*`;
}

/**
 * Whether a span makes its trace a failed one. OpenTelemetry calls a 4xx an error of the client's span, and Envoy marks it so: here it is the request's own,
 * as in the graph, and no failure that began there.
 */
export function hasFailed(span: Span): boolean {
  const status = Number(attributeText(span.attributes, "http.status_code"));
  const isOwn = span.sender.kind === "proxy" && status >= 400 && status < 500;
  return isOwn ? isFailedAnswer(span) : span.isError;
}

/** OpenTelemetry: 5xx; gRPC says failures of servers by these codes. Envoy marks 5xx as errors itself, gRPC's only in part. */
function isFailedAnswer({ attributes }: ReportedSpan): boolean {
  const status = Number(attributeText(attributes, "http.status_code"));
  const grpc = attributeText(attributes, "grpc.status_code");
  return status >= 500 || (status === 0 && attributeText(attributes, "component") === "proxy") || failedGrpc.has(grpc);
}

/** UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const failedGrpc: ReadonlySet<string> = new Set(["2", "4", "12", "13", "14", "15"]);

/** The spans of an application, whose pod is known by its address; what it says of itself stays beside that. */
export function applicationSpans({ spans, resource }: ReportedSpans, sender: SpanSender): readonly Span[] {
  const own = sender.service === "" ? { ...sender, service: attributeText(resource, "service.name") || "unknown" } : sender;
  const version = own.version === "" ? attributeText(resource, "service.version") : own.version;
  return spans.map((span) => ({ ...span, sender: { ...own, version }, isMirrored: false, resource }));
}
