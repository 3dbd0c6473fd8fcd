// Strategic merge patches, which kubectl apply sends for Kubernetes' own kinds: lists of named things merge by their key. Pure.
// Directives: $patch (replace, delete), $retainKeys, $setElementOrder/<field>, $deleteFromPrimitiveList/<field>.

import { isJsonObject } from "../../store/json.ts";
import type { JsonObject } from "../../store/store.ts";

/** patchMergeKey of the lists in the kinds we serve (struct tags of k8s.io/api); the first one present in an item counts. */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ["name"],
  initContainers: ["name"],
  ephemeralContainers: ["name"],
  env: ["name"],
  volumes: ["name"],
  volumeMounts: ["mountPath"],
  volumeDevices: ["devicePath"],
  ports: ["containerPort", "port"],
  imagePullSecrets: ["name"],
  secrets: ["name"],
  hostAliases: ["ip"],
  topologySpreadConstraints: ["topologyKey"],
  conditions: ["type"],
  ownerReferences: ["uid"],
};

/** Lists of plain values that merge as sets. */
const primitiveSets: ReadonlySet<string> = new Set(["finalizers"]);

/** Applies a strategic merge patch; the target is not changed. */
export function strategicMerge(target: unknown, patch: JsonObject): JsonObject {
  const before = isJsonObject(target) && patch["$patch"] !== "replace" ? target : {};
  const fields = new Map<string, unknown>(Object.entries(before));
  for (const [field, change] of Object.entries(patch)) {
    if (field.startsWith("$")) continue;
    if (change === null || isDeletion(change)) fields.delete(field);
    else fields.set(field, mergedField(field, fields.get(field), change));
  }
  applyDirectives(fields, patch);
  return Object.fromEntries(fields);
}

function isDeletion(change: unknown): boolean {
  return isJsonObject(change) && change["$patch"] === "delete";
}

function mergedField(field: string, before: unknown, change: unknown): unknown {
  if (isJsonObject(change)) return strategicMerge(before, change);
  if (!Array.isArray(change)) return change;
  const list: readonly unknown[] = Array.isArray(before) ? before : [];
  if (primitiveSets.has(field)) return [...new Set([...list, ...change])];
  const key = mergeKeyOf(field, [...list, ...change]);
  return key === undefined ? change : mergedList(list, change, key);
}

function mergeKeyOf(field: string, items: readonly unknown[]): string | undefined {
  const candidates = Object.hasOwn(mergeKeys, field) ? mergeKeys[field] : undefined;
  return candidates?.find((key) => items.some((item) => isJsonObject(item) && item[key] !== undefined));
}

function mergedList(before: readonly unknown[], patch: readonly unknown[], key: string): readonly unknown[] {
  const replaces = patch.some((item) => isJsonObject(item) && item["$patch"] === "replace");
  let items: readonly unknown[] = replaces ? [] : before;
  for (const change of patch) {
    if (!isJsonObject(change) || (change["$patch"] === "replace" && change[key] === undefined)) continue;
    const known = items.find((item) => keyValue(item, key) === change[key]);
    if (isDeletion(change)) items = items.filter((item) => item !== known);
    else if (known === undefined) items = [...items, strategicMerge({}, change)];
    else items = items.map((item) => (item === known ? strategicMerge(item, change) : item));
  }
  return items;
}

function keyValue(item: unknown, key: string): unknown {
  return isJsonObject(item) ? item[key] : undefined;
}

function applyDirectives(fields: Map<string, unknown>, patch: JsonObject): void {
  for (const [directive, value] of Object.entries(patch)) {
    if (!Array.isArray(value)) continue;
    const [name = "", field = ""] = directive.split("/");
    const list = fields.get(field);
    if (name === "$retainKeys") retain(fields, value);
    else if (name === "$deleteFromPrimitiveList" && Array.isArray(list))
      fields.set(
        field,
        list.filter((item) => !value.includes(item)),
      );
    else if (name === "$setElementOrder" && Array.isArray(list)) fields.set(field, ordered(field, list, value));
  }
}

function retain(fields: Map<string, unknown>, names: readonly unknown[]): void {
  for (const field of [...fields.keys()]) if (!names.includes(field)) fields.delete(field);
}

/** Items named by the order first, in that order; the others after them as they were. */
function ordered(field: string, list: readonly unknown[], order: readonly unknown[]): readonly unknown[] {
  const key = mergeKeyOf(field, order);
  const place = (item: unknown): number => {
    const at = order.findIndex((named) => (key === undefined ? named === item : keyValue(named, key) === keyValue(item, key)));
    return at < 0 ? order.length : at;
  };
  return list.toSorted((left, right) => place(left) - place(right));
}
