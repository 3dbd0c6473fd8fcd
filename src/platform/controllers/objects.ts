// Small readings of stored objects that several controllers share: owners, raw fields, status writes. No policy.

import { isJsonObject, sameJson } from "../../store/json.ts";
import type { JsonObject, OwnerReference, Store, Stored } from "../../store/store.ts";

/** The reference a controller leaves on what it makes. */
export function controllerReference(owner: Stored): OwnerReference {
  const { apiVersion, kind } = owner.raw;
  return { apiVersion, kind, name: owner.name, uid: owner.uid, controller: true, blockOwnerDeletion: true };
}

/** The reference to the controller of an object, if it has one. */
export function controllerOf(stored: Stored): OwnerReference | undefined {
  return stored.raw.metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** A field of a JSON object that is an object itself; {} otherwise. */
export function objectAt(object: unknown, field: string): JsonObject {
  const value = isJsonObject(object) ? object[field] : undefined;
  return isJsonObject(value) ? value : {};
}

/** Writes a status if it differs from the one there, fields it does not mention kept. */
export function writeStatus(store: Store, stored: Stored, status: object): void {
  const before = objectAt(stored.raw, "status");
  const next = { ...before, ...status };
  if (sameJson(before, next)) return;
  store.updateStatus({ ...stored.raw, status: next });
}
