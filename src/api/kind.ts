// One declaration per kind: from its schema follow the type, the parser with field paths, the CRD, the reference page and form help.

import type { z } from "zod";
import type { Finding } from "./finding.ts";
import { findingsOf } from "./issue.ts";
import { checkMetadata, type NameRule } from "./names.ts";
import type { Resource } from "./resource.ts";

type ResourceSchema = z.ZodType<Resource>;

/** A kubectl column: its heading and how to read it. */
export interface PrinterColumn {
  readonly name: string;
  /** Dotted path from the object's root, for example "spec.hosts". */
  readonly path: string;
}

export interface KindDeclaration<Kind extends string = string, Schema extends ResourceSchema = ResourceSchema> {
  /** API group, "" for Kubernetes' core. */
  readonly group: string;
  /** Accepted versions, the one we store first. */
  readonly versions: readonly [string, ...string[]];
  readonly kind: Kind;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** How objects may be called; a DNS subdomain when unset. */
  readonly nameRule?: NameRule;
  /** Strict schema of the whole resource; its output (durations parsed, defaults filled in) is what the pure core works on. */
  readonly schema: Schema;
  /** Checks of one resource beyond its structure: Istio's CEL rules and semantic checks. Paths are relative to the resource. */
  readonly check: (resource: z.output<Schema>) => readonly Finding[];
  readonly columns: readonly PrinterColumn[];
  /**
   * Fields that are accepted but not acted on yet, as dotted paths with [] for lists and * for map keys: each use yields a warning and a
   * line on the compatibility page. "path=VALUE" names one value only, "path!=VALUE" every other value.
   */
  readonly notYet: readonly string[];
}

/** What became of one raw object: its value, if the structure holds, and everything that is wrong with it. */
export interface KindReading<Value> {
  readonly value: Value | undefined;
  readonly findings: readonly Finding[];
}

export interface KindDefinition<Kind extends string = string, Schema extends ResourceSchema = ResourceSchema>
  extends KindDeclaration<Kind, Schema> {
  /** Reads a plain object as this kind: structure first; only what is well-formed is checked further. */
  readonly read: (raw: unknown) => KindReading<z.output<Schema>>;
}

/** Declares a kind; exists so that TypeScript infers its literal types and ties schema and checks together. */
export function defineKind<const Kind extends string, Schema extends ResourceSchema>(
  declaration: KindDeclaration<Kind, Schema>,
): KindDefinition<Kind, Schema> {
  const { schema, check } = declaration;
  const read = (raw: unknown): KindReading<z.output<Schema>> => {
    const result = schema.safeParse(raw);
    if (!result.success) return { value: undefined, findings: findingsOf(result.error, { schema, raw }) };
    return {
      value: result.data,
      findings: [...checkMetadata(result.data.metadata, declaration.nameRule ?? "subdomain"), ...check(result.data)],
    };
  };
  return { ...declaration, read };
}
