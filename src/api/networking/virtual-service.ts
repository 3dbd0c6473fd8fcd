// VirtualService (networking.istio.io): schema and types. Parsed manifests come in, the model reads what comes out.
// Field lists follow istio/api networking/v1alpha3/virtual_service.proto; checks are in virtual-service-checks.ts.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus, duration, int32, port, stringList, stringMap, uint32 } from "../scalars.ts";
import { headerMatch, stringMatch } from "./string-match.ts";

export type { HeaderMatch, StringMatch } from "./string-match.ts";

/** Percent, 0 to 100 with fractions; `value` unset is 0 (proto3). */
const percent = z.strictObject({ value: z.number().default(0) });

const destination = z.strictObject({
  /** Service name: short, with namespace, or fully qualified; see resolveHost. */
  host: z.string(),
  /** Name of a subset in a DestinationRule for this host. */
  subset: z.string().optional(),
  /** Needed only when the service has several ports. */
  port: z.strictObject({ number: port }).optional(),
});

const headerOperations = z.strictObject({ set: stringMap, add: stringMap, remove: stringList });

const headers = z.strictObject({ request: headerOperations.optional(), response: headerOperations.optional() });

const httpRouteDestination = z.strictObject({
  destination,
  /** Relative share among the route's destinations; unset counts as 0 beside others and as everything when alone. */
  weight: int32.optional(),
  headers: headers.optional(),
});

const l4RouteDestination = z.strictObject({ destination, weight: int32.optional() });

const httpMatchRequest = z.strictObject({
  name: z.string().optional(),
  uri: stringMatch.optional(),
  scheme: stringMatch.optional(),
  method: stringMatch.optional(),
  authority: stringMatch.optional(),
  /** By header name; an empty match asks for presence only. */
  headers: z.record(z.string(), headerMatch).default({}),
  withoutHeaders: z.record(z.string(), headerMatch).default({}),
  queryParams: z.record(z.string(), headerMatch).default({}),
  port: uint32.optional(),
  sourceLabels: stringMap,
  sourceNamespace: z.string().optional(),
  /** Overrides spec.gateways for this match; empty means no override. */
  gateways: stringList,
  /** Acts on exact and prefix matches of `uri` only. */
  ignoreUriCase: z.boolean().optional(),
  statPrefix: z.string().optional(),
});

const httpRedirect = z.strictObject({
  uri: z.string().optional(),
  /** Replaces the matched prefix and keeps the rest of the path (since Istio 1.31). */
  prefixRewrite: z.string().optional(),
  authority: z.string().optional(),
  port: uint32.optional(),
  derivePort: z.enum(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]).optional(),
  scheme: z.string().optional(),
  /** Default 301 (HTTPRedirect.redirect_code). */
  redirectCode: uint32.default(301),
});

const httpDirectResponse = z.strictObject({
  status: uint32,
  /** Text, or base64 of bytes; exactly one of them. */
  body: z.strictObject({ string: z.string().optional(), bytes: z.string().optional() }).optional(),
});

const httpRewrite = z.strictObject({
  /** New path; with a prefix match it replaces the prefix only. */
  uri: z.string().optional(),
  authority: z.string().optional(),
  uriRegexRewrite: z.strictObject({ match: z.string(), rewrite: z.string() }).optional(),
});

const httpRetry = z.strictObject({
  /** Retries after the first try; 0 switches retries off (HTTPRetry.attempts). */
  attempts: int32.default(0),
  perTryTimeout: duration.optional(),
  /** Comma-separated conditions of Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on, and raw status codes. */
  retryOn: z.string().optional(),
  retryRemoteLocalities: z.boolean().optional(),
  /** Default true (HTTPRetry.retry_ignore_previous_hosts). */
  retryIgnorePreviousHosts: z.boolean().optional(),
  /** Minimum time between tries: Envoy's base interval; 25 ms when unset. */
  backoff: duration.optional(),
});

const faultDelay = z.strictObject({
  fixedDelay: duration.optional(),
  exponentialDelay: duration.optional(),
  /** Deprecated by `percentage`; see faultPercentOf. */
  percent: int32.optional(),
  percentage: percent.optional(),
});

const faultAbort = z.strictObject({
  httpStatus: int32.optional(),
  /** Name or number of a gRPC status. */
  grpcStatus: z.string().optional(),
  http2Error: z.string().optional(),
  percentage: percent.optional(),
});

const corsPolicy = z.strictObject({
  allowOrigin: stringList,
  allowOrigins: z.array(stringMatch).default([]),
  allowMethods: stringList,
  allowHeaders: stringList,
  exposeHeaders: stringList,
  maxAge: duration.optional(),
  allowCredentials: z.boolean().optional(),
  unmatchedPreflights: z.enum(["UNSPECIFIED", "FORWARD", "IGNORE"]).optional(),
});

const httpRoute = z.strictObject({
  name: z.string().optional(),
  /** Any of these; empty matches every request. */
  match: z.array(httpMatchRequest).default([]),
  /** Exactly one of route, redirect, directResponse, delegate. */
  route: z.array(httpRouteDestination).default([]),
  redirect: httpRedirect.optional(),
  directResponse: httpDirectResponse.optional(),
  delegate: z.strictObject({ name: z.string().optional(), namespace: z.string().optional() }).optional(),
  rewrite: httpRewrite.optional(),
  /** Off when unset (Istio's default). */
  timeout: duration.optional(),
  retries: httpRetry.optional(),
  fault: z.strictObject({ delay: faultDelay.optional(), abort: faultAbort.optional() }).optional(),
  /** Deprecated spelling of one mirror; see mirrorsOf. */
  mirror: destination.optional(),
  mirrorPercentage: percent.optional(),
  mirrorPercent: uint32.optional(),
  mirror_percent: uint32.optional(),
  mirrors: z.array(z.strictObject({ destination, percentage: percent.optional() })).default([]),
  corsPolicy: corsPolicy.optional(),
  headers: headers.optional(),
});

const tlsMatchAttributes = z.strictObject({
  sniHosts: stringList,
  destinationSubnets: stringList,
  port: uint32.optional(),
  sourceLabels: stringMap,
  sourceNamespace: z.string().optional(),
  gateways: stringList,
});

const tlsRoute = z.strictObject({
  match: z.array(tlsMatchAttributes).default([]),
  route: z.array(l4RouteDestination).default([]),
});

const l4MatchAttributes = z.strictObject({
  destinationSubnets: stringList,
  port: uint32.optional(),
  sourceSubnet: z.string().optional(),
  sourceLabels: stringMap,
  sourceNamespace: z.string().optional(),
  gateways: stringList,
});

const tcpRoute = z.strictObject({
  match: z.array(l4MatchAttributes).default([]),
  route: z.array(l4RouteDestination).default([]),
});

/** The reserved gateway name that stands for all sidecars. */
export const meshGateway = "mesh";

export const virtualServiceSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("VirtualService"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    hosts: stringList,
    /** `name`, `namespace/name` or `mesh`; ["mesh"] when unset or empty (VirtualService.gateways). */
    gateways: stringList.transform((list) => (list.length === 0 ? [meshGateway] : list)),
    /** `.`, `*` or namespaces; empty means everywhere. */
    exportTo: stringList,
    http: z.array(httpRoute).default([]),
    tls: z.array(tlsRoute).default([]),
    tcp: z.array(tcpRoute).default([]),
  }),
  status: anyStatus,
});

export type VirtualService = z.output<typeof virtualServiceSchema>;
export type HttpRoute = z.output<typeof httpRoute>;
export type HttpMatchRequest = z.output<typeof httpMatchRequest>;
export type HttpRedirect = z.output<typeof httpRedirect>;
export type HttpDirectResponse = z.output<typeof httpDirectResponse>;
export type HttpRewrite = z.output<typeof httpRewrite>;
export type HttpRetry = z.output<typeof httpRetry>;
export type HttpFaultDelay = z.output<typeof faultDelay>;
export type HttpFaultAbort = z.output<typeof faultAbort>;
export type CorsPolicy = z.output<typeof corsPolicy>;
export type Headers = z.output<typeof headers>;
export type HeaderOperations = z.output<typeof headerOperations>;
export type Percent = z.output<typeof percent>;
export type Destination = z.output<typeof destination>;
/** HTTPRouteDestination. */
export type RouteDestination = z.output<typeof httpRouteDestination>;
/** RouteDestination of tcp and tls routes. */
export type L4RouteDestination = z.output<typeof l4RouteDestination>;
export type TlsRoute = z.output<typeof tlsRoute>;
export type TlsMatchAttributes = z.output<typeof tlsMatchAttributes>;
export type TcpRoute = z.output<typeof tcpRoute>;
export type L4MatchAttributes = z.output<typeof l4MatchAttributes>;
