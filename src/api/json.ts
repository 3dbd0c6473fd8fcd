// Plain JSON as the store keeps it and kubectl sees it, and the guard every foreign object passes before a schema sees it.

import type { FieldPath } from "../lib/field-path.ts";
import type { Finding } from "./finding.ts";

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Levels of objects and lists in one resource; the deepest real kinds (affinity rules, filter patches) need about 25. */
export const maxDepth = 100;

/** Values in one resource, keys not counted. */
export const maxValues = 200_000;

/** Names that could reach a prototype if some code ever assigned them. */
const forbiddenKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** Narrows to a JSON object: neither list nor null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export interface GuardedJson {
  /** A copy without null fields (Kubernetes treats them as unset); undefined when something was refused. */
  readonly value: JsonValue | undefined;
  readonly findings: readonly Finding[];
}

interface Walk {
  readonly findings: Finding[];
  values: number;
}

/** Copies a foreign value as JSON; refuses excessive depth and size, dangerous keys, and numbers that can't be kept exactly. */
export function guardJson(input: unknown): GuardedJson {
  const walk: Walk = { findings: [], values: 0 };
  const value = copyOf(input, [], walk);
  return { value: walk.findings.length === 0 ? value : undefined, findings: walk.findings };
}

function copyOf(input: unknown, path: FieldPath, walk: Walk): JsonValue {
  walk.values += 1;
  if (walk.findings.length > 0 && (path.length > maxDepth || walk.values > maxValues)) return null;
  if (path.length > maxDepth)
    return refuse(walk, { code: "LTN0003", path: path.slice(0, 3), message: `more than ${maxDepth} levels are nested` });
  if (walk.values > maxValues) return refuse(walk, { code: "LTN0003", path: [], message: `more than ${maxValues} values in one object` });
  if (typeof input === "string") return input.isWellFormed() ? input : refuse(walk, halfCharacter(path));
  if (typeof input === "boolean" || input === null) return input;
  if (typeof input === "number") return numberOf(input, path, walk);
  if (Array.isArray(input)) return input.map((item, index) => copyOf(item, [...path, index], walk));
  if (typeof input === "object") return objectOf(Object.entries(input), path, walk);
  return refuse(walk, { code: "LTN0103", path, message: `a ${typeof input} is not JSON` });
}

function objectOf(entries: readonly (readonly [string, unknown])[], path: FieldPath, walk: Walk): JsonObject {
  for (const [key] of entries.filter(([name]) => forbiddenKeys.has(name))) {
    refuse(walk, { code: "LTN0005", path, message: `the key "${key}" is not allowed` });
  }
  for (const [key] of entries.filter(([name]) => !name.isWellFormed())) refuse(walk, halfCharacter([...path, key.toWellFormed()]));
  const kept = entries.filter(([key, value]) => value !== null && value !== undefined && !forbiddenKeys.has(key));
  return Object.fromEntries(kept.map(([key, value]) => [key, copyOf(value, [...path, key], walk)]));
}

/** Half of a surrogate pair has no UTF-8, so no protobuf string can carry it. */
function halfCharacter(path: FieldPath): Finding {
  return { code: "LTN0103", path, message: "the text contains half a character (a lone surrogate)", fix: "Write the whole character." };
}

function numberOf(input: number, path: FieldPath, walk: Walk): JsonValue {
  if (!Number.isFinite(input))
    return refuse(walk, { code: "LTN0103", path, message: `${input} is not a JSON number`, fix: "Write a finite number." });
  if (Number.isInteger(input) && !Number.isSafeInteger(input)) {
    return refuse(walk, { code: "LTN0010", path, message: `the integer ${input} can't be stored exactly` });
  }
  return input;
}

function refuse(walk: Walk, finding: Finding): null {
  if (walk.findings.length < 100) walk.findings.push(finding);
  return null;
}

/** Freezes a value and everything in it, so that nobody can change what others hold by reference. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const child of Object.values(value)) deepFreeze(child);
  return value;
}
