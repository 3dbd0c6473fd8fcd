// Who called whom, as proxies counted it in a window: the value that traffic-edges.ts makes. Types, and the order of edges.

export interface TrafficEnd {
  /** "shop/web": namespace and workload; a host where no workload is known; or one of the names of `endNames`. */
  readonly name: string;
  readonly kind: "workload" | "gateway" | "external" | "unknown";
  /** SPIFFE ID that it showed. */
  readonly identity?: string;
}

/** Ends that have no name of their own. */
export const endNames = {
  /** A caller that showed no certificate: it has no sidecar, or was told to speak plaintext. */
  noSidecar: "(no sidecar)",
  /** Whoever calls a gateway from outside of the mesh. */
  outside: "(outside)",
  /** Hosts that no Service or ServiceEntry names, passed on as they are (ALLOW_ANY). */
  unknownHosts: "(unknown hosts)",
  /** The same where the mesh refuses them (REGISTRY_ONLY). */
  blockedHosts: "(blocked hosts)",
  /** The proxy answered by itself: no route, a redirect, a direct response. */
  noDestination: "(no destination)",
} as const;

export interface TrafficEdge {
  readonly from: TrafficEnd;
  readonly to: TrafficEnd;
  /** Of the destination; "unknown" without a version label. */
  readonly version: string;
  /** Host of the service that was called, or "unknown". */
  readonly service: string;
  /** Of the service; 0 when it isn't known. */
  readonly port: number;
  /** http, grpc or tcp. */
  readonly protocol: string;
  /** unknown: no connection was made. */
  readonly encryption: "mtls" | "none" | "partly" | "unknown";
  /** Copies of requests: edges of their own. */
  readonly mirrored: boolean;
  /** Whose numbers these are: the client's see refused connections and timeouts, the server's are for callers without a proxy. */
  readonly reporter: "source" | "destination";
  readonly requests: number;
  /** Undefined where nobody reported: a gap, not 0. */
  readonly requestsPerSecond: number | undefined;
  readonly failed: number;
  /** 0..1; undefined without a request. */
  readonly failedShare: number | undefined;
  /** In milliseconds; undefined without a request. */
  readonly latency: { readonly p50: number; readonly p95: number; readonly p99: number } | undefined;
  /** TCP connections that were opened. */
  readonly connections: number;
  /** TCP connections that are open now; undefined for what counts requests. */
  readonly open: number | undefined;
  /** Bodies of requests, or TCP from the client; undefined where nobody reported. */
  readonly bytesReceivedPerSecond: number | undefined;
  /** Bodies of responses, or TCP to the client. */
  readonly bytesSentPerSecond: number | undefined;
  /** live: something happened in the window; idle: nothing, and its proxies said so; gap: nobody reported. */
  readonly state: "live" | "idle" | "gap";
  /** Seconds of the window that at least one of its proxies reported. */
  readonly seconds: number;
  /** Proxy-seconds of the window that nobody reported. */
  readonly missing: number;
}

/** Names an edge among others. */
function edgeKey(edge: Pick<TrafficEdge, "from" | "to" | "version" | "port" | "protocol" | "mirrored" | "service">): string {
  const { from, to, version, port, protocol, mirrored, service } = edge;
  return JSON.stringify([from.name, to.name, version, port, protocol, mirrored, service]);
}

type Ordered = Parameters<typeof edgeKey>[0];

/** By ends, then by what tells edges of the same ends apart. */
export function compareEdges(a: Ordered, b: Ordered): number {
  return (
    order(a.from.name, b.from.name) ||
    order(a.to.name, b.to.name) ||
    order(a.version, b.version) ||
    a.port - b.port ||
    order(a.protocol, b.protocol) ||
    Number(a.mirrored) - Number(b.mirrored) ||
    order(a.service, b.service)
  );
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
