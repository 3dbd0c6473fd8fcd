// Lines of several logs -> one sequence by time. A proxy's line stands at the time when its request began, which the line itself says: it is written
// once the request is over, and half a second later. Pure.

import type { LogEntry } from "./cri.ts";
import { type ContainerLog, proxyContainer } from "./log-files.ts";

/** A line, and whose it is. */
export interface MergedEntry extends LogEntry {
  readonly log: ContainerLog;
}

/** A container's lines as entries of it; a proxy's with the time that they tell. */
export function entriesOf(log: ContainerLog, entries: readonly LogEntry[]): readonly MergedEntry[] {
  const timed =
    log.container === proxyContainer ? entries.map((entry) => ({ ...entry, time: requestTime(entry.text) ?? entry.time })) : entries;
  return timed.map((entry) => ({ ...entry, log }));
}

/** Sorted by time; what happened at one time, and what has no comparable one, stays in its order. */
export function byTime(entries: readonly MergedEntry[]): readonly MergedEntry[] {
  return entries.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/** %START_TIME% of the default access log format, or of a JSON one: RFC 3339 in milliseconds, as the node writes times. */
function requestTime(text: string): string | undefined {
  return /^(?:\[|\{.{0,4000}?"start_time":\s?")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)/.exec(text)?.[1];
}

interface Held {
  readonly entry: MergedEntry;
  readonly sinceMs: number;
}

/** Holds lines for a moment while logs are followed, so that those of a proxy, which come later, find their place. */
export class ReorderBuffer {
  readonly #holdMs: number;
  #held: Held[] = [];

  /** `holdMs` 0 gives everything back at once, in the order in which it comes. */
  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  /** Takes new lines; gives back what has been held long enough, and whatever happened before that. */
  push(entries: readonly MergedEntry[], nowMs: number): readonly MergedEntry[] {
    if (this.#holdMs === 0) return entries;
    this.#held.push(...entries.map((entry) => ({ entry, sinceMs: nowMs })));
    const due = this.#held.filter(({ sinceMs }) => nowMs - sinceMs >= this.#holdMs);
    const last = byTime(due.map(({ entry }) => entry)).at(-1)?.time ?? "";
    const isDue = ({ entry, sinceMs }: Held): boolean => nowMs - sinceMs >= this.#holdMs || entry.time <= last;
    const ready = this.#held.filter(isDue);
    this.#held = this.#held.filter((held) => !isDue(held));
    return byTime(ready.map(({ entry }) => entry));
  }

  /** All that is held. */
  flush(): readonly MergedEntry[] {
    const rest = this.#held.map(({ entry }) => entry);
    this.#held = [];
    return byTime(rest);
  }
}
