// DestinationRule (networking.istio.io): schema and types. Parsed manifests come in, the model reads what comes out.
// Field lists follow istio/api networking/v1alpha3/destination_rule.proto; checks are in destination-rule-checks.ts.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { accepted, anyStatus, duration, int32, port, stringList, stringMap, uint32 } from "../scalars.ts";

const httpCookie = z.strictObject({
  name: z.string(),
  path: z.string().optional(),
  /** 0s makes a session cookie; unset means Envoy never makes one. */
  ttl: duration.optional(),
  attributes: z.array(z.strictObject({ name: z.string(), value: z.string().optional() })).default([]),
});

const consistentHash = z.strictObject({
  httpHeaderName: z.string().optional(),
  httpCookie: httpCookie.optional(),
  useSourceIp: z.boolean().optional(),
  httpQueryParameterName: z.string().optional(),
  /** Ring size 1024 when unset. */
  ringHash: z.strictObject({ minimumRingSize: uint32.optional() }).optional(),
  /** Table size 65537 when unset. */
  maglev: z.strictObject({ tableSize: uint32.optional() }).optional(),
  /** Deprecated by ringHash.minimumRingSize. */
  minimumRingSize: uint32.optional(),
});

const localityLbSetting = z.strictObject({
  distribute: z.array(z.strictObject({ from: z.string().optional(), to: z.record(z.string(), uint32).default({}) })).default([]),
  failover: z.array(z.strictObject({ from: z.string().optional(), to: z.string().optional() })).default([]),
  failoverPriority: stringList,
  enabled: z.boolean().optional(),
});

const zoneAwareLbSetting = z.strictObject({
  enabled: z.boolean().optional(),
  failover: z.array(z.strictObject({ from: z.string().optional(), to: z.string().optional() })).default([]),
  failoverPriority: stringList,
  minClusterSize: uint32.optional(),
});

const warmup = z.strictObject({
  duration,
  minimumPercent: z.number().optional(),
  aggression: z.number().optional(),
});

const loadBalancer = z.strictObject({
  /** LEAST_REQUEST when unset; LEAST_CONN is its deprecated alias. */
  simple: z.enum(["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"]).optional(),
  consistentHash: consistentHash.optional(),
  localityLbSetting: localityLbSetting.optional(),
  zoneAwareLbSetting: zoneAwareLbSetting.optional(),
  warmupDurationSecs: duration.optional(),
  warmup: warmup.optional(),
});

const tcpSettings = z.strictObject({
  maxConnections: int32.optional(),
  /** 10 s when unset (MeshConfig.connectTimeout). */
  connectTimeout: duration.optional(),
  tcpKeepalive: z.strictObject({ probes: uint32.optional(), time: duration.optional(), interval: duration.optional() }).optional(),
  maxConnectionDuration: duration.optional(),
  /** 1 h when unset. */
  idleTimeout: duration.optional(),
});

const httpSettings = z.strictObject({
  http1MaxPendingRequests: int32.optional(),
  http2MaxRequests: int32.optional(),
  /** Unlimited when unset or 0. */
  maxRequestsPerConnection: int32.optional(),
  maxRetries: int32.optional(),
  /** 1 h when unset. */
  idleTimeout: duration.optional(),
  h2UpgradePolicy: z.enum(["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]).optional(),
  useClientProtocol: z.boolean().optional(),
  maxConcurrentStreams: int32.optional(),
  http2KeepAlive: z.strictObject({ interval: duration.optional(), timeout: duration.optional() }).optional(),
});

const connectionPool = z.strictObject({ tcp: tcpSettings.optional(), http: httpSettings.optional() });

const outlierDetection = z.strictObject({
  splitExternalLocalOriginErrors: z.boolean().optional(),
  /** Deprecated by consecutiveGatewayErrors and consecutive5xxErrors. */
  consecutiveErrors: int32.optional(),
  consecutiveLocalOriginFailures: uint32.optional(),
  /** Off when unset or 0. */
  consecutiveGatewayErrors: uint32.optional(),
  /** 5 when unset; 0 is off. */
  consecutive5xxErrors: uint32.optional(),
  /** 10 s when unset. */
  interval: duration.optional(),
  /** 30 s when unset. */
  baseEjectionTime: duration.optional(),
  /** 10 when unset. */
  maxEjectionPercent: int32.optional(),
  minHealthPercent: int32.optional(),
  outlierDetectionHttpErrorCodes: accepted,
});

const clientTls = z.strictObject({
  /** DISABLE when unset (proto3). */
  mode: z.enum(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]).optional(),
  /** Files are those of the proxy's machine, read when the rule arrives. */
  clientCertificate: z.string().optional(),
  privateKey: z.string().optional(),
  /** The system's when unset or "system". */
  caCertificates: z.string().optional(),
  caCrl: z.string().optional(),
  /** A Secret in the namespace of the client: tls.crt and tls.key (MUTUAL), ca.crt. */
  credentialName: z.string().optional(),
  /** The ServiceEntry's when empty, else the name that was asked for (SNI). */
  subjectAltNames: stringList,
  /** The request's host when unset; of connections that aren't HTTP, the service's. */
  sni: z.string().optional(),
  /** The server's certificate is not checked at all. */
  insecureSkipVerify: z.boolean().optional(),
});

const tunnel = z.strictObject({
  /** CONNECT when unset. */
  protocol: z.string().optional(),
  targetHost: z.string(),
  targetPort: port,
});

const retryBudget = z.strictObject({
  /** 20 when unset. */
  percent: z.number().optional(),
  /** 3 when unset. */
  minRetryConcurrency: uint32.optional(),
  budgetInterval: duration.optional(),
});

const portTrafficPolicy = z.strictObject({
  port: z.strictObject({ number: port }),
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: clientTls.optional(),
});

const trafficPolicy = z.strictObject({
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: clientTls.optional(),
  /** A block set here replaces the whole block of the rule for that port. */
  portLevelSettings: z.array(portTrafficPolicy).default([]),
  tunnel: tunnel.optional(),
  proxyProtocol: z.strictObject({ version: z.enum(["V1", "V2"]).optional() }).optional(),
  retryBudget: retryBudget.optional(),
});

const subset = z.strictObject({
  name: z.string(),
  /** Pods of the service with all of these labels; empty selects all. */
  labels: stringMap,
  trafficPolicy: trafficPolicy.optional(),
});

export const destinationRuleSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("DestinationRule"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    host: z.string(),
    trafficPolicy: trafficPolicy.optional(),
    subsets: z.array(subset).default([]),
    /** `.`, `*` or namespaces; empty means everywhere. */
    exportTo: stringList,
    /** Limits which clients apply the rule. */
    workloadSelector: z.strictObject({ matchLabels: stringMap }).optional(),
  }),
  status: anyStatus,
});

export type DestinationRule = z.output<typeof destinationRuleSchema>;
export type Subset = z.output<typeof subset>;
export type TrafficPolicy = z.output<typeof trafficPolicy>;
export type PortTrafficPolicy = z.output<typeof portTrafficPolicy>;
export type LoadBalancerSettings = z.output<typeof loadBalancer>;
export type ConsistentHash = z.output<typeof consistentHash>;
export type LocalityLbSetting = z.output<typeof localityLbSetting>;
export type ConnectionPoolSettings = z.output<typeof connectionPool>;
export type TcpSettings = z.output<typeof tcpSettings>;
export type HttpSettings = z.output<typeof httpSettings>;
export type OutlierDetection = z.output<typeof outlierDetection>;
export type ClientTlsSettings = z.output<typeof clientTls>;
