// The model's words: what the mesh consists of, as relations between API objects, which travel by reference.
// Made by meshOf (mesh-of.ts) from a snapshot; read by translate and by the status commands.

import type { DestinationRule } from "../api/networking/destination-rule.ts";
import type { HttpRetry } from "../api/networking/virtual-service.ts";
import type { RequestAuthentication } from "../api/security/request-authentication.ts";
import type { DurationMs } from "../lib/duration.ts";
import { durationMs } from "../lib/duration.ts";
import type { Directory, ResolvedDestination } from "./client.ts";
import type { ListenersRelation } from "./listeners.ts";
import type { MtlsPhase } from "./mtls-phases.ts";
import type { WorkloadMtls, WorkloadPolicies } from "./policies.ts";
import type { ReleaseIndex } from "./releases/release-route.ts";
import type { RouteClient, RouteTable } from "./routes.ts";
import type { ProxyTelemetry } from "./telemetry-levels.ts";
import { defaultTelemetrySettings, type ListenerTelemetry, type TelemetrySettings } from "./telemetry-settings.ts";
import type { CurrentSplit, SettledWeights } from "./weights.ts";

/** MeshConfig, the part we act on; Istio's names and defaults (pkg/config/mesh/mesh.go) unless a comment says otherwise. */
export interface MeshSettings {
  readonly rootNamespace: string;
  readonly outboundTrafficPolicy: "ALLOW_ANY" | "REGISTRY_ONLY";
  /** Retries of routes without `retries`; attempts 0 switches them off. */
  readonly defaultHttpRetryPolicy: HttpRetry;
  readonly connectTimeout: DurationMs;
  /**
   * How long an undeclared protocol is waited for before a connection counts as plain TCP. Istio: 0, for ever, so its server-first
   * protocols hang on undeclared ports; we wait one second.
   */
  readonly protocolDetectionTimeout: DurationMs;
  /** File of the access log, "" for none. Istio: ""; we log to stdout, because `lateen logs` shows it. */
  readonly accessLogFile: string;
  /** Text, or the text of an object for JSON; "" for Istio's default one. */
  readonly accessLogFormat: string;
  readonly accessLogEncoding: "TEXT" | "JSON";
  /** Providers, trace sampling and what holds without any Telemetry. */
  readonly telemetry: TelemetrySettings;
  /** Of the proxies that these settings are for; unset: as `telemetry` says (meshListenerTelemetry). */
  readonly listenerTelemetry?: ListenerTelemetry;
  /** Proxies in front of the gateways whose X-Forwarded-For entries are trusted (gatewayTopology.numTrustedProxies). */
  readonly numTrustedProxies: number;
  /** Of all identities in the mesh. */
  readonly trustDomain: string;
  /** Other trust domains whose identities count as the same (MeshConfig.trustDomainAliases). */
  readonly trustDomainAliases: readonly string[];
  /** Whether sidecars use mutual TLS wherever the server's proxy accepts it and no DestinationRule says otherwise. */
  readonly enableAutoMtls: boolean;
  /** TLS between workloads (MeshConfig.meshMTLS). */
  readonly meshTls: TlsParameters;
  /** TLS of gateways and to external hosts, where they say nothing themselves (MeshConfig.tlsDefaults). */
  readonly tlsDefaults: TlsParameters;
  /** Hosts outside whose stand-ins on this machine are known by CAs of their own, in place of the system's. */
  readonly standInHosts: ReadonlySet<string>;
  /** How paths are read before policies and routes see them (MeshConfig.pathNormalization; DEFAULT is BASE). */
  readonly pathNormalization: PathNormalization;
}

export type PathNormalization = "NONE" | "BASE" | "MERGE_SLASHES" | "DECODE_AND_MERGE_SLASHES";

export type TlsVersion = "TLSV1_2" | "TLSV1_3";

/** What a handshake may use; an empty list is Envoy's own choice. */
export interface TlsParameters {
  readonly minProtocolVersion: TlsVersion;
  readonly cipherSuites: readonly string[];
  readonly ecdhCurves: readonly string[];
}

/** Settings without any MeshConfig. */
export const defaultMeshSettings: MeshSettings = {
  rootNamespace: "istio-system",
  outboundTrafficPolicy: "ALLOW_ANY",
  defaultHttpRetryPolicy: { attempts: 2, retryOn: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes" },
  connectTimeout: durationMs(10_000),
  protocolDetectionTimeout: durationMs(1000),
  accessLogFile: "/dev/stdout",
  accessLogFormat: "",
  accessLogEncoding: "TEXT",
  telemetry: defaultTelemetrySettings,
  numTrustedProxies: 0,
  trustDomain: "cluster.local",
  trustDomainAliases: [],
  enableAutoMtls: true,
  // Envoy's own first curve is a post-quantum one, which makes every handshake bigger and slower.
  meshTls: { minProtocolVersion: "TLSV1_2", cipherSuites: [], ecdhCurves: ["X25519", "P-256"] },
  tlsDefaults: { minProtocolVersion: "TLSV1_2", cipherSuites: [], ecdhCurves: [] },
  standInHosts: new Set(),
  pathNormalization: "BASE",
};

/** What a port speaks; "detect" is an undeclared port (Istio: unsupported → sniffed), "udp" is never captured. */
export type PortProtocol = "http" | "http2" | "grpc" | "grpc-web" | "https" | "tls" | "tcp" | "detect" | "udp";

export interface ServicePort {
  readonly number: number;
  readonly name: string;
  readonly protocol: PortProtocol;
  /** Port of the application: a number, or the name of a container port. */
  readonly targetPort: number | string;
}

/** Where the addresses of a service come from. */
export type Resolution =
  /** Endpoints known to the mesh: pods, inline endpoints, or names that the control plane resolved. */
  | "endpoints"
  /** The address the client connected to (ServiceEntry resolution NONE). */
  | "original-dst";

/** Who may see an object (exportTo): everybody, or the namespaces named. */
export type Visibility = "all" | ReadonlySet<string>;

/** One host of a Service or ServiceEntry. Endpoints are not part of it (see Mesh.endpoints), so it is stable while pods come and go. */
export interface MeshService {
  /** "<namespace>/<hostname>". */
  readonly id: string;
  /** FQDN, or a wildcard of a ServiceEntry. */
  readonly hostname: string;
  readonly namespace: string;
  /** Name of the object it comes from. */
  readonly name: string;
  readonly kind: "Service" | "ServiceEntry";
  /** "Service shop/web". */
  readonly source: string;
  /** Outside the mesh (MESH_EXTERNAL). */
  readonly external: boolean;
  /** A Service without a virtual address: clients connect to its pods. */
  readonly headless: boolean;
  readonly resolution: Resolution;
  /** Virtual addresses (or CIDR ranges of a ServiceEntry); empty when headless. */
  readonly vips: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly exportTo: Visibility;
  /** Names that its servers' certificates bear (ServiceEntry.subjectAltNames); missing when it names none. */
  readonly subjectAltNames?: readonly string[];
  /** RFC 3339; the older of two objects that claim a host wins. */
  readonly createdAt: string;
}

/** A workload as endpoint metadata and telemetry name it. */
export interface Workload {
  /** Name of the controller (Deployment), or of the pod. */
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly pod?: string;
}

/** One address behind a service. */
export interface Endpoint {
  readonly address: string;
  /** Port of the endpoint by service port number. */
  readonly ports: Readonly<Record<number, number>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Relative load-balancing weight ≥ 1. */
  readonly weight: number;
  readonly workload?: Workload;
  /** The DNS name the address was resolved from. */
  readonly hostname?: string;
  /** What clients may assume that its proxy accepts; undefined without a proxy: plaintext. */
  readonly mtls?: WorkloadMtls;
}

/** What the security policies make of one proxy; the same object while nothing in it changed. */
export interface ProxySecurity {
  /** What its listeners accept now: while a mode changes, more than the policies ask for. */
  readonly mtls: WorkloadMtls;
  readonly policies: WorkloadPolicies;
  /** Oldest first. */
  readonly authentications: readonly RequestAuthentication[];
}

export interface InboundPort {
  /** Port of the application. */
  readonly port: number;
  /** The service port it belongs to; the oldest service wins. */
  readonly servicePort: ServicePort;
  readonly service: MeshService;
}

/** One Envoy: the sidecar of a pod, or a gateway. */
export interface MeshProxy {
  /** "<pod>.<namespace>", as in Istio's node id. */
  readonly id: string;
  readonly kind: "sidecar" | "gateway";
  readonly podName: string;
  readonly podUid: string;
  readonly namespace: string;
  /** Empty until the pod has one; such a proxy gets no configuration yet. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly workload: Workload;
  /** Sorted by port. */
  readonly inbound: readonly InboundPort[];
}

/** DestinationRules of one host as one client sees them: merged subsets, the first rule's traffic policy. */
export interface DestinationPolicy {
  readonly rules: readonly DestinationRule[];
  readonly trafficPolicy: DestinationRule["spec"]["trafficPolicy"];
  readonly subsets: readonly DestinationRule["spec"]["subsets"][number][];
}

/** What one class of proxies sees; shared by all proxies of the class, and the same object while nothing in it changed. */
export interface Scope {
  readonly key: string;
  readonly kind: MeshProxy["kind"];
  /** As far as routes and policies depend on the client: its labels are only those that decide something. */
  readonly client: RouteClient;
  readonly directory: Directory;
  /** Sorted by name. */
  readonly tables: readonly RouteTable[];
  readonly listeners: ListenersRelation;
  /** What its listeners say of telemetry; undefined: what the settings say. */
  readonly telemetry: ListenerTelemetry | undefined;
  /** Every destination that routes of `tables` may name, for its cluster. */
  readonly targets: readonly ResolvedDestination[];
}

/** Everything translate needs, made from one snapshot; parts that did not change are the same objects as before. */
export interface Mesh {
  readonly settings: MeshSettings;
  /** By id, sorted. */
  readonly services: ReadonlyMap<string, MeshService>;
  /** By service id; only ready endpoints, sorted by address. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** By id, sorted. */
  readonly proxies: ReadonlyMap<string, MeshProxy>;
  /** By proxy id. */
  readonly scopes: ReadonlyMap<string, Scope>;
  /** By proxy id, sorted. */
  readonly security: ReadonlyMap<string, ProxySecurity>;
  /** How far changes of mutual TLS are; `phases` go back into the next mesh once every proxy has acknowledged this one. */
  readonly mtls: { readonly phases: ReadonlyMap<string, MtlsPhase>; readonly isMoving: boolean };
  /**
   * SPIFFE IDs that a service's servers may show, by service id, sorted: one per service account of its pods, ready or not, so that a
   * cluster knows a new one before its first endpoint comes. Services without pods are missing.
   */
  readonly identities: ReadonlyMap<string, readonly string[]>;
  /** Fetched key sets of RequestAuthentications by their address (KeySource.uri): public keys only. A missing one verifies nothing. */
  readonly jwks: ReadonlyMap<string, string>;
  /** All splits by runtime key prefix, as they should be now. */
  readonly splits: ReadonlyMap<string, CurrentSplit>;
  /** What the routes carry; to be kept by the caller and handed back next time, also over restarts. */
  readonly settled: SettledWeights;
  /** RTDS keys of the splits in motion. */
  readonly runtime: ReadonlyMap<string, number>;
  /** What each proxy reports, as runtime keys, by proxy id. */
  readonly telemetry: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Ids of proxies that count every try by itself: a release judges their calls, or may have to look back at them. */
  readonly counting: ReadonlySet<string>;
  /** What each proxy reports, by proxy id, sorted. */
  readonly reporting: ReadonlyMap<string, ProxyTelemetry>;
  /** What listeners say of telemetry, by proxy id; only where it isn't what the settings say. */
  readonly listenerTelemetry: ReadonlyMap<string, ListenerTelemetry>;
  /** What releases make of the routes. */
  readonly releases: ReleaseIndex;
  /** DNS names whose addresses are needed (ServiceEntry resolution DNS), sorted. */
  readonly names: readonly string[];
}
