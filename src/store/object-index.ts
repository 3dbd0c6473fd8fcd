// Look-ups across kinds: by uid, and by owner's uid; kept up to date with each change.

import type { Stored } from "./store.ts";

export class ObjectIndex {
  readonly #byUid = new Map<string, Stored>();
  readonly #byOwner = new Map<string, Map<string, Stored>>();

  byUid(uid: string): Stored | undefined {
    return this.#byUid.get(uid);
  }

  /** Objects owned by `uid`, in order of creation. */
  dependentsOf(uid: string): readonly Stored[] {
    return [...(this.#byOwner.get(uid)?.values() ?? [])];
  }

  put(stored: Stored, previous: Stored | undefined): void {
    const owners = ownerUids(stored);
    if (previous !== undefined) {
      for (const uid of ownerUids(previous)) if (!owners.has(uid)) this.#unlink(uid, stored.uid);
    }
    this.#byUid.set(stored.uid, stored);
    for (const uid of owners) {
      const dependents = this.#byOwner.get(uid) ?? new Map<string, Stored>();
      dependents.set(stored.uid, stored);
      this.#byOwner.set(uid, dependents);
    }
  }

  remove(stored: Stored): void {
    this.#byUid.delete(stored.uid);
    for (const uid of ownerUids(stored)) this.#unlink(uid, stored.uid);
  }

  #unlink(owner: string, dependent: string): void {
    const dependents = this.#byOwner.get(owner);
    dependents?.delete(dependent);
    if (dependents?.size === 0) this.#byOwner.delete(owner);
  }
}

function ownerUids(stored: Stored): Set<string> {
  return new Set((stored.raw.metadata.ownerReferences ?? []).map((reference) => reference.uid));
}
