// Runs attacks against a listener while somebody else is served, and watches the memory. The listener is in this very process: what it throws
// and nobody catches fails the test.

import type { Duplex } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Attack } from "./junk.ts";

export interface AttackOptions {
  /** Opens a connection to the listener. */
  readonly connect: () => Duplex;
  readonly attacks: readonly Attack[];
  /** Connections at the same time. */
  readonly parallel?: number;
  /** A good client's exchange: rejects when it is not served. */
  readonly exchange: () => Promise<void>;
}

export interface AttackReport {
  readonly attacks: number;
  /** How often the good client was served meanwhile. */
  readonly exchanges: number;
  /** The longest of them, in milliseconds. */
  readonly slowestMs: number;
  /** Memory that stayed, after garbage collection. */
  readonly keptBytes: number;
  /** Resident memory at its highest above that of the beginning. */
  readonly peakBytes: number;
}

/** How long a listener may think about an attack before the attacker hangs up. */
const patienceMs = 150;

/** Sends every attack, one connection each. */
export async function attack({ connect, attacks, parallel = 4, exchange }: AttackOptions): Promise<AttackReport> {
  await exchange();
  const before = memory();
  const rssBefore = process.memoryUsage().rss;
  let peakBytes = 0;
  let exchanges = 0;
  let slowestMs = 0;
  let isOver = false;
  const served = (async () => {
    while (!isOver) {
      const started = performance.now();
      await exchange();
      slowestMs = Math.max(slowestMs, performance.now() - started);
      exchanges += 1;
      peakBytes = Math.max(peakBytes, process.memoryUsage().rss - rssBefore);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  served.catch(() => {});
  const queue = [...attacks];
  const attacker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await send(connect(), next);
  };
  await Promise.all(Array.from({ length: parallel }, attacker));
  isOver = true;
  await served;
  return { attacks: attacks.length, exchanges, slowestMs, keptBytes: await keptSince(before), peakBytes };
}

/** Writes as fast as the listener reads; hangs up when it did, or after a while. */
async function send(connection: Duplex, { pieces }: Attack): Promise<void> {
  let isClosed = false;
  const closed = new Promise<void>((resolve) => {
    const end = () => {
      isClosed = true;
      resolve();
    };
    connection.once("close", end).on("error", end);
  });
  // Answers are thrown away; an attack that doesn't read them is "pipelined without reading" by its flood alone.
  connection.resume();
  for (const piece of pieces()) {
    if (isClosed) break;
    if (connection.write(piece)) continue;
    const drained = new Promise<void>((resolve) => connection.once("drain", resolve));
    if (!(await inTime(Promise.race([drained, closed])))) break;
  }
  if (!isClosed) await inTime(closed);
  connection.destroy();
}

async function inTime(promise: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), patienceMs);
  });
  const isDone = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return isDone;
}

/** Connections close, and buffers are given back, a while after the last attack: what is still there after that is kept. */
const closingMs = 10_000;
const littleBytes = 8 * 1024 * 1024;

async function keptSince(before: number): Promise<number> {
  const deadline = performance.now() + closingMs;
  let kept = memory() - before;
  while (kept > littleBytes && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    kept = memory() - before;
  }
  return kept;
}

/** Bytes in use once garbage is collected. */
function memory(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") for (let round = 0; round < 2; round += 1) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
