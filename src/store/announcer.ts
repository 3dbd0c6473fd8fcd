// Tells listeners about changes: synchronously, in order, never nested, even when a listener writes to the store itself.

import type { StoreEvent, StoreListener } from "./store.ts";

export class Announcer {
  readonly #listeners = new Set<StoreListener>();
  readonly #onError: (error: unknown) => void;
  #waiting: StoreEvent[] = [];
  #announcing = false;

  /** @param onError told what a listener threw; other listeners still hear the event. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  subscribe(listener: StoreListener): () => void {
    // A wrapper of its own, so that the same function may subscribe twice.
    const own: StoreListener = (event) => listener(event);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  announce(event: StoreEvent): void {
    this.#waiting.push(event);
    if (this.#announcing) return;
    this.#announcing = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#tell(next);
    } finally {
      this.#announcing = false;
    }
  }

  #tell(event: StoreEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
