// Incremental computation without change tracking: remembered results whose key is every argument, compared by identity.
// Frozen API objects and stable collections make "same object" mean "unchanged"; house-style rule 11.

/** Remembers the last result of a function; recomputes when any argument is another object than last time. */
export function memoLast<Args extends readonly unknown[], Result>(compute: (...args: Args) => Result): (...args: Args) => Result {
  let last: { readonly args: Args; readonly result: Result } | undefined;
  return (...args) => {
    if (last === undefined || !sameItems(last.args, args)) last = { args, result: compute(...args) };
    return last.result;
  };
}

/** Remembers a function of one object for as long as that object lives. */
export function memoObject<Key extends object, Result>(compute: (key: Key) => Result): (key: Key) => Result {
  const results = new WeakMap<Key, { readonly result: Result }>();
  return (key) => {
    const known = results.get(key);
    if (known !== undefined) return known.result;
    const result = compute(key);
    results.set(key, { result });
    return result;
  };
}

/**
 * Results by name, each remembered together with everything it was computed from.
 *
 * `generation()` starts a round; names not asked for in the whole last round are forgotten, so the memory is bounded by what is in use.
 */
export class KeyedMemo<Result> {
  #current = new Map<string, { readonly inputs: readonly unknown[]; readonly result: Result }>();
  #previous: Map<string, { readonly inputs: readonly unknown[]; readonly result: Result }> = new Map();

  /** Starts a round. */
  generation(): void {
    this.#previous = this.#current;
    this.#current = new Map();
  }

  /** The result for `name`: remembered when `inputs` are the same objects as then, else computed. `compute` must depend on them alone. */
  get(name: string, inputs: readonly unknown[], compute: () => Result): Result {
    const known = this.#current.get(name) ?? this.#previous.get(name);
    const entry = known !== undefined && sameItems(known.inputs, inputs) ? known : { inputs, result: compute() };
    this.#current.set(name, entry);
    return entry.result;
  }
}

/** Whether two lists hold the same objects in the same order. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) {
    if (!Object.is(a[index], b[index])) return false;
  }
  return true;
}

/** Whether two maps hold the same objects under the same keys; order does not count. */
export function sameEntries<Key, Value>(a: ReadonlyMap<Key, Value>, b: ReadonlyMap<Key, Value>): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [key, value] of a) {
    if (!Object.is(b.get(key), value) || !b.has(key)) return false;
  }
  return true;
}

/** Returns the previous list as long as the next one equals it item by item. */
export function stableList<Item>(): (next: readonly Item[]) => readonly Item[] {
  let last: readonly Item[] = [];
  return (next) => {
    if (!sameItems(last, next)) last = next;
    return last;
  };
}

/** Returns the previous map as long as the next one equals it entry by entry. */
export function stableMap<Key, Value>(): (next: ReadonlyMap<Key, Value>) => ReadonlyMap<Key, Value> {
  let last: ReadonlyMap<Key, Value> = new Map();
  return (next) => {
    if (!sameEntries(last, next)) last = next;
    return last;
  };
}
