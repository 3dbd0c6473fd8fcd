// Steady HTTPS traffic from the host to a gateway while a test does something: three of four requests over kept connections.

import { Agent, request } from "node:https";
import { setTimeout as pause } from "node:timers/promises";

export interface HttpsTarget {
  /** On loopback. */
  readonly port: number;
  /** Server name and Host header. */
  readonly host: string;
  readonly ratePerSecond?: number;
}

export interface HttpsReport {
  readonly total: number;
  /** What did not answer 200, and why. */
  readonly failures: readonly string[];
}

/** Runs `action` under load, 200 requests/s unless said. */
export async function underHttpsLoad({ port, host, ratePerSecond = 200 }: HttpsTarget, action: () => Promise<void>): Promise<HttpsReport> {
  const kept = new Agent({ keepAlive: true, maxSockets: 32 });
  const fresh = new Agent({ keepAlive: false, maxCachedSessions: 0 });
  const failures: string[] = [];
  const running: Promise<void>[] = [];
  let isOver = false;
  const send = async (index: number): Promise<void> => {
    const outcome = await get({ port, host, agent: index % 4 === 0 ? fresh : kept });
    if (outcome !== "200") failures.push(outcome);
  };
  const startedAt = performance.now();
  const loop = async (): Promise<void> => {
    while (!isOver) {
      const due = Math.floor(((performance.now() - startedAt) * ratePerSecond) / 1000);
      while (running.length < due) running.push(send(running.length));
      await pause(5);
    }
  };
  const looping = loop();
  try {
    await pause(200);
    await action();
    await pause(200);
  } finally {
    isOver = true;
    await looping;
    await Promise.all(running);
    kept.destroy();
    fresh.destroy();
  }
  return { total: running.length, failures };
}

function get({ port, host, agent }: { readonly port: number; readonly host: string; readonly agent: Agent }): Promise<string> {
  return new Promise((resolve) => {
    const options = { host: "127.0.0.1", port, servername: host, headers: { host }, rejectUnauthorized: false, agent, timeout: 10_000 };
    const asked = request(options, (response) => {
      response.resume();
      response.once("end", () => resolve(String(response.statusCode)));
      response.once("error", (error) => resolve(String(error)));
    });
    asked.once("timeout", () => asked.destroy(new Error("time-out")));
    asked.once("error", (error) => resolve(String(error)));
    asked.end();
  });
}
