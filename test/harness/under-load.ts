// Steady traffic from a pod while a test does something to the mesh: 200 requests/s, keep-alive and fresh connections, GET and POST,
// every answer counted, and every response flag that a proxy logged meanwhile.

import { join } from "node:path";
import { beganAt, endedAt, responseFlags } from "./access-log.ts";
import { eventually } from "./eventually.ts";
import { LogFollower } from "./log-follower.ts";
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
/** A log holds a minute of such a load. */
const lookMs = 1000;

/** Runs `action` under load. The load begins before and ends after it. */
export async function underLoad(mesh: TestMesh, options: LoadOptions, action: () => Promise<void>): Promise<LoadReport> {
  const { from, url, ratePerSecond = 200, headers } = options;
  const [pod = ""] = await mesh.pods(from);
  using log = new LoadLog(mesh, pod);
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
  const logged = () => log.look() >= summary.total;
  await eventually(logged, 60_000, `a log line for each of ${summary.total} requests`);
  return { ...summary, flags: log.flags };
}

/** What all proxies log of a time that begins now: longer than a log file holds, and without lines of before that come late. */
class LoadLog {
  readonly flags: Record<string, number> = {};
  readonly #since = Date.now();
  readonly #client: string;
  readonly #follower: LogFollower;
  readonly #timer: NodeJS.Timeout;
  #requests = 0;

  constructor(mesh: TestMesh, pod: string) {
    this.#client = `default_${pod}_istio-proxy.log`;
    this.#follower = new LogFollower(join(mesh.runDir, "logs"));
    this.#timer = setInterval(() => this.look(), lookMs);
  }

  /** Counts what came since the last look; how many requests of the client there are by now. */
  look(): number {
    for (const { file, line } of this.#follower.read()) this.#count(file, line);
    return this.#requests;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#follower[Symbol.dispose]();
  }

  #count(file: string, line: string): void {
    const flag = responseFlags(line) ?? "-";
    if (flag !== "-" && (endedAt(line) ?? 0) >= this.#since) this.flags[flag] = (this.flags[flag] ?? 0) + 1;
    const isRequest = file === this.#client && /\] "(?:GET|POST) [^"]*" \d+ /.test(line);
    if (isRequest && (beganAt(line) ?? 0) >= this.#since) this.#requests += 1;
  }
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

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
