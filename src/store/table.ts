// One kind's objects, sorted by namespace and name, copied only when someone holds the array that would change.
// In: puts and removals of the store. Out: arrays that never change once handed out.

import type { KindName } from "../api/registry.ts";
import type { Stored } from "./store.ts";

interface Key {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** Order of objects within a kind: namespace, then name, by code units. */
export function compareKeys(left: Key, right: Key): number {
  const byNamespace = compareText(left.namespace ?? "", right.namespace ?? "");
  return byNamespace === 0 ? compareText(left.name, right.name) : byNamespace;
}

function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** @typeParam K the kind; all objects of a table are of it. */
export class Table<K extends KindName> {
  readonly #byKey = new Map<string, Stored<K>>();
  #objects: Stored<K>[] = [];
  #handedOut = false;

  get(namespace: string | undefined, name: string): Stored<K> | undefined {
    return this.#byKey.get(tableKey({ namespace, name }));
  }

  /** All objects in order; the same array until the next change. */
  all(): readonly Stored<K>[] {
    this.#handedOut = true;
    return this.#objects;
  }

  /** The objects of one namespace, in order of name. */
  inNamespace(namespace: string): readonly Stored<K>[] {
    const start = this.#find({ namespace, name: "" });
    let end = start;
    while (end < this.#objects.length && this.#objects[end]?.namespace === namespace) end += 1;
    return this.#objects.slice(start, end);
  }

  put(stored: Stored<K>): void {
    const key = tableKey(stored);
    const at = this.#find(stored);
    this.#ownObjects();
    if (this.#byKey.has(key)) this.#objects[at] = stored;
    else this.#objects.splice(at, 0, stored);
    this.#byKey.set(key, stored);
  }

  remove(key: Key): void {
    if (!this.#byKey.delete(tableKey(key))) return;
    this.#ownObjects();
    this.#objects.splice(this.#find(key), 1);
  }

  #ownObjects(): void {
    if (this.#handedOut) this.#objects = this.#objects.slice();
    this.#handedOut = false;
  }

  /** Index of the first object that is not before `key`. */
  #find(key: Key): number {
    let low = 0;
    let high = this.#objects.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.#objects[middle];
      if (at !== undefined && compareKeys(at, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function tableKey({ namespace, name }: Key): string {
  return `${namespace ?? ""}/${name}`;
}
