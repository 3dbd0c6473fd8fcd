// The name table that nodes follow: made of each mesh, versioned by its content, and waited for by who has an older one.

import type { Pod } from "../api/kubernetes/pod.ts";
import { contentHash } from "../lib/hash.ts";
import { memoLast } from "../model/memo.ts";
import type { Mesh } from "../model/mesh.ts";
import { type NameTable, nameTableOf } from "../model/name-table.ts";

export interface VersionedNames {
  /** Content hash of the table; "" before the first mesh. */
  readonly version: string;
  readonly table: NameTable;
}

export class PublishedNames {
  readonly #namesOf = memoLast(versionedNames);
  readonly #waiters = new Set<() => void>();
  #names: VersionedNames = { version: "", table: { hosts: [], vips: [], gatewayPorts: [] } };

  get current(): VersionedNames {
    return this.#names;
  }

  /** Takes a mesh and its pods; wakes those who wait when names changed. */
  update({ services, endpoints, proxies }: Mesh, pods: readonly Pod[]): void {
    const names = this.#namesOf(services, endpoints, proxies, pods);
    if (names.version === this.#names.version) return;
    this.#names = names;
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  /** Resolves when the table has another version than `after`, or the signal aborts. */
  async changed(after: string, signal: AbortSignal): Promise<void> {
    while (this.#names.version === after && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiters.add(resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
  }
}

function versionedNames(
  services: Mesh["services"],
  endpoints: Mesh["endpoints"],
  proxies: Mesh["proxies"],
  pods: readonly Pod[],
): VersionedNames {
  const table = nameTableOf({ services, endpoints, proxies }, pods);
  return { version: contentHash(JSON.stringify(table)), table };
}
