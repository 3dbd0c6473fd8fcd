// What the controllers are given: the store, time, names and the mesh's answer to "does every proxy know?".

import type { Logger } from "../../lib/log.ts";
import type { Store } from "../../store/store.ts";

/** Time with timers; the shell passes systemTimers, tests move it by hand. */
export interface Timers {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `run` once after `delayMs`; returns the function that cancels it. */
  after(delayMs: number, run: () => void): () => void;
}

/** The machine's time. Timers don't keep the process alive. */
export const systemTimers: Timers = {
  now: () => Date.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

export interface ControllerOptions {
  readonly store: Store;
  readonly timers: Timers;
  readonly log: Logger;
  /** Random text of `length` characters of a-z0-9 for generated names. */
  readonly nameSuffix: (length: number) => string;
  /** Resolves once every proxy acknowledged the configuration made from `revision` of the store; rejects when `signal` aborts. */
  readonly acknowledged: (revision: number, signal: AbortSignal) => Promise<void>;
  /** Whether to create the ingress gateway's Deployment and Service in istio-system; default true. */
  readonly ingressGateway?: boolean;
}

/** The running controllers. */
export interface Controllers {
  /** Resolves when nothing is queued (timers apart): for tests and start-up. */
  idle(): Promise<void>;
  close(): void;
}
