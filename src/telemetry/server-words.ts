// What servers' proxies say of connections to their applications, until the callers of these connections are told. In: words, each of the pod that sent it.
// Out: the word about a pair of addresses. Bounded per server and in all; what had to go is counted.

/**
 * "failed": the application couldn't be reached. "left": the caller left before it was. "pending": it isn't yet. A server that was reached needs no word:
 * callers without one take it so, since not all servers have a proxy.
 */
export type ServerWord = "failed" | "left" | "pending";

interface Said {
  readonly word: ServerWord;
  readonly atMs: number;
}

export interface ServerWordsOptions {
  /** Of one server. */
  readonly maxOfServer: number;
  readonly maxInAll: number;
}

/** The words, by the server's address, then by the pair. */
export class ServerWords {
  readonly #options: ServerWordsOptions;
  readonly #byServer = new Map<string, Map<string, Said>>();
  #size = 0;
  #forgotten = 0;

  constructor(options: ServerWordsOptions) {
    this.#options = options;
  }

  /** Words that went for want of room. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** `server` is the address of the pod whose proxy says so, and the pair's second. */
  say(server: string, wire: string, said: Said): void {
    this.take(wire, server);
    const words = this.#byServer.get(server) ?? new Map<string, Said>();
    this.#byServer.set(server, words.set(wire, said));
    this.#size += 1;
    if (words.size > this.#options.maxOfServer) this.#forgetOldest(words);
    else if (this.#size > this.#options.maxInAll) this.#forgetOldest(this.#most());
  }

  wordOf(wire: string, server: string): ServerWord | undefined {
    return this.#byServer.get(server)?.get(wire)?.word;
  }

  /** It was heard, or is no longer so. */
  take(wire: string, server: string): void {
    const words = this.#byServer.get(server);
    if (words?.delete(wire) !== true) return;
    this.#size -= 1;
    if (words.size === 0) this.#byServer.delete(server);
  }

  /** Forgets what was said before a moment: nobody has asked for it. */
  expire(beforeMs: number): void {
    for (const [server, words] of this.#byServer) {
      for (const [wire, { atMs }] of words) {
        // The oldest come first.
        if (atMs >= beforeMs) break;
        this.take(wire, server);
      }
    }
  }

  #forgetOldest(words: Map<string, Said>): void {
    const [oldest] = words.keys();
    if (oldest === undefined) return;
    words.delete(oldest);
    this.#size -= 1;
    this.#forgotten += 1;
  }

  /** Of the server that has most: one that says endlessly much costs the others nothing. */
  #most(): Map<string, Said> {
    return [...this.#byServer.values()].reduce((most, words) => (words.size > most.size ? words : most), new Map<string, Said>());
  }
}
