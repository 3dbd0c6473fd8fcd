// The typed client's interface: what the node agent and the CLI call. client.ts implements it over a Unix socket.

import type { AccessQuestion } from "../analyze/access/answer-access.ts";
import type { KindName } from "../api/registry.ts";
import type { MeshError } from "../lib/errors.ts";
import type { NameTable } from "../model/name-table.ts";
import type { RawResource } from "../store/store.ts";
import type { FlagsClient } from "./client-flags.ts";
import type { ReleasesClient } from "./client-releases.ts";
import type { TracesClient } from "./client-traces.ts";
import type { AcknowledgedReply, DiagnosticList, MeshStatus, ProxyList } from "./contract.ts";
import type { EdgeList, EdgesRequest } from "./edges-contract.ts";
import type { ProxyMetrics } from "./metrics-contract.ts";
import type { AccessReply, AuthorityView, PodDescription, RenewalView } from "./security-contract.ts";
import type { TapLine, TapQuery } from "./tap-contract.ts";
import type { StatReply, StatRequest } from "./telemetry-contract.ts";

/** A list and the revision it was read at; a watch from there misses nothing. */
export interface RawList {
  readonly items: readonly RawResource[];
  readonly resourceVersion: string;
}

export interface ListRequest {
  /** Default: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  /** metadata.name, metadata.namespace, spec.nodeName, status.phase; "=" and "!=". */
  readonly fieldSelector?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Names one object for the client; `namespace` defaults to "default" for namespaced kinds. */
export interface ObjectRef {
  readonly kind: KindName;
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** A write's answer: the object as stored, and the warnings that came with it. */
export interface WriteReply {
  readonly object: RawResource;
  readonly warnings: readonly string[];
}

/**
 * One step of a watch. "sync" comes first and after every relist: the whole current state (what is not in it is gone).
 * "down" says the connection was lost; the watch goes on by itself and a later event says it is up again.
 */
export type ClientWatchEvent =
  | { readonly type: "sync"; readonly items: readonly RawResource[]; readonly resourceVersion: string }
  | { readonly type: "added" | "modified" | "deleted"; readonly object: RawResource }
  | { readonly type: "down"; readonly reason: string };

/** What `apply` answers. */
export interface ApplyReply extends WriteReply {
  readonly created: boolean;
  readonly changed: boolean;
}

export interface DeleteRequest {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" | undefined;
  readonly uid?: string | undefined;
}

/** Errors of all calls: NotFound, Conflict, Unavailable (socket gone), RefusedResource (422), MeshError otherwise. */
export interface ApiClient {
  readonly releases: ReleasesClient;
  readonly traces: TracesClient;
  readonly flags: FlagsClient;
  get(ref: ObjectRef): Promise<RawResource>;
  list(kind: KindName, request?: ListRequest): Promise<RawList>;
  /** Lists, then follows; resumes and relists by itself until the signal aborts. */
  watch(kind: KindName, request?: ListRequest): AsyncGenerator<ClientWatchEvent, void, undefined>;
  create(raw: RawResource): Promise<WriteReply>;
  /** PUT: replaces all but status. */
  update(raw: RawResource): Promise<WriteReply>;
  updateStatus(raw: RawResource): Promise<WriteReply>;
  /** JSON merge patch (RFC 7386) of the object. */
  patch(ref: ObjectRef, patch: unknown): Promise<WriteReply>;
  /** JSON merge patch of the status subresource; the patch is the whole object's shape: `{status: {…}}`. */
  patchStatus(ref: ObjectRef, patch: unknown): Promise<WriteReply>;
  /** Create or replace in one request, keeping what the server filled in (clusterIP, uid, …). */
  apply(raw: RawResource): Promise<ApplyReply>;
  /** Applies many at once: proxies see all of them or none. One answer or error for each. */
  applyAll(raws: readonly RawResource[]): Promise<readonly (ApplyReply | MeshError)[]>;
  delete(ref: ObjectRef, request?: DeleteRequest): Promise<void>;
  /** Deletes many at once; undefined or the error for each. */
  deleteAll(refs: readonly ObjectRef[]): Promise<readonly (MeshError | undefined)[]>;
  status(): Promise<MeshStatus>;
  proxies(): Promise<ProxyList>;
  diagnostics(): Promise<DiagnosticList>;
  /** May one workload call another? */
  access(question: AccessQuestion): Promise<AccessReply>;
  /** @throws NotFound when there is no such pod. */
  describePod(namespace: string, name: string): Promise<PodDescription>;
  /** Istio's series of a pod's proxy. @throws NotFound when the pod has none. */
  proxyMetrics(namespace: string, name: string, signal?: AbortSignal): Promise<ProxyMetrics>;
  edges(request?: EdgesRequest): Promise<EdgeList>;
  stat(request?: StatRequest): Promise<StatReply>;
  authority(): Promise<AuthorityView>;
  /** Begins a root rotation. @throws Conflict while one is under way. */
  rotateRoot(): Promise<AuthorityView>;
  renewCertificates(): Promise<RenewalView>;
  abortRootRotation(): Promise<AuthorityView>;
  waitAcknowledged(revision: number, options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<AcknowledgedReply>;
  /** The name table now and after each change; goes on by itself when the control plane was away, until the signal aborts. */
  watchNames(request: { readonly signal: AbortSignal }): AsyncGenerator<NameTable, void, undefined>;
  /** Requests as they happen, until the signal aborts. @throws Unavailable when the control plane goes, NotFound for an unknown party. */
  tap(query: TapQuery, request: { readonly signal: AbortSignal }): AsyncGenerator<TapLine, void, undefined>;
  /** Ends keep-alive connections; running watches end too. */
  close(): void;
}
