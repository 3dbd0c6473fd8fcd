// What nobody caught in the node process is logged and survived: every pod of the mesh ends with that process, and a fault is nearly always one connection's.
// Faults that come by the hundred end it all the same, because then nothing works any more.

import { systemClock } from "../lib/clock.ts";
import { MeshError } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";

/** Faults within a minute that are survived. */
const mostPerMinute = 100;

type Listener = (fault: unknown) => void;

/** The part of `process` that is needed. */
export interface FaultSource {
  on(event: "uncaughtException" | "unhandledRejection", listener: Listener): unknown;
  exit(code: number): unknown;
}

/** From now on. */
export function surviveFaults(source: FaultSource, logger: Logger, nowSeconds: () => number = () => systemClock.monotonic() / 1000): void {
  let times: number[] = [];
  const survive = (fault: unknown): void => {
    const now = nowSeconds();
    times = [...times.filter((time) => now - time < 60), now];
    const { message } = MeshError.from(fault);
    logger.error("a fault that nobody caught", { error: message, stack: fault instanceof Error ? fault.stack : undefined });
    if (times.length > mostPerMinute) source.exit(1);
  };
  source.on("uncaughtException", survive);
  source.on("unhandledRejection", survive);
}
