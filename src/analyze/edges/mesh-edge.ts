// An edge of the live graph as people read it: what was counted, how it travelled and why, and what configuration wants of it. Types, and its nodes.

import type { TrafficEdge, TrafficEnd } from "../../telemetry/graph/traffic-edge.ts";

export type EdgeEnd = TrafficEnd;

/** Numbers that nobody knows are missing: a gap is never 0. */
export interface MeshEdge extends Omit<TrafficEdge, "encryption" | "state"> {
  /**
   * mtls: the mesh's own; tls: another one that a proxy made or ended; application: bytes that the proxies only carry and that are TLS by the
   * port's declaration; partly: both in the window; unknown: no connection was made, or bytes that nobody declared.
   */
  readonly encryption: "mtls" | "tls" | "application" | "partly" | "none" | "unknown";
  /** Why it isn't mutual TLS; undefined when it is. */
  readonly reason?: string;
  /** The object that makes it so. */
  readonly source?: string;
  /** live, idle and gap: as counted; configured: a route leads there, and nothing was ever counted. */
  readonly state: TrafficEdge["state"] | "configured";
  /** Routes that name an edge without traffic: "VirtualService shop/orders spec.http[0].route[1] (weight 10)". */
  readonly configuredBy?: readonly string[];
}

export interface GraphNode {
  /** As in the edges' ends. */
  readonly name: string;
  readonly kind: TrafficEnd["kind"];
  readonly namespace?: string;
  /** Label "app" of its pods. */
  readonly app?: string;
  /** Label "version". */
  readonly version?: string;
  /** Hosts of the services that it stands behind, sorted. */
  readonly services?: readonly string[];
  /** False: nothing reports for it, and it speaks plaintext. Of workloads only. */
  readonly sidecar?: boolean;
}
