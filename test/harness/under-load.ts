// Steady traffic from a pod while a test does something to the mesh: 200 requests/s, keep-alive and fresh connections, GET and POST,
// every answer counted, and every response flag that a proxy logged meanwhile.

import { eventually } from "./eventually.ts";
import type { LoadSummary, TestMesh } from "./mesh.ts";

export interface LoadOptions {
  readonly from: string;
  readonly url: string;
  readonly ratePerSecond?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LoadReport extends LoadSummary {
  /** Response flags other than "-" and how often they were logged by any proxy. */
  readonly flags: Readonly<Record<string, number>>;
}

const warmUpMs = 300;
const coolDownMs = 300;

/** Runs `action` under load. The load begins before and ends after it. */
export async function underLoad(mesh: TestMesh, options: LoadOptions, action: () => Promise<void>): Promise<LoadReport> {
  const { from, url, ratePerSecond = 200, headers } = options;
  const [pod = ""] = await mesh.pods(from);
  const before = flagsOf(mesh.accessLog());
  const since = new Date().toISOString();
  const id = String(performance.now());
  await mesh.runIn(pod, { kind: "load-start", id, url, ratePerSecond, freshShare: 0.25, mixPost: true, headers });
  let summary: LoadSummary;
  try {
    await pause(warmUpMs);
    await action();
    await pause(coolDownMs);
  } finally {
    summary = (await mesh.runIn(pod, { kind: "load-stop", id })) as LoadSummary;
  }
  // Envoy buffers its log: the flags are complete once the client's proxy has a line for every request.
  const logged = () => requestsSince(mesh.accessLogOf(pod), since) >= summary.total;
  await eventually(logged, 10_000, `a log line for each of ${summary.total} requests`);
  return { ...summary, flags: difference(flagsOf(mesh.accessLog()), before) };
}

/** Lines of requests that began at `since` or later; lines of before may have left the log, which is bounded. */
function requestsSince(log: string, since: string): number {
  return [...log.matchAll(/\[([^\]]*)\] "(?:GET|POST) [^"]*" \d+ /g)].filter(([, start = ""]) => start >= since).length;
}

/** How many answers were not 200. */
export function failed({ total, byStatus }: LoadSummary): number {
  return total - (byStatus["200"] ?? 0);
}

/** What went wrong under load, to be compared with `nothing`. */
export function lossesOf(report: LoadReport): {
  readonly failed: number;
  readonly flags: LoadReport["flags"];
  readonly failures: readonly unknown[];
} {
  return { failed: failed(report), flags: report.flags, failures: report.failures };
}

/** No request failed, and no proxy logged anything unusual. */
export const nothing = { failed: 0, flags: {}, failures: [] } as const;

/** Response flags of access log lines: `[time] "GET / HTTP/1.1" 200 - via_upstream …`. */
export function flagsOf(log: string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [, flags = ""] of log.matchAll(/\] "[^"]*" \d+ (\S+) /g)) if (flags !== "-") counts[flags] = (counts[flags] ?? 0) + 1;
  return counts;
}

function difference(after: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  const entries = Object.entries(after).map(([flag, count]) => [flag, count - (before[flag] ?? 0)] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
