// One table per kind, made when first asked for, and the look-ups across kinds beside them.

import type { KindName } from "../api/registry.ts";
import { ObjectIndex } from "./object-index.ts";
import type { Stored } from "./store.ts";
import { Table } from "./table.ts";

/** An object's new version and the one before. */
export interface Change {
  readonly stored: Stored;
  readonly previous: Stored | undefined;
}

type TableByKind = { [K in KindName]?: Table<K> };

export class Tables {
  readonly index = new ObjectIndex();
  readonly #byKind: TableByKind = {};

  of<K extends KindName>(kind: K): Table<K> {
    const known: Table<K> | undefined = this.#byKind[kind];
    if (known !== undefined) return known;
    const table = new Table<K>();
    Object.assign(this.#byKind, { [kind]: table });
    return table;
  }

  /** Tables that exist, by kind. */
  kinds(): readonly KindName[] {
    return Object.values(this.#byKind).flatMap((table) =>
      table
        .all()
        .slice(0, 1)
        .map((stored) => stored.kind),
    );
  }

  apply({ stored, previous }: Change): void {
    this.of(stored.kind).put(stored);
    this.index.put(stored, previous);
  }

  remove(stored: Stored): void {
    this.of(stored.kind).remove(stored);
    this.index.remove(stored);
  }
}
