// The HTTP API's types, shared by server, client, CLI and console: Kubernetes' bodies, and Lateen's own routes under /lateen/v1.
// Types and zod schemas of what we parse; no I/O.

import { z } from "zod";
import type { Diagnostic } from "../api/diagnostic.ts";
import type { NameTable } from "../model/name-table.ts";

/** metav1.Status: the body of every error, and of a delete that is done. */
export interface KubeStatus {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Readonly<Record<string, never>>;
  readonly status: "Success" | "Failure";
  readonly message: string;
  /** Kubernetes' word: NotFound, AlreadyExists, Conflict, Invalid, BadRequest, Expired, … */
  readonly reason?: string;
  readonly code: number;
  readonly details?: KubeStatusDetails;
}

export interface KubeStatusDetails {
  readonly name?: string;
  readonly kind?: string;
  readonly group?: string;
  readonly causes?: readonly KubeCause[];
  /** Lateen's addition: what metav1.StatusCause has no room for (code, fix, severity). */
  readonly diagnostics?: readonly Diagnostic[];
}

export interface KubeCause {
  readonly reason: string;
  /** "message Fix: fix (code)". */
  readonly message: string;
  readonly field: string;
}

/** One line of a watch. BOOKMARK carries only a resourceVersion; ERROR carries a KubeStatus (410: list again). */
export interface WatchLine {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: unknown;
}

/** One proxy (an Envoy) as the control plane sees it. */
export interface ProxyStatus {
  /** "<pod>.<namespace>", as in Istio's node id. */
  readonly id: string;
  readonly pod: string;
  readonly namespace: string;
  readonly type: "sidecar" | "gateway";
  readonly connected: boolean;
  /** The store's revision whose configuration it acknowledged last. */
  readonly acknowledgedRevision: number;
  /** Its newest state is acknowledged: nothing outstanding. */
  readonly synced: boolean;
  /** What it has not acknowledged yet, and why, when it is not synced; at most 20. */
  readonly waiting: readonly RejectedResource[];
  /** Resources it refused, each with Envoy's reason; it keeps their last good version. */
  readonly rejected: readonly RejectedResource[];
  /** What it shows to others; undefined while it has no certificate. */
  readonly certificate?: CertificateView;
  /** What its pod accepts: "STRICT", or by port where they differ: "STRICT, 8080 PERMISSIVE"; undefined for gateways. */
  readonly mtls?: string;
}

/** What a proxy shows to others. Times are RFC 3339. */
export interface CertificateView {
  readonly spiffeId: string;
  /** Hexadecimal. */
  readonly serial: string;
  readonly issuedAt: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** About when it is renewed (half of its life, give or take a hundredth). */
  readonly renewalAt: string;
}

export interface RejectedResource {
  /** Envoy's short type: "CDS", "EDS", "LDS", "RDS", "SDS", "RTDS", "ECDS". */
  readonly type: string;
  readonly name: string;
  readonly reason: string;
  /** The user's objects it was made from, for example "VirtualService default/web". */
  readonly sources: readonly string[];
  /** The proxy did not refuse it itself: it is held back until these objects are corrected. */
  readonly behind?: readonly string[];
}

export interface PodSummary {
  readonly namespace: string;
  readonly name: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly ip: string;
  readonly restarts: number;
  /** Why it is not ready, in the node's words; undefined when it is, or has ended well. */
  readonly reason: string | undefined;
}

/** One of the latest changes of configuration, and how far it has come. */
export interface ConfigChange {
  /** "VirtualService shop/web". */
  readonly resource: string;
  readonly revision: number;
  /** How many of `total` connected proxies have acknowledged everything up to this revision. */
  readonly acknowledged: number;
  readonly total: number;
}

/** GET /lateen/v1/status. */
export interface MeshStatus {
  readonly mesh: string;
  readonly revision: number;
  readonly startedAt: string;
  readonly pods: readonly PodSummary[];
  readonly proxies: ProxyCounts;
  /** The latest changes, newest first, at most ten. */
  readonly changes: readonly ConfigChange[];
  /** Diagnostics by severity. */
  readonly diagnostics: { readonly errors: number; readonly warnings: number };
  /** Port on 127.0.0.1 with the metrics of the whole mesh; missing when there is none. */
  readonly metricsPort?: number | undefined;
}

export interface ProxyCounts {
  readonly total: number;
  readonly connected: number;
  readonly synced: number;
}

/** GET /lateen/v1/proxies. */
export interface ProxyList {
  readonly revision: number;
  readonly proxies: readonly ProxyStatus[];
}

/** GET /lateen/v1/diagnostics: what the analysis of all objects together found, and resources that proxies refused. */
export interface DiagnosticList {
  readonly revision: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** GET /lateen/v1/acknowledged?revision=R&timeoutMs=T: answers when every affected proxy acknowledged, or at the time-out. */
export interface AcknowledgedReply {
  readonly revision: number;
  /** True when nobody is waited for any more. */
  readonly acknowledged: boolean;
  /** Proxies that the change concerns, and how many of them have it. */
  readonly total: number;
  readonly done: number;
  /** Ids of the proxies that have not answered. */
  readonly waitingFor: readonly string[];
  /** Proxies that refused part of it. */
  readonly rejected: readonly { readonly proxy: string; readonly resource: RejectedResource }[];
}

/** GET /lateen/v1/names?after=V&timeoutMs=T: the name table, once its version is another than V, or at the time-out. */
export interface NamesReply {
  /** Content hash of the table. */
  readonly version: string;
  readonly names: NameTable;
}

/** Query of /lateen/v1/acknowledged; 10 s is how long `apply` waits before it names who is missing (architecture §3). */
export const acknowledgedQuerySchema = z.object({
  revision: z.coerce.number().int().min(0),
  timeoutMs: z.coerce.number().int().min(0).max(600_000).default(10_000),
});

/** Query of /lateen/v1/names. */
export const namesQuerySchema = z.object({
  after: z.string().default(""),
  timeoutMs: z.coerce.number().int().min(0).max(600_000).default(30_000),
});

/** Body or query of a delete: metav1.DeleteOptions, the part we act on; unknown fields are ignored as Kubernetes does. */
export const deleteOptionsSchema = z.object({
  gracePeriodSeconds: z.coerce.number().int().min(0).optional(),
  propagationPolicy: z.enum(["Background", "Foreground", "Orphan"]).optional(),
  preconditions: z.object({ uid: z.string().optional(), resourceVersion: z.string().optional() }).optional(),
});

/** Query of create, update and patch; every other parameter of Kubernetes' is accepted and without effect. */
export const writeQuerySchema = z.object({
  dryRun: z.union([z.string(), z.array(z.string())]).optional(),
  fieldManager: z.string().optional(),
});

/** Query of list and watch: metav1.ListOptions; `limit` and `continue` are accepted, the answer is always whole. */
export const listQuerySchema = z.object({
  labelSelector: z.string().optional(),
  fieldSelector: z.string().optional(),
  watch: z
    .enum(["1", "true", "0", "false", ""])
    .optional()
    .transform((text) => text === "1" || text === "true"),
  allowWatchBookmarks: z
    .enum(["1", "true", "0", "false", ""])
    .optional()
    .transform((text) => text === "1" || text === "true"),
  resourceVersion: z.string().regex(/^\d*$/, "a resourceVersion is a decimal number").optional(),
  timeoutSeconds: z.coerce.number().int().min(0).optional(),
});

export type ListQuery = z.output<typeof listQuerySchema>;

/** Most writes in one batch; a client with more sends several. */
export const maxBatchWrites = 500;

/** POST /lateen/v1/batch: apply-patches and deletes by Kubernetes' paths, done one after another with nothing in between. */
export const batchSchema = z.object({
  writes: z
    .array(
      z.discriminatedUnion("method", [
        z.object({ method: z.literal("PATCH"), path: z.string(), body: z.unknown() }),
        z.object({ method: z.literal("DELETE"), path: z.string(), body: z.unknown() }),
      ]),
    )
    .max(maxBatchWrites),
});

export type BatchWrite = z.output<typeof batchSchema>["writes"][number];

/** One write's answer in a batch: what a request of its own would have been answered. */
export interface BatchAnswer {
  readonly code: number;
  readonly body: unknown;
  readonly warnings: readonly string[];
  readonly changed: boolean;
}

export interface BatchReply {
  readonly answers: readonly BatchAnswer[];
}
