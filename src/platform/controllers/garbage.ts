// The garbage collector: objects whose owners are all gone go too; foreground and orphan deletions are brought to their end.

import { allKinds } from "../../api/registry.ts";
import { foregroundFinalizer, orphanFinalizer } from "../../store/lifecycle.ts";
import type { DeleteOptions, Store, Stored, StoreEvent } from "../../store/store.ts";
import type { Controller } from "./controller.ts";
import type { ControllerOptions } from "./options.ts";

/** Keys are uids: of objects to check against their owners, and of owners that are ending. */
export function garbageController({ store }: ControllerOptions): Controller {
  return {
    name: "garbage",
    keysOf: (event) => keysOf(store, event),
    // Owners may have gone while nobody ran.
    keysAtStart: () => allKinds().flatMap(({ kind }) => store.list(kind).flatMap(keysOfStored)),
    reconcile: (uid) => {
      const stored = store.byUid(uid);
      if (stored === undefined) return undefined;
      if (hasFinalizer(stored, orphanFinalizer)) orphanDependents(store, stored);
      else if (hasFinalizer(stored, foregroundFinalizer)) deleteForeground(store, stored);
      else deleteIfOrphaned(store, stored);
      return undefined;
    },
  };
}

function keysOf(store: Store, { type, stored }: StoreEvent): readonly string[] {
  const owners = (stored.raw.metadata.ownerReferences ?? []).map(({ uid }) => uid);
  if (type === "DELETED") {
    const waiting = owners.filter((uid) => hasFinalizer(store.byUid(uid), foregroundFinalizer));
    return [...store.dependentsOf(stored.uid).map(({ uid }) => uid), ...waiting];
  }
  return keysOfStored(stored);
}

function keysOfStored({ uid, raw }: Stored): readonly string[] {
  const { deletionTimestamp, finalizers = [], ownerReferences = [] } = raw.metadata;
  const ending = deletionTimestamp !== undefined && finalizers.length > 0;
  return ending || ownerReferences.length > 0 ? [uid] : [];
}

function hasFinalizer(stored: Stored | undefined, finalizer: string): boolean {
  return stored?.raw.metadata.deletionTimestamp !== undefined && (stored.raw.metadata.finalizers ?? []).includes(finalizer);
}

function deleteIfOrphaned(store: Store, stored: Stored): void {
  const owners = stored.raw.metadata.ownerReferences ?? [];
  if (owners.length === 0 || stored.raw.metadata.deletionTimestamp !== undefined) return;
  const alive = owners.filter(({ uid }) => store.byUid(uid) !== undefined);
  if (alive.length === owners.length) return;
  if (alive.length === 0) deleteOnce(store, stored, {});
  else store.update({ ...stored.raw, metadata: { ...stored.raw.metadata, ownerReferences: alive } });
}

function deleteForeground(store: Store, owner: Stored): void {
  const dependents = store.dependentsOf(owner.uid);
  for (const dependent of dependents) deleteOnce(store, dependent, { propagationPolicy: "Foreground" });
  if (store.dependentsOf(owner.uid).length === 0) removeFinalizer(store, owner, foregroundFinalizer);
}

function deleteOnce(store: Store, stored: Stored, options: DeleteOptions): void {
  if (stored.raw.metadata.deletionTimestamp === undefined) store.delete(stored, { ...options, uid: stored.uid });
}

function orphanDependents(store: Store, owner: Stored): void {
  for (const dependent of store.dependentsOf(owner.uid)) {
    const ownerReferences = (dependent.raw.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.uid);
    store.update({ ...dependent.raw, metadata: { ...dependent.raw.metadata, ownerReferences } });
  }
  removeFinalizer(store, owner, orphanFinalizer);
}

function removeFinalizer(store: Store, stored: Stored, finalizer: string): void {
  const finalizers = (stored.raw.metadata.finalizers ?? []).filter((name) => name !== finalizer);
  store.update({ ...stored.raw, metadata: { ...stored.raw.metadata, finalizers } });
}
