// The last changes, bounded: what a watcher that was away for a moment has missed.

import type { StoreEvent } from "./store.ts";

export class History {
  readonly #capacity: number;
  /** Ring of events; events[i] has revision `first + i`. */
  #events: StoreEvent[] = [];
  #revision: number;

  /** @param revision the store's revision before the first event. */
  constructor(capacity: number, revision: number) {
    this.#capacity = capacity;
    this.#revision = revision;
  }

  push(event: StoreEvent): void {
    this.#events.push(event);
    this.#revision = event.revision;
    // Cut in halves, so that the cost per event stays constant.
    if (this.#events.length >= this.#capacity * 2) this.#events = this.#events.slice(-this.#capacity);
  }

  /** Events after `revision`, oldest first; "gone" when some of them are no longer held or the revision is not ours. */
  since(revision: number): readonly StoreEvent[] | "gone" {
    const missing = this.#revision - revision;
    if (missing < 0 || missing > this.#events.length) return "gone";
    return missing === 0 ? [] : this.#events.slice(-missing);
  }
}
