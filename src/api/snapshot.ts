// The immutable state of all resources at one moment: the store makes it, the pure core reads it.

import type { KindName, ResourceOf } from "./registry.ts";

export interface Snapshot {
  /** Grows with every change; equal revisions have equal content. */
  readonly revision: number;
  /** All of a kind (of one namespace), sorted by namespace and name; the same array and objects as long as nothing of it changed. */
  list<K extends KindName>(kind: K, namespace?: string): readonly ResourceOf<K>[];
  /** One object; the namespace of a cluster-scoped kind is "". */
  get<K extends KindName>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined;
}
