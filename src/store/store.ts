// The store's interface: Kubernetes' semantics (uid, resourceVersion, generation, conflicts, graceful deletion, watch) over parsed objects.
// In: raw JSON objects from http, controllers and files. Out: events, look-ups and the immutable Snapshot the model reads.

import type { Diagnostic } from "../api/diagnostic.ts";
import type { KindName, ResourceOf } from "../api/registry.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { MeshError } from "../lib/errors.ts";

/** Any JSON object; frozen once it is in the store. */
export type JsonObject = { readonly [field: string]: unknown };

/** A resource as it was written: JSON, not yet parsed. */
export interface RawResource extends JsonObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: RawMeta;
}

/** metadata as JSON; the store fills in what an API server fills in. */
export interface RawMeta extends JsonObject {
  readonly name?: string | undefined;
  readonly generateName?: string | undefined;
  readonly namespace?: string | undefined;
  readonly uid?: string | undefined;
  /** Empty or absent on a write means: no matter which version is there. */
  readonly resourceVersion?: string | undefined;
  readonly generation?: number | undefined;
  readonly creationTimestamp?: string | undefined;
  readonly deletionTimestamp?: string | undefined;
  readonly deletionGracePeriodSeconds?: number | undefined;
  readonly labels?: { readonly [label: string]: string } | undefined;
  readonly annotations?: { readonly [annotation: string]: string } | undefined;
  readonly ownerReferences?: readonly OwnerReference[] | undefined;
  readonly finalizers?: readonly string[] | undefined;
}

/** OwnerReference of metav1. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean | undefined;
  readonly blockOwnerDeletion?: boolean | undefined;
}

/** Names one object; `namespace` is undefined for cluster-scoped kinds. */
export interface ObjectKey {
  readonly kind: KindName;
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** One object of the store, deeply frozen; a later version is another Stored. */
export interface Stored<K extends KindName = KindName> {
  readonly kind: K;
  /** Namespace of the object, undefined for cluster-scoped kinds. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly uid: string;
  /** The store's revision at which this version was written; metadata.resourceVersion is its decimal form. */
  readonly revision: number;
  /** The JSON as the HTTP API serves it. */
  readonly raw: RawResource;
  /** The parsed value with defaults, as the pure core reads it. */
  readonly value: ResourceOf<K>;
}

/** The write happened, or changed nothing (`changed` false: the object was so already, no event, no new revision). */
export interface Accepted {
  readonly accepted: true;
  readonly stored: Stored;
  readonly changed: boolean;
  /** Diagnostics that are not errors. */
  readonly warnings: readonly Diagnostic[];
}

/** The object is not valid: nothing was written. */
export interface Refused {
  readonly accepted: false;
  /** All diagnostics, at least one of them an error. */
  readonly diagnostics: readonly Diagnostic[];
}

export type WriteResult = Accepted | Refused;

/** What metav1.DeleteOptions says, as far as the store acts on it. */
export interface DeleteOptions {
  /** Seconds a Pod may take to end; default spec.terminationGracePeriodSeconds (Kubernetes: 30). 0 removes at once. Other kinds ignore it. */
  readonly gracePeriodSeconds?: number | undefined;
  /** Background (default): dependents go after it. Foreground: before it. Orphan: they stay. */
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan" | undefined;
  /** Conflict unless the object has this uid. */
  readonly uid?: string | undefined;
  /** Conflict unless the object is at this resourceVersion. */
  readonly resourceVersion?: string | undefined;
  /** For the namespace controller only: the Namespace has no contents left, remove it. */
  readonly contentsGone?: boolean | undefined;
}

/** What became of a delete: gone, or waiting (deletionTimestamp set) for its node, finalizers or contents. */
export interface DeleteResult {
  readonly removed: boolean;
  /** Its last version. */
  readonly stored: Stored;
}

/** One change, in order of revision. */
export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  /** The new version; for DELETED the last one, its resourceVersion being that of the deletion. */
  readonly stored: Stored;
  /** The version before; absent for ADDED. */
  readonly previous?: Stored | undefined;
}

export type StoreListener = (event: StoreEvent) => void;

export interface ListOptions {
  /** Only this namespace; default all. */
  readonly namespace?: string | undefined;
  /** Only objects whose labels satisfy it. */
  readonly matches?: ((labels: Readonly<Record<string, string>>) => boolean) | undefined;
}

export interface Store {
  /** The latest revision; grows by one with each change and never goes back, across restarts too. */
  readonly revision: number;

  /** The object, or undefined. */
  get<K extends KindName>(kind: K, namespace: string | undefined, name: string): Stored<K> | undefined;

  /** All objects of a kind sorted by namespace and name; without options the same array until one of them changes. */
  list<K extends KindName>(kind: K, options?: ListOptions): readonly Stored<K>[];

  /** The object with this uid, of whatever kind. */
  byUid(uid: string): Stored | undefined;

  /** Objects that name `uid` in their ownerReferences, in order of creation; indexed. */
  dependentsOf(uid: string): readonly Stored[];

  /** Adds an object; its status is ignored (use updateStatus). @throws MeshError already_exists, conflict (its namespace is ending). */
  create(raw: RawResource): WriteResult;

  /** Replaces everything but status and what the store owns. @throws NotFound; Conflict when metadata.resourceVersion is given and not the current one. */
  update(raw: RawResource): WriteResult;

  /** Replaces status alone. @throws as update. */
  updateStatus(raw: RawResource): WriteResult;

  /** Deletes, or marks for deletion: see DeleteOptions. @throws NotFound, Conflict. */
  delete(key: ObjectKey, options?: DeleteOptions): DeleteResult;

  /** Calls `listener` synchronously after each change, in order, never nested; returns the function that ends it. */
  subscribe(listener: StoreListener): () => void;

  /** Changes after `revision`, oldest first; "gone" when the bounded history no longer reaches back that far: list again. */
  eventsSince(revision: number): readonly StoreEvent[] | "gone";

  /** All parsed objects at this moment: immutable, unchanged objects and unchanged kinds are the identical JS objects of the snapshot before. */
  snapshot(): Snapshot;

  /** Objects found on start that this version can't read any more: left out of everything, kept on disk. */
  unreadable(): readonly { readonly raw: JsonObject; readonly diagnostics: readonly Diagnostic[] }[];

  /** Releases files; later writes throw Unavailable. */
  close(): void;
}

/** For writers whose objects can't be invalid (controllers): the stored object. @throws MeshError internal with the first diagnostic. */
export function acceptedOf(result: WriteResult): Stored {
  if (result.accepted) return result.stored;
  const first = result.diagnostics.find((diagnostic) => diagnostic.severity === "error");
  throw new MeshError("internal", `${first?.resource ?? "object"}: ${first?.path ?? ""}: ${first?.message ?? "refused"}`);
}

/** Narrows a stored object to one kind. */
export function isKind<K extends KindName>(stored: Stored, kind: K): stored is Stored<K> {
  return stored.kind === kind;
}
