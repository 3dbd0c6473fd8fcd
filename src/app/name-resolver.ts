// Addresses of the names that ServiceEntries need: pods that stand in for external hosts first, then the host's resolver, asked again
// before the answers get old. A name that can't be resolved for a while keeps its last addresses.

import { Resolver } from "node:dns/promises";
import type { Logger } from "../lib/log.ts";
import type { ResolvedNames } from "../model/endpoints.ts";

export interface NameResolverOptions {
  /** Called when an address came, went or changed. */
  readonly onChange: () => void;
  readonly logger: Logger;
  /** What the process before this one knew, so that a restart takes no address away. */
  readonly initial: ResolvedNames;
  /** False: names outside the mesh have no addresses. */
  readonly egress: boolean;
}

/** Names that can't be resolved are asked again after this long. */
const retryMs = 5000;
const shortestTtlMs = 5000;
const longestTtlMs = 60_000;
const queryTimeoutMs = 2000;

interface Entry {
  addresses: readonly string[];
  timer: NodeJS.Timeout | undefined;
}

export class NameResolver {
  readonly #options: NameResolverOptions;
  readonly #resolver = new Resolver({ timeout: queryTimeoutMs, tries: 1 });
  readonly #entries = new Map<string, Entry>();
  #local: ReadonlyMap<string, readonly string[]> = new Map();
  #resolved: ResolvedNames = new Map();

  constructor(options: NameResolverOptions) {
    this.#options = options;
    this.#resolved = options.initial;
  }

  /** The same object until an address changes. */
  get resolved(): ResolvedNames {
    return this.#resolved;
  }

  /** Names to keep resolved from now on, and those that the mesh itself answers. */
  want(names: readonly string[], local: ReadonlyMap<string, readonly string[]>): void {
    this.#local = local;
    const wanted = new Set(names);
    for (const [name, entry] of this.#entries) {
      if (wanted.has(name)) continue;
      clearTimeout(entry.timer);
      this.#entries.delete(name);
    }
    for (const name of names) {
      if (this.#entries.has(name)) continue;
      this.#entries.set(name, { addresses: this.#options.initial.get(name) ?? [], timer: undefined });
      if (!local.has(name)) void this.#ask(name);
    }
    this.#publish();
  }

  close(): void {
    for (const entry of this.#entries.values()) clearTimeout(entry.timer);
    this.#entries.clear();
  }

  async #ask(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    let againMs = retryMs;
    if (this.#options.egress && !this.#local.has(name)) {
      try {
        const records = await this.#resolver.resolve4(name, { ttl: true });
        entry.addresses = records.map(({ address }) => address).toSorted();
        const ttlMs = Math.min(...records.map(({ ttl }) => ttl * 1000));
        againMs = Math.min(longestTtlMs, Math.max(shortestTtlMs, ttlMs));
      } catch (error) {
        this.#options.logger.debug("name not resolved", { name, error: String(error) });
      }
    }
    if (this.#entries.get(name) !== entry) return;
    entry.timer = setTimeout(() => void this.#ask(name), againMs);
    entry.timer.unref();
    this.#publish();
  }

  #publish(): void {
    const next = new Map<string, readonly string[]>();
    for (const [name, { addresses }] of this.#entries) {
      const known = this.#local.get(name) ?? addresses;
      if (known.length > 0) next.set(name, known);
    }
    if (JSON.stringify([...next]) === JSON.stringify([...this.#resolved])) return;
    this.#resolved = next;
    this.#options.onChange();
  }
}
