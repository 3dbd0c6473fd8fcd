// Logs as they grow, of containers that may still come: new pods of a workload join, and lines come in the order of time.

import { existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { type ContainerLog, LogFollower } from "./log-files.ts";
import { byTime, entriesOf, type MergedEntry, ReorderBuffer } from "./merge.ts";

export interface FollowOptions {
  /** The logs that are meant now; asked again and again. */
  readonly logs: () => readonly ContainerLog[];
  /** Ends with it: the mesh is gone. */
  readonly logsDir: string;
  readonly signal: AbortSignal;
  /** Which of the lines that are there already are shown. */
  readonly first: (entries: readonly MergedEntry[]) => readonly MergedEntry[];
  /** How long lines wait for those that come later. */
  readonly holdMs: number;
}

const pollMs = 100;

/** Batches of lines, until the signal or until the mesh is gone. */
export async function* followLogs({ logs, logsDir, signal, first, holdMs }: FollowOptions): AsyncGenerator<readonly MergedEntry[]> {
  const followers = new Map<string, { readonly log: ContainerLog; readonly follower: LogFollower }>();
  const buffer = new ReorderBuffer(holdMs);
  const begin = (): readonly MergedEntry[] =>
    logs().flatMap((log) => {
      if (followers.has(log.path)) return [];
      const follower = new LogFollower(log);
      followers.set(log.path, { log, follower });
      return first(entriesOf(log, follower.first()));
    });
  try {
    // What is there already is in order at once.
    yield holdMs === 0 ? begin() : byTime(begin());
    while (!signal.aborted && existsSync(logsDir)) {
      await pause(pollMs, undefined, { signal }).catch(() => {});
      const entries = [...followers.values()].flatMap(({ log, follower }) => entriesOf(log, follower.poll()));
      yield buffer.push([...entries, ...begin()], performance.now());
    }
    yield buffer.flush();
  } finally {
    for (const { follower } of followers.values()) follower.close();
  }
}
