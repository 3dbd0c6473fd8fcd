// Opens the metrics port as the mesh wants it: a default that may be taken, one that was asked for, or the one that the control plane before had.

import type { MetricsView } from "../../http/metrics-contract.ts";
import { type MetricsServer, startMetricsServer } from "../../http/metrics-server.ts";
import { MeshError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";

/** As istiod's monitoring port. */
export const defaultMetricsPort = 15014;

export interface MetricsPortWish {
  /** 0 is any free one. */
  readonly port: number;
  /**
   * When it is taken: "another" takes any free one; "fail" ends the start, since a person asked for this one; "wait" tries again and again, since
   * targets name the one that the mesh had before its control plane was started again.
   */
  readonly whenTaken: "another" | "fail" | "wait";
}

export interface MetricsPort {
  /** Undefined when there is none. */
  readonly port: number | undefined;
  close(): Promise<void>;
}

const retryMs = 500;

/** Opens it; without a wish there is none. @throws Unavailable for "fail". */
export async function openMetricsPort(wish: MetricsPortWish | undefined, view: MetricsView, log: Logger): Promise<MetricsPort> {
  if (wish === undefined) return { port: undefined, close: async () => {} };
  try {
    return await startMetricsServer({ view, port: wish.port, log });
  } catch (error) {
    if (wish.whenTaken === "fail") throw error;
    if (wish.whenTaken === "another") return await startMetricsServer({ view, port: 0, log });
    log.warn("the metrics port is taken; it is tried again", { error: MeshError.from(error).message });
    return untilFree(wish.port, view, log);
  }
}

function untilFree(port: number, view: MetricsView, log: Logger): MetricsPort {
  let opened: MetricsServer | undefined;
  let isClosed = false;
  const timer = setInterval(() => {
    startMetricsServer({ view, port, log }).then(
      (server) => {
        clearInterval(timer);
        opened = server;
        if (isClosed) void server.close();
      },
      () => {},
    );
  }, retryMs);
  return {
    port,
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await opened?.close();
    },
  };
}
