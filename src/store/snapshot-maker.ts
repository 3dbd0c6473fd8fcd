// Tables to Snapshots: a kind that has not changed keeps its view, so snapshots cost only what changed and old ones stay valid.

import type { KindName, ResourceOf } from "../api/registry.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { Stored } from "./store.ts";
import { compareKeys } from "./table.ts";
import type { Tables } from "./tables.ts";

export class SnapshotMaker {
  #views: ViewByKind = {};
  #last: Snapshot | undefined;

  /** The snapshot of these tables; the same object as before when the revision is the same. */
  make(revision: number, tables: Tables): Snapshot {
    if (this.#last?.revision === revision) return this.#last;
    const views: ViewByKind = {};
    for (const kind of tables.kinds()) Object.assign(views, { [kind]: this.#viewOf(kind, tables) });
    this.#views = views;
    this.#last = snapshotOf(revision, views);
    return this.#last;
  }

  #viewOf<K extends KindName>(kind: K, tables: Tables): KindView<K> {
    const before: KindView<K> | undefined = this.#views[kind];
    const objects = tables.of(kind).all();
    return before?.objects === objects ? before : new KindView(objects, before);
  }
}

type ViewByKind = { [K in KindName]?: KindView<K> };

const nothing: readonly never[] = Object.freeze([]);

function snapshotOf(revision: number, views: ViewByKind): Snapshot {
  return Object.freeze({
    revision,
    list<K extends KindName>(kind: K, namespace?: string): readonly ResourceOf<K>[] {
      const view: KindView<K> | undefined = views[kind];
      if (view === undefined) return nothing;
      return namespace === undefined ? view.values : view.inNamespace(namespace);
    },
    get<K extends KindName>(kind: K, namespace: string, name: string): ResourceOf<K> | undefined {
      const view: KindView<K> | undefined = views[kind];
      return view?.get(namespace, name);
    },
  });
}

/** All objects of one kind at one moment. */
class KindView<K extends KindName> {
  readonly objects: readonly Stored<K>[];
  readonly values: readonly ResourceOf<K>[];
  readonly #byNamespace = new Map<string, readonly ResourceOf<K>[]>();

  constructor(objects: readonly Stored<K>[], before: KindView<K> | undefined) {
    this.objects = objects;
    this.values = Object.freeze(objects.map((stored) => stored.value));
    for (const [namespace, values] of before?.namespacesRead() ?? []) {
      const now = this.#sliceOf(namespace);
      const same = now.length === values.length && now.every((value, index) => value === values[index]);
      this.#byNamespace.set(namespace, same ? values : now);
    }
  }

  namespacesRead(): Iterable<readonly [string, readonly ResourceOf<K>[]]> {
    return this.#byNamespace;
  }

  inNamespace(namespace: string): readonly ResourceOf<K>[] {
    const known = this.#byNamespace.get(namespace);
    if (known !== undefined) return known;
    const values = this.#sliceOf(namespace);
    this.#byNamespace.set(namespace, values);
    return values;
  }

  get(namespace: string, name: string): ResourceOf<K> | undefined {
    const found = this.objects[this.#find(namespace, name)];
    return found !== undefined && (found.namespace ?? "") === namespace && found.name === name ? found.value : undefined;
  }

  #sliceOf(namespace: string): readonly ResourceOf<K>[] {
    let end = this.#find(namespace, "");
    const start = end;
    while (end < this.objects.length && (this.objects[end]?.namespace ?? "") === namespace) end += 1;
    return Object.freeze(this.values.slice(start, end));
  }

  /** Index of the first object that is not before (namespace, name). */
  #find(namespace: string, name: string): number {
    let low = 0;
    let high = this.objects.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.objects[middle];
      if (at !== undefined && compareKeys(at, { namespace, name }) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
