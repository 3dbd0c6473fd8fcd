// The one reconcile loop: store events become keys of controllers, equal keys coalesce, earlier controllers go first, failures come back later.
// In: controllers in order of precedence. Runs in short slices, so that a thousand changes don't hold up the xDS streams.

import type { Logger } from "../../lib/log.ts";
import type { Store, StoreEvent } from "../../store/store.ts";
import type { Controller } from "./controller.ts";
import type { Controllers, Timers } from "./options.ts";

/** Longest stretch of work before other parts of the process get their turn. */
const sliceMs = 5;
/** First and longest wait after a failure, doubling in between. */
const retryMs = { first: 20, longest: 10_000 };

export interface RunnerOptions {
  readonly store: Store;
  readonly timers: Timers;
  readonly log: Logger;
  readonly controllers: readonly Controller[];
}

/** Starts the loop; everything is looked at once. */
export function startRunner(options: RunnerOptions): Controllers {
  const runner = new Runner(options);
  runner.start();
  return runner;
}

/** One controller's waiting keys. */
interface Lane {
  readonly controller: Controller;
  readonly waiting: Set<string>;
  readonly failures: Map<string, number>;
  readonly timers: Map<string, () => void>;
}

class Runner implements Controllers {
  readonly #options: RunnerOptions;
  readonly #lanes: readonly Lane[];
  readonly #idleWaiters: (() => void)[] = [];
  #scheduled = false;
  #closed = false;
  #unsubscribe: () => void = () => {};

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#lanes = options.controllers.map((controller) => ({ controller, waiting: new Set(), failures: new Map(), timers: new Map() }));
  }

  start(): void {
    this.#unsubscribe = this.#options.store.subscribe((event) => this.#onEvent(event));
    for (const lane of this.#lanes) for (const key of lane.controller.keysAtStart()) lane.waiting.add(key);
    this.#schedule();
  }

  idle(): Promise<void> {
    if (!this.#scheduled) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    for (const lane of this.#lanes) for (const cancel of lane.timers.values()) cancel();
  }

  #onEvent(event: StoreEvent): void {
    for (const lane of this.#lanes) for (const key of lane.controller.keysOf(event)) lane.waiting.add(key);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    if (this.#lanes.every((lane) => lane.waiting.size === 0)) return;
    this.#scheduled = true;
    setImmediate(() => this.#work());
  }

  #work(): void {
    const until = performance.now() + sliceMs;
    while (!this.#closed && performance.now() < until) {
      if (!this.#next()) break;
    }
    this.#scheduled = false;
    this.#schedule();
    if (!this.#scheduled) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Does one key of the first lane that has any; false when there is none. */
  #next(): boolean {
    const lane = this.#lanes.find(({ waiting }) => waiting.size > 0);
    const [key] = lane?.waiting ?? [];
    if (lane === undefined || key === undefined) return false;
    lane.waiting.delete(key);
    this.#reconcile(lane, key);
    return true;
  }

  #reconcile(lane: Lane, key: string): void {
    lane.timers.get(key)?.();
    lane.timers.delete(key);
    try {
      const againMs = lane.controller.reconcile(key);
      lane.failures.delete(key);
      if (againMs !== undefined) this.#later(lane, key, againMs);
    } catch (error) {
      const failures = lane.failures.get(key) ?? 0;
      lane.failures.set(key, failures + 1);
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log.warn("a controller failed and tries again", { controller: lane.controller.name, key, failures, error: message });
      this.#later(lane, key, Math.min(retryMs.longest, retryMs.first * 2 ** failures));
    }
  }

  #later(lane: Lane, key: string, delayMs: number): void {
    const run = (): void => {
      lane.timers.delete(key);
      lane.waiting.add(key);
      this.#schedule();
    };
    lane.timers.set(key, this.#options.timers.after(Math.max(0, delayMs), run));
  }
}
