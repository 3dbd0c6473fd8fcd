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

export interface SchemaField {
  /** Lists as [] and map keys as *: "spec.http[].match[].headers.*.exact". */
  readonly path: string;
  /** True when its inside is accepted unread. */
  readonly opaque: boolean;
}

/** Every field path of a schema, sorted. */
export function fieldPaths(schema: z.ZodType): readonly string[] {
  return schemaFields(schema).map(({ path }) => path);
}

/** Every field of a schema, sorted by path. */
export function schemaFields(schema: z.ZodType): readonly SchemaField[] {
  return fieldsBelow(schema, "").toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function fieldsBelow(schema: unknown, at: string): readonly SchemaField[] {
  const plain = unwrap(schema);
  if (plain instanceof z.ZodArray) return fieldsBelow(plain.def.element, `${at}[]`);
  if (plain instanceof z.ZodRecord) return fieldsBelow(plain.def.valueType, `${at}.*`);
  const here = at === "" ? [] : [{ path: at, opaque: plain instanceof z.ZodUnknown }];
  if (!(plain instanceof z.ZodObject)) return here;
  return [...here, ...Object.entries(plain.shape).flatMap(([name, child]) => fieldsBelow(child, at === "" ? name : `${at}.${name}`))];
}
