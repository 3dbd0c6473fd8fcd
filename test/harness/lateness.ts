// How busy the machine is while a test runs: what it adds to everything that many processes do one after another.

import { monitorEventLoopDelay } from "node:perf_hooks";

const resolutionMs = 10;
const nanosecondsPerMs = 1e6;

export interface Lateness extends Disposable {
  /** The latest that this process, which waits, was woken since then: 2 to 4 ms where nothing else runs. */
  mostMs(): number;
}

/** Watches from now on. */
export function watchLateness(): Lateness {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  delays.enable();
  return {
    mostMs: () => Math.max(0, delays.max / nanosecondsPerMs - resolutionMs),
    [Symbol.dispose]: () => void delays.disable(),
  };
}
