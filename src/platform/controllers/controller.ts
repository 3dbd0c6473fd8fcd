// What a controller is: which keys a change concerns, and what to do about one key. The runner does the rest.

import type { StoreEvent } from "../../store/store.ts";

export interface Controller {
  readonly name: string;
  /** Keys whose state must be looked at because of a change; [] for none. */
  readonly keysOf: (event: StoreEvent) => readonly string[];
  /** Keys to look at on start. */
  readonly keysAtStart: () => readonly string[];
  /** Makes the world of one key what it should be; synchronous. Returns milliseconds after which to look again, or undefined. Throws to be retried. */
  readonly reconcile: (key: string) => number | undefined;
}

/** "<namespace>/<name>" of a namespaced object. */
export function keyOf(object: { readonly namespace: string | undefined; readonly name: string }): string {
  return `${object.namespace ?? ""}/${object.name}`;
}

/** The parts of such a key. */
export function partsOf(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
