// The part of Lateen's own routes that tells golden numbers. Types, and the zod schema of the query. A field's meaning changes only with `version`.

import { z } from "zod";
import type { StatRow } from "../telemetry/stat/stat.ts";

/** Longest window: what samples are kept for. */
const maxWindowMs = 6 * 3_600_000;

const text = z.string().min(1).max(300).optional();

/** Query of GET /lateen/v1/stat. */
export const statQuerySchema = z.object({
  by: z.enum(["service", "workload", "version", "source", "edge"]).default("service"),
  /** Before now; whole ten seconds beyond 15 minutes. */
  windowMs: z.coerce.number().int().min(1000).max(maxWindowMs).default(10_000),
  /** Whose numbers. Clients' see refused connections and timeouts; where no client counted, servers' stand. */
  reporter: z.enum(["client", "server"]).default("client"),
  /** Of what the rows name. */
  namespace: text,
  /** Service or workload that the rows name. */
  name: text,
  /** Caller: "web", "shop/web", "deploy/web"; without a namespace of any. */
  from: text,
  /** Service or workload that is called. */
  to: text,
});

export type StatQuery = z.output<typeof statQuerySchema>;

/** The same with its defaults left out. */
export type StatRequest = Partial<StatQuery>;

/** GET /lateen/v1/stat. */
export interface StatReply {
  readonly version: 1;
  readonly by: StatQuery["by"];
  readonly reporter: StatQuery["reporter"];
  readonly windowMs: number;
  /** End of the window, RFC 3339: the newest second that was reported, or now. */
  readonly asOf: string;
  /** Age of the newest report of any proxy, ms; missing before the first one. */
  readonly ageMs?: number;
  /** How long ago the newest request or connection of all was counted, ms; missing before the first one. */
  readonly newestTrafficAgeMs?: number;
  /** How long the control plane has been collecting, ms. */
  readonly collectingMs: number;
  /** Proxies of the mesh, and ids of those that reported nothing in the last seconds, sorted. */
  readonly proxies: { readonly total: number; readonly silent: readonly string[] };
  /** Sorted by their labels. Where a number is missing, nobody reported it: a gap, not 0. */
  readonly rows: readonly StatRow[];
}

/** Golden numbers; app implements it. */
export interface StatView {
  stat(query: StatQuery): StatReply;
}
