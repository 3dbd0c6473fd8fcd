// Keeps the key sets that RequestAuthentications name: fetches each, again before it gets old, sooner after a failure; a set that can't be
// fetched again stays as it was. In: addresses. Out: public keys as text, and why some are missing.

import { type FetchAllowance, nothingAllowed } from "../api/security/fetch-allowance.ts";
import { maxKeySetBytes } from "../api/security/key-set.ts";
import type { Logger } from "../lib/log.ts";
import type { WantedKeySet } from "../model/key-sets.ts";
import { fetchKeySet, type KeySetAnswer } from "./jwks/fetch-key-set.ts";
import type { Resolve } from "./jwks/fetch-text.ts";
import { decideRefetch } from "./jwks/refetch.ts";

export interface JwksFetcherOptions {
  /** Called when a key set or a problem came, went or changed. */
  readonly onChange: () => void;
  readonly logger: Logger;
  /** What the process before this one had, by address, so that a restart refuses no token. */
  readonly initial?: ReadonlyMap<string, string>;
  readonly allowance?: FetchAllowance;
  /** False: nothing is fetched. */
  readonly egress?: boolean;
  /** Roots in place of Node's, PEM. */
  readonly roots?: readonly string[];
  /** How a host's addresses are found; the machine's resolver unless set. */
  readonly resolve?: Resolve;
  /** Of [0, 1); Math.random unless set. */
  readonly random?: () => number;
  /** Time until the next fetch in ms, see decideRefetch; tests are faster. */
  readonly refetch?: typeof decideRefetch;
}

/** At a time; others wait their turn, so that a thousand policies don't open a thousand connections. */
const concurrency = 8;
/** A rule may ask for less, not for more. */
const longestTimeoutMs = 30_000;
const longestDelayMs = 2 ** 31 - 1;

interface Entry {
  wanted: WantedKeySet;
  keySet: string | undefined;
  problem: string | undefined;
  failures: number;
  timer: NodeJS.Timeout | undefined;
  readonly stop: AbortController;
}

export class JwksFetcher {
  readonly #options: JwksFetcherOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: Entry[] = [];
  readonly #active = new Set<Entry>();
  #allowance: FetchAllowance;
  #jwks: ReadonlyMap<string, string>;
  #problems: ReadonlyMap<string, string> = new Map();
  #isClosed = false;

  constructor(options: JwksFetcherOptions) {
    this.#options = options;
    this.#allowance = options.allowance ?? nothingAllowed;
    this.#jwks = options.initial ?? new Map();
  }

  /** Public keys by address, for MeshInputs.jwks; the same object until one changed. */
  get jwks(): ReadonlyMap<string, string> {
    return this.#jwks;
  }

  /** Why the last fetch failed, by address; also of sets that are still good. The same object until one changed. */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems;
  }

  /** The key sets to keep from now on. */
  want(wanted: readonly WantedKeySet[]): void {
    const uris = new Set(wanted.map(({ uri }) => uri));
    for (const [uri, entry] of this.#entries) {
      if (uris.has(uri)) continue;
      this.#forget(entry);
      this.#entries.delete(uri);
    }
    for (const one of wanted) {
      const known = this.#entries.get(one.uri);
      if (known !== undefined) {
        known.wanted = one;
        continue;
      }
      const keySet = this.#options.initial?.get(one.uri);
      const entry: Entry = { wanted: one, keySet, problem: undefined, failures: 0, timer: undefined, stop: new AbortController() };
      this.#entries.set(one.uri, entry);
      this.#ask(entry);
    }
    this.#publish();
  }

  /** What may be fetched besides public addresses; when that is another object, sets that could not be fetched are tried again at once. */
  allow(allowance: FetchAllowance): void {
    if (this.#allowance === allowance) return;
    this.#allowance = allowance;
    for (const entry of this.#entries.values()) if (entry.problem !== undefined) this.#ask(entry);
  }

  close(): void {
    this.#isClosed = true;
    for (const entry of this.#entries.values()) this.#forget(entry);
    this.#entries.clear();
  }

  #forget(entry: Entry): void {
    clearTimeout(entry.timer);
    entry.stop.abort();
    const place = this.#queue.indexOf(entry);
    if (place >= 0) this.#queue.splice(place, 1);
  }

  #ask(entry: Entry): void {
    clearTimeout(entry.timer);
    if (this.#queue.includes(entry) || this.#active.has(entry)) return;
    this.#queue.push(entry);
    this.#work();
  }

  #work(): void {
    while (this.#active.size < concurrency) {
      const entry = this.#queue.shift();
      if (entry === undefined) return;
      this.#active.add(entry);
      void this.#fetch(entry).finally(() => {
        this.#active.delete(entry);
        this.#work();
      });
    }
  }

  async #fetch(entry: Entry): Promise<void> {
    const { uri, isDiscovery, timeout } = entry.wanted;
    const answer = await this.#answer(uri, isDiscovery, {
      allowance: this.#allowance,
      timeoutMs: Math.min(Math.max(timeout, 1), longestTimeoutMs),
      maxBytes: maxKeySetBytes,
      signal: entry.stop.signal,
    });
    if (this.#isClosed || this.#entries.get(uri) !== entry) return;
    this.#note(entry, answer);
    const { random = Math.random, refetch = decideRefetch } = this.#options;
    entry.timer = setTimeout(() => this.#ask(entry), Math.min(refetch(entry.failures, random()), longestDelayMs)).unref();
    this.#publish();
  }

  async #answer(uri: string, isDiscovery: boolean, fetch: Parameters<typeof fetchKeySet>[2]): Promise<KeySetAnswer> {
    const { egress = true, roots, resolve } = this.#options;
    if (!egress) return { problem: "the mesh runs without access to the outside" };
    try {
      return await fetchKeySet(uri, isDiscovery, {
        ...fetch,
        ...(roots === undefined ? {} : { roots }),
        ...(resolve === undefined ? {} : { resolve }),
      });
    } catch (error) {
      // Nothing here should throw; if it does, the key set is tried again like any other.
      this.#options.logger.error("fetching a key set failed", { uri, error: error instanceof Error ? error.stack : String(error) });
      return { problem: "it can't be reached" };
    }
  }

  #note(entry: Entry, answer: KeySetAnswer): void {
    const { uri } = entry.wanted;
    if ("keySet" in answer) {
      entry.keySet = answer.keySet;
      entry.problem = undefined;
      entry.failures = 0;
      return;
    }
    if (entry.problem !== answer.problem) this.#options.logger.warn("a key set can't be fetched", { uri, problem: answer.problem });
    entry.problem = answer.problem;
    entry.failures += 1;
  }

  #publish(): void {
    const before = [this.#jwks, this.#problems] as const;
    this.#jwks = sameOr(before[0], this.#collect("keySet"));
    this.#problems = sameOr(before[1], this.#collect("problem"));
    if (before[0] !== this.#jwks || before[1] !== this.#problems) this.#options.onChange();
  }

  #collect(field: "keySet" | "problem"): ReadonlyMap<string, string> {
    const collected = new Map<string, string>();
    for (const [uri, { [field]: value }] of this.#entries) if (value !== undefined) collected.set(uri, value);
    return collected;
  }
}

function sameOr(before: ReadonlyMap<string, string>, next: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const isSame = before.size === next.size && [...next].every(([key, value]) => before.get(key) === value);
  return isSame ? before : next;
}
