// What a proxy counted since it started, of connections and requests, as its admin interface has it; edgesOf makes edges of it. Types only.

export interface EndpointCounters {
  /** "10.0.0.1:8080". */
  readonly address: string;
  readonly connections: number;
  readonly active: number;
  readonly requests: number;
}

export interface ClusterCounters {
  /** Name of the cluster: "outbound|80||web.shop.svc.cluster.local". */
  readonly name: string;
  /** Connections that were made, without those that could not be. */
  readonly connections: number;
  /** TLS handshakes that ended well. */
  readonly handshakes: number;
  readonly endpoints: readonly EndpointCounters[];
}

/** Of one listening port that speaks HTTP. */
export interface HttpCounters {
  readonly connections: number;
  readonly tlsConnections: number;
  readonly active: number;
  readonly tlsActive: number;
  readonly requests: number;
}

export interface ProxyCounters {
  readonly clusters: readonly ClusterCounters[];
  /** By port of the application. */
  readonly inbound: ReadonlyMap<number, HttpCounters>;
  /** By port of the gateway. */
  readonly gateway: ReadonlyMap<number, HttpCounters>;
}
