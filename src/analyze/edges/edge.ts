// Who calls whom, as proxies saw it: the value that edgesOf makes and that commands print.

import type { MeshProxy } from "../../model/mesh.ts";

export interface EdgeEnd {
  /** "shop/web": namespace and workload; a host outside the mesh; or "(no sidecar)", "(outside)". */
  readonly name: string;
  readonly kind: "workload" | "gateway" | "external" | "unknown";
  /** SPIFFE ID that it showed on this edge; undefined where it shows none. */
  readonly identity?: string;
}

export interface Edge {
  readonly from: EdgeEnd;
  readonly to: EdgeEnd;
  /** Of the service, or where the connection went. */
  readonly port: number;
  readonly protocol: string;
  /**
   * mtls: the mesh's own; tls: another one that a proxy made or ended; application: bytes that the proxies only carry and that are TLS by the
   * port's declaration; partly: some connections since the client's proxy started; unknown: bytes that nobody declared.
   */
  readonly encryption: "mtls" | "tls" | "application" | "partly" | "none" | "unknown";
  /** Why it isn't mutual TLS; undefined when it is. */
  readonly reason?: string;
  /** The object that makes it so. */
  readonly source?: string;
  /** Since the client's proxy started. */
  readonly connections: number;
  readonly requests: number;
  /** Open now. */
  readonly active: number;
}

/** An edge with what happened in a window. */
export interface LiveEdge extends Edge {
  readonly requestsPerSecond: number;
  /** Something is open, or happened in the window. */
  readonly live: boolean;
}

/** Names an edge among others. */
export function edgeKey({ from, to, port, protocol }: Edge): string {
  return JSON.stringify([from.name, to.name, port, protocol]);
}

/** The edges at the end of a window, with what happened in it. */
export function liveEdges(before: readonly Edge[], after: readonly Edge[], windowMs: number): readonly LiveEdge[] {
  const known = new Map(before.map((edge) => [edgeKey(edge), edge]));
  return after.map((edge) => {
    const { requests = 0, connections = 0 } = known.get(edgeKey(edge)) ?? {};
    // A proxy that started again counts from 0.
    const made = Math.max(0, edge.requests - requests);
    const live = edge.active > 0 || made > 0 || edge.connections > connections;
    return { ...edge, requestsPerSecond: (made * 1000) / windowMs, live };
  });
}

/** Edges of one key as one: their sums, and the worst encryption. */
export function mergedEdge(same: readonly Edge[]): readonly Edge[] {
  const [first] = same;
  if (first === undefined) return [];
  const sum = (of: (edge: Edge) => number) => same.reduce((total, edge) => total + of(edge), 0);
  const counts = {
    connections: sum(({ connections }) => connections),
    requests: sum(({ requests }) => requests),
    active: sum(({ active }) => active),
  };
  const isUniform = same.every(({ encryption }) => encryption === first.encryption);
  if (isUniform) return [{ ...first, ...counts }];
  // Plaintext to one of several pods is what people must see.
  const worst = same.find(({ encryption }) => encryption === "none") ?? first;
  return [{ ...worst, ...counts, encryption: "partly" }];
}

/** A proxy as an end of an edge. */
export function workloadEnd({ namespace, workload, kind }: MeshProxy): EdgeEnd {
  return { name: `${namespace}/${workload.name}`, kind: kind === "gateway" ? "gateway" : "workload" };
}
