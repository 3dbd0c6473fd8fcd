// Looks into a schema: which fields stand at a path. For suggestions in messages, the compatibility page and tests.

import { z } from "zod";
import type { FieldPath } from "../lib/field-path.ts";

/** The schema behind defaults and optionals, transformations kept. */
export function schemaAt(schema: z.ZodType, path: FieldPath): unknown {
  return peel(path.reduce<unknown>(childOf, schema));
}

function peel(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable)
    return peel(schema.def.innerType);
  return schema;
}

/** The schema of the plain input behind defaults, optionals and transformations. */
function unwrap(schema: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable)
    return unwrap(schema.def.innerType);
  if (schema instanceof z.ZodPipe) return unwrap(schema.def.in);
  return schema;
}

function childOf(schema: unknown, step: string | number): unknown {
  const plain = unwrap(schema);
  if (plain instanceof z.ZodObject) return Object.hasOwn(plain.shape, step) ? plain.shape[step] : undefined;
  if (plain instanceof z.ZodArray) return plain.def.element;
  if (plain instanceof z.ZodRecord) return plain.def.valueType;
  return undefined;
}

/** Names of the fields of the object at `path`; empty where there is no object. */
export function fieldNamesAt(schema: z.ZodType, path: FieldPath): readonly string[] {
  const plain = unwrap(path.reduce<unknown>(childOf, schema));
  return plain instanceof z.ZodObject ? Object.keys(plain.shape) : [];
}

/** Every field path of a schema, sorted, lists as [] and map keys as *: "spec.http[].match[].headers.*.exact". */
export function fieldPaths(schema: z.ZodType): readonly string[] {
  return pathsBelow(schema, "").toSorted();
}

function pathsBelow(schema: unknown, at: string): readonly string[] {
  const plain = unwrap(schema);
  if (plain instanceof z.ZodArray) return pathsBelow(plain.def.element, `${at}[]`);
  if (plain instanceof z.ZodRecord) return pathsBelow(plain.def.valueType, `${at}.*`);
  if (!(plain instanceof z.ZodObject)) return at === "" ? [] : [at];
  const below = Object.entries(plain.shape).flatMap(([name, child]) => pathsBelow(child, at === "" ? name : `${at}.${name}`));
  return at === "" ? below : [at, ...below];
}
