// When to push: structure at once at the leading edge and then at most every 100 ms, weights and endpoints always at once.

/** Pause after a structural push in which further ones are collected: a rebuilt route table costs Envoy 20 ms per 1,000 hosts. */
const structureIntervalMs = 100;

/** What changed: "structure" is collected, "immediate" (weights, endpoints, a new proxy) is not. */
export type Urgency = "immediate" | "structure";

export interface PushQueueOptions {
  /** Makes and sends the newest configurations. */
  readonly push: () => void;
  /** Milliseconds of a clock that never jumps. */
  readonly now: () => number;
}

export class PushQueue {
  readonly #options: PushQueueOptions;
  #lastStructure = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PushQueueOptions) {
    this.#options = options;
  }

  /** Something changed. Pushes before it returns, or within 100 ms. */
  changed(urgency: Urgency): void {
    const { now, push } = this.#options;
    if (urgency === "immediate") {
      push();
      return;
    }
    if (this.#timer !== undefined) return;
    const pause = this.#lastStructure + structureIntervalMs - now();
    if (pause <= 0) this.#pushStructure();
    else this.#timer = setTimeout(() => this.#pushStructure(), pause);
  }

  /** Forgets what is collected. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pushStructure(): void {
    this.#timer = undefined;
    this.#lastStructure = this.#options.now();
    this.#options.push();
  }
}
