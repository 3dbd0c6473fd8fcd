// What a proxy says of one request or connection that somebody watches live: names of the attributes, written by translate/filter/tap-log.ts, and
// attributes → a record. Times are the proxy's; who the proxy is says its connection, not the record.

import type { OtlpLogRecord } from "./otlp-logs.ts";
import type { Labels } from "./point.ts";
import { copyMark, mirrorHeader } from "./proxy-reports.ts";

/** `log_name` of these logs. */
export const tapLogName = "lateen.tap";

/** Most bytes of one value that a stranger chooses. */
const longest = 1024;

/**
 * Attributes of an HTTP request's record: name → Envoy's format. `reporter` and `rule` are literals of the place or the route. A value that isn't there
 * is "-" or "".
 */
export const requestTapFormats = {
  start: "%START_TIME%",
  method: "%REQ(:METHOD):32%",
  authority: "%REQ(:AUTHORITY):256%",
  path: `%REQ(X-ENVOY-ORIGINAL-PATH?:PATH):${longest}%`,
  protocol: "%PROTOCOL%",
  code: "%RESPONSE_CODE%",
  flags: "%RESPONSE_FLAGS%",
  details: "%RESPONSE_CODE_DETAILS%",
  grpc: "%GRPC_STATUS_NUMBER%",
  failure: "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
  duration: "%DURATION%",
  service_time: "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME):16%",
  received: "%BYTES_RECEIVED%",
  sent: "%BYTES_SENT%",
  route: "%ROUTE_NAME%",
  rule: "%METADATA(ROUTE:lateen:rule)%",
  cluster: "%UPSTREAM_CLUSTER_RAW%",
  upstream: "%UPSTREAM_HOST%",
  attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
  attempted: "%UPSTREAM_HOSTS_ATTEMPTED%",
  attempt: "%REQ(X-ENVOY-ATTEMPT-COUNT):8%",
  client: "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
  client_identity: "%DOWNSTREAM_PEER_URI_SAN%",
  server_identity: "%UPSTREAM_PEER_URI_SAN%",
  local: "%DOWNSTREAM_LOCAL_ADDRESS%",
  sni: "%REQUESTED_SERVER_NAME%",
  request_id: "%REQ(X-REQUEST-ID):128%",
  traceparent: "%REQ(TRACEPARENT):128%",
  copy: `%REQ(${mirrorHeader}):8%`,
  mirrored: copyMark,
  user_agent: "%REQ(USER-AGENT):256%",
} as const;

/** The same of a TCP connection; cumulative bytes at its end. */
export const connectionTapFormats = {
  start: requestTapFormats.start,
  log_type: "%ACCESS_LOG_TYPE%",
  flags: requestTapFormats.flags,
  details: "%CONNECTION_TERMINATION_DETAILS%",
  failure: requestTapFormats.failure,
  duration: requestTapFormats.duration,
  received: requestTapFormats.received,
  sent: requestTapFormats.sent,
  cluster: requestTapFormats.cluster,
  upstream: requestTapFormats.upstream,
  client: requestTapFormats.client,
  client_identity: requestTapFormats.client_identity,
  server_identity: requestTapFormats.server_identity,
  local: requestTapFormats.local,
  sni: requestTapFormats.sni,
  connection: "%CONNECTION_ID%",
  from: "%UPSTREAM_LOCAL_ADDRESS%",
} as const;

/** Attribute that says at which end of a request the proxy stands: "source" or "destination"; "tcp" for connections, whose cluster says it. */
export const tapReporter = "reporter";

type Attribute = keyof typeof requestTapFormats | keyof typeof connectionTapFormats;

/** One request or connection as one proxy saw it; "" for what isn't known or isn't there. */
export interface TapRecord {
  readonly kind: "request" | "connected" | "closed";
  readonly reporter: "source" | "destination";
  /** By the proxy's clock, in ms since the epoch. */
  readonly startMs: number;
  readonly method: string;
  readonly authority: string;
  /** As the client sent it, at most 1 KiB. */
  readonly path: string;
  /** "HTTP/1.1", "HTTP/2", "HTTP/3" or "TCP". */
  readonly protocol: string;
  /** 0 when there was no answer. */
  readonly code: number;
  /** Envoy's response flags: "UF,URX". */
  readonly flags: readonly string[];
  readonly details: string;
  readonly grpcStatus: string;
  readonly transportFailure: string;
  readonly durationMs: number;
  /** From the last try's begin to the upstream's headers; undefined without an answer of it. */
  readonly upstreamMs: number | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Envoy's name of the route. */
  readonly route: string;
  /** What made the route, as translate/route/rule-metadata.ts writes it. */
  readonly rule: string;
  readonly cluster: string;
  /** "198.18.0.7:8080". */
  readonly upstream: string;
  /** Tries that a client's proxy made; 0 when it reached no upstream. */
  readonly attempts: number;
  /** Every upstream that was tried, in order. */
  readonly attempted: readonly string[];
  /** Which of the client's tries a server got; 1 when its client doesn't say. */
  readonly attempt: number;
  /** Address and port of the connection's other end. */
  readonly client: string;
  /** Of a connection: address and port that the proxy itself connected from. */
  readonly from: string;
  /** Names in the certificates of both ends' peers. */
  readonly clientIdentity: string;
  readonly serverIdentity: string;
  /** The address that the client connected to. */
  readonly local: string;
  readonly sni: string;
  readonly requestId: string;
  readonly traceparent: string;
  /** A copy that a mirror made. */
  readonly isCopy: boolean;
  /** A copy, or made because of one. */
  readonly mirrored: boolean;
  readonly userAgent: string;
}

/** The record in a log record of logger `tapLogName`; undefined for one that says nothing about its end (another version's). */
export function tapRecordOf({ attributes, timeMs }: OtlpLogRecord): TapRecord | undefined {
  const text = (name: Attribute): string => attributeOf(attributes, name);
  const number = (name: Attribute): number => numberOf(text(name)) ?? 0;
  const reporter = attributeOf(attributes, tapReporter);
  if (reporter !== "source" && reporter !== "destination" && reporter !== "tcp") return undefined;
  const isTcp = reporter === "tcp";
  return {
    kind: isTcp ? (text("log_type") === "TcpConnectionEnd" ? "closed" : "connected") : "request",
    reporter: isTcp ? reporterOfCluster(text("cluster")) : reporter,
    startMs: timeOf(text("start"), timeMs),
    method: text("method"),
    authority: text("authority"),
    path: text("path"),
    protocol: isTcp ? "TCP" : text("protocol"),
    code: number("code"),
    flags: text("flags") === "" ? [] : text("flags").split(","),
    details: text("details"),
    grpcStatus: text("grpc"),
    transportFailure: text("failure"),
    durationMs: number("duration"),
    upstreamMs: numberOf(text("service_time")),
    receivedBytes: number("received"),
    sentBytes: number("sent"),
    route: text("route"),
    rule: text("rule"),
    cluster: text("cluster"),
    upstream: text("upstream"),
    attempts: number("attempts"),
    attempted: text("attempted") === "" ? [] : text("attempted").split(","),
    attempt: Math.max(1, number("attempt")),
    client: text("client"),
    from: text("from"),
    clientIdentity: text("client_identity"),
    serverIdentity: text("server_identity"),
    local: text("local"),
    sni: text("sni"),
    requestId: isTcp ? text("connection") : text("request_id"),
    traceparent: text("traceparent"),
    isCopy: text("copy") === "1",
    mirrored: text("mirrored") === "1",
    userAgent: text("user_agent"),
  };
}

/** Envoy writes "-" for what isn't there. */
function attributeOf(attributes: Labels, name: string): string {
  const value = Object.hasOwn(attributes, name) ? (attributes[name] ?? "") : "";
  return value === "-" ? "" : value;
}

function numberOf(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function timeOf(text: string, otherwise: number): number {
  const time = Date.parse(text);
  return Number.isNaN(time) ? otherwise : time;
}

/** "inbound|8080||" and InboundPassthroughCluster are a server's. */
function reporterOfCluster(cluster: string): TapRecord["reporter"] {
  return cluster.startsWith("inbound|") || cluster === "InboundPassthroughCluster" ? "destination" : "source";
}
