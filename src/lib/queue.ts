// A bounded queue that counts what it drops, for producers that must never wait.

export class BoundedQueue<T> {
  readonly #capacity: number;
  #items: T[] = [];
  #dropped = 0;

  /** @param capacity the largest number of items held; further ones push out the oldest. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** How many items were pushed out unread so far. */
  get dropped(): number {
    return this.#dropped;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.length <= this.#capacity) return;
    this.#items.shift();
    this.#dropped += 1;
  }

  /** Takes everything out, oldest first. */
  drain(): readonly T[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }
}
