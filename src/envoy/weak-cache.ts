// A memo table whose values live only as long as somebody else holds them.

export class WeakCache<T extends object> {
  readonly #entries = new Map<string, WeakRef<T>>();
  readonly #collected = new FinalizationRegistry<string>((key) => {
    if (this.#entries.get(key)?.deref() === undefined) this.#entries.delete(key);
  });

  /** How many entries are held; for tests and metrics. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value under `key`, made when nobody holds it any more. */
  get(key: string, make: () => T): T {
    const known = this.#entries.get(key)?.deref();
    if (known !== undefined) return known;
    const made = make();
    this.#entries.set(key, new WeakRef(made));
    this.#collected.register(made, key);
    return made;
  }
}
