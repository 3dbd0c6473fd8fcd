// JSON values: copies that share nothing, deep freezing, equality and RFC 7386 merge patches. Pure.

import type { JsonObject, RawResource } from "./store.ts";

/** True for an object that is neither array nor null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for an object that has apiVersion, kind and metadata. */
export function isRawResource(value: unknown): value is RawResource {
  return (
    isJsonObject(value) && typeof value["apiVersion"] === "string" && typeof value["kind"] === "string" && isJsonObject(value["metadata"])
  );
}

/** A copy that shares nothing with the original; fields that are null or undefined are left out, as Kubernetes treats them. */
export function copyJson(object: JsonObject): JsonObject {
  const fields = Object.entries(object).filter(([, value]) => value !== null && value !== undefined);
  // fromEntries defines own properties, so a "__proto__" key stays data (and is refused by the parser).
  return Object.fromEntries(fields.map(([field, value]) => [field, typeof value === "object" ? copyOf(value) : value]));
}

function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  return isJsonObject(value) ? copyJson(value) : value;
}

/** Freezes plain objects and arrays all the way down and returns the same value; class instances are left as they are. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (!Array.isArray(value) && !isPlain(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Equality of JSON values; the order of fields doesn't matter, an undefined field counts as absent. */
export function sameJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((item, index) => sameJson(item, right[index]));
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const leftKeys = definedKeys(left);
  if (leftKeys.length !== definedKeys(right).length) return false;
  return leftKeys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]));
}

function definedKeys(object: JsonObject): string[] {
  return Object.keys(object).filter((key) => object[key] !== undefined);
}

/** Applies a JSON merge patch (RFC 7386): null removes, objects merge, everything else replaces. The target is not changed. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isJsonObject(patch)) return patch;
  const fields = new Map<string, unknown>(isJsonObject(target) ? Object.entries(target) : []);
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) fields.delete(key);
    else fields.set(key, mergePatch(fields.get(key), change));
  }
  // fromEntries defines own properties, so a "__proto__" key stays data.
  return Object.fromEntries(fields);
}

/** Whether arrays and objects are nested deeper than `limit`; looks without recursion, so depth can't exhaust the stack. */
export function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (inString) {
      if (char === 0x5c) at += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      depth += 1;
      if (depth > limit) return true;
    } else if (char === 0x7d || char === 0x5d) depth -= 1;
  }
  return false;
}
