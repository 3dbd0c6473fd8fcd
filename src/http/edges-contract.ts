// The part of Lateen's own routes that tells of the live graph. Types, and the zod schema of the query. A field's meaning changes only with `version`.

import { z } from "zod";
import type { GraphNode, MeshEdge } from "../analyze/edges/mesh-edge.ts";

/** Longest window: what samples are kept for. */
export const maxEdgesWindowMs = 6 * 3_600_000;

/** Query of GET /lateen/v1/edges. */
export const edgesQuerySchema = z.object({
  /** Whole seconds before now; 10 s unless given. Longer than 15 minutes: whole ten seconds. */
  windowMs: z.coerce.number().int().min(1000).max(maxEdgesWindowMs).default(10_000),
  /** Only edges with an end in this namespace. */
  namespace: z.string().min(1).optional(),
  /** Only edges from or to this service or workload: "web", "shop/web", a full host. */
  service: z.string().min(1).optional(),
});

export type EdgesQuery = z.output<typeof edgesQuerySchema>;

/** The same with its defaults left out. */
export type EdgesRequest = Partial<EdgesQuery>;

/** A host outside that no Service or ServiceEntry names, and that was called in the window. */
export interface UnknownHost {
  readonly namespace: string;
  readonly workload: string;
  readonly protocol: "HTTP" | "TLS" | "TCP";
  /** Host header without its port, server name, or the address for TCP. */
  readonly host: string;
  readonly port: number;
  readonly count: number;
  /** RFC 3339. */
  readonly last: string;
  /** The mesh refused it (REGISTRY_ONLY); else it was passed on as it was (ALLOW_ANY). */
  readonly refused: boolean;
}

/** GET /lateen/v1/edges: who calls whom, at once. Where a number is missing, nobody reported it: a gap, not 0. */
export interface EdgeList {
  readonly version: 1;
  readonly windowMs: number;
  /** End of the window, RFC 3339. */
  readonly asOf: string;
  /** Of the newest report of any proxy; undefined before the first one. */
  readonly ageMs: number | undefined;
  /** Every workload, and every end of an edge; sorted by name. */
  readonly nodes: readonly GraphNode[];
  /** Sorted by their ends. */
  readonly edges: readonly MeshEdge[];
  /** The newest first; read from access logs, so none where those are off. */
  readonly unknownHosts: readonly UnknownHost[];
  /** ServiceEntries that would name them. */
  readonly serviceEntries: readonly Readonly<Record<string, unknown>>[];
  /** Ids of proxies that reported nothing in the window, sorted: their calls may be missing. */
  readonly silent: readonly string[];
}
