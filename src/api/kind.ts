// One declaration per kind: from its schema follow the type, the parser with field paths, the CRD, the reference page and form help.

import type { z } from "zod";
import type { Diagnostic } from "./diagnostic.ts";

/** A kubectl column: its heading and how to read it. */
export interface PrinterColumn {
  readonly name: string;
  /** Dotted path from the object's root, for example "spec.hosts". */
  readonly path: string;
}

export interface KindDefinition<Kind extends string = string, Schema extends z.ZodType = z.ZodType> {
  /** API group, "" for Kubernetes' core. */
  readonly group: string;
  /** Accepted versions, the one we store first. */
  readonly versions: readonly [string, ...string[]];
  readonly kind: Kind;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  /** Strict schema of the whole resource; its output (durations parsed, defaults filled in) is what the pure core works on. */
  readonly schema: Schema;
  /** Checks of one resource beyond its structure: Istio's CEL rules and semantic checks. Paths are relative to the resource. */
  readonly check: (resource: z.output<Schema>) => readonly Diagnostic[];
  readonly columns: readonly PrinterColumn[];
  /** Fields that are accepted but not acted on yet, as dotted paths with [] for lists: each use yields a warning and a line on the compatibility page. */
  readonly notYet: readonly string[];
}

/** Declares a kind; exists so that TypeScript infers its literal types. */
export function defineKind<const Kind extends string, Schema extends z.ZodType>(
  definition: KindDefinition<Kind, Schema>,
): KindDefinition<Kind, Schema> {
  return definition;
}
