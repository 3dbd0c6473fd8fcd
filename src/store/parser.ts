// How the store learns what a raw object means: parser and kind table are given, so tests and older stores can use others.

import type { Diagnostic } from "../api/diagnostic.ts";
import type { KindName, ResourceOf } from "../api/registry.ts";
import type { RawResource } from "./store.ts";

/** What parsing gives: the value when no diagnostic is an error. */
export interface Parsed {
  readonly value: ResourceOf<KindName> | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export interface Parser {
  /** The kind of an object, whether it lives in a namespace, and the apiVersion it is stored under; undefined for kinds we don't know. */
  readonly kindOf: (raw: RawResource) => { readonly kind: KindName; readonly namespaced: boolean; readonly apiVersion: string } | undefined;
  readonly parse: (raw: RawResource) => Parsed;
}
