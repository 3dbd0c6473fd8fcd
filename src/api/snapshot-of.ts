// A Snapshot of given resources without a store: for checking files offline, and for tests.

import type { AnyResource, KindName, ResourceOf } from "./registry.ts";
import type { Snapshot } from "./snapshot.ts";

type Lists = { [K in KindName]?: readonly ResourceOf<K>[] };

/** Sorts and groups the resources; of two with one name the first counts. */
export function snapshotOf(resources: readonly AnyResource[], revision = 0): Snapshot {
  const unique = new Map<string, AnyResource>();
  for (const resource of resources) {
    const key = keyOf(resource);
    if (!unique.has(key)) unique.set(key, resource);
  }
  const sorted = [...unique].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource);
  const lists: Lists = {};
  for (const [kind, list] of Map.groupBy(sorted, (resource) => resource.kind)) Object.assign(lists, { [kind]: list });
  return {
    revision,
    list<K extends KindName>(kind: K, namespace?: string): readonly ResourceOf<K>[] {
      const all: readonly ResourceOf<K>[] = lists[kind] ?? [];
      return namespace === undefined ? all : all.filter(({ metadata }) => (metadata.namespace ?? "") === namespace);
    },
    get<K extends KindName>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined {
      return this.list(kind, namespace).find(({ metadata }) => metadata.name === name);
    },
  };
}

/** Namespace before name; a character below every other keeps shorter namespaces first. */
function keyOf({ kind, metadata }: AnyResource): string {
  return [kind, metadata.namespace ?? "", metadata.name].join("\u0000");
}
