// Bounds what is encoded and not yet taken by the transport, over all proxies: a hundred that connect at once would otherwise have
// their megabytes in memory together. Small responses (weights, endpoints) never wait.

/** Up to this size a response passes at once. */
const smallBytes = 64 * 1024;
/** Sum of the larger ones under way: enough for the sockets to be always busy. */
const budgetBytes = 4 * 1024 * 1024;
/** How long one may count when its proxy does not read: then it delays nobody any more. */
const patienceMs = 250;

/** One write: `start` is called when there is room, and calls `release` when the transport has taken it. */
export interface GatedWrite {
  /** Writes to the same stream keep their order. */
  readonly stream: object;
  readonly sizeBytes: number;
  readonly start: (release: () => void) => void;
}

export class WriteGate {
  readonly #queue: GatedWrite[] = [];
  #underWayBytes = 0;

  /** Starts a write now, or when there is room. */
  enter(write: GatedWrite): void {
    if (write.sizeBytes <= smallBytes && !this.#queue.some(({ stream }) => stream === write.stream)) {
      write.start(() => {});
      return;
    }
    this.#queue.push(write);
    this.#next();
  }

  #next(): void {
    for (let [first] = this.#queue; first !== undefined && this.#hasRoomFor(first); [first] = this.#queue) {
      this.#queue.shift();
      this.#begin(first);
    }
  }

  #hasRoomFor({ sizeBytes }: GatedWrite): boolean {
    return this.#underWayBytes === 0 || this.#underWayBytes + sizeBytes <= budgetBytes;
  }

  #begin({ sizeBytes, start }: GatedWrite): void {
    this.#underWayBytes += sizeBytes;
    let isCounted = true;
    const release = () => {
      clearTimeout(timer);
      if (!isCounted) return;
      isCounted = false;
      this.#underWayBytes -= sizeBytes;
      this.#next();
    };
    const timer = setTimeout(release, patienceMs);
    start(release);
  }
}
