// Hops of all requests -> counts and latencies per service and version: the whole run's, and those of the last seconds.
// Memory is bounded: one histogram per version and second of the window, one per version for the whole run.

import type { Hop } from "./answer.ts";
import { LatencyHistogram } from "./histogram.ts";

/** How far the live table looks back: long enough for a share to settle, short enough to see a change. */
const windowSeconds = 30;
/** Services and versions come from answers: never more of them than this. */
const maxVersions = 64;

/** What one version of one service did. */
export interface VersionCounts {
  readonly service: string;
  readonly version: string;
  readonly requests: number;
  readonly failures: number;
  readonly latency: LatencyHistogram;
}

/** Requests as the client sees them, and what each version did in them. */
export interface Counts {
  readonly seconds: number;
  readonly requests: number;
  readonly failures: number;
  /** In the order of their first appearance. */
  readonly versions: readonly VersionCounts[];
}

interface Slice {
  readonly second: number;
  readonly tally: Tally;
}

export class Measurement {
  readonly #total = new Tally();
  #slices: readonly Slice[] = [];
  #windowStartMs: number;
  readonly #startMs: number;

  /** @param nowMs of a clock that never jumps, as in all other calls. */
  constructor(nowMs: number) {
    this.#startMs = nowMs;
    this.#windowStartMs = nowMs;
  }

  record(hops: readonly Hop[], failed: boolean, nowMs: number): void {
    this.#total.record(hops, failed);
    const second = Math.floor(nowMs / 1000);
    const last = this.#slices.at(-1);
    const slice = last?.second === second ? last : { second, tally: new Tally() };
    if (slice !== last) this.#slices = [...this.#slices.filter((old) => old.second > second - windowSeconds), slice];
    slice.tally.record(hops, failed);
  }

  /** Starts the window anew: what was measured under other weights would blur the shares. */
  restartWindow(nowMs: number): void {
    this.#slices = [];
    this.#windowStartMs = nowMs;
  }

  /** The last seconds, at most 30, and not before the window's start. */
  window(nowMs: number): Counts {
    const from = Math.max(this.#windowStartMs, (Math.floor(nowMs / 1000) - windowSeconds + 1) * 1000);
    const sum = new Tally();
    for (const { second, tally } of this.#slices) if (second * 1000 + 1000 > from) sum.add(tally);
    return sum.counts((nowMs - from) / 1000);
  }

  /** The whole run. */
  total(nowMs: number): Counts {
    return this.#total.counts((nowMs - this.#startMs) / 1000);
  }
}

interface Entry {
  readonly service: string;
  readonly version: string;
  requests: number;
  failures: number;
  readonly latency: LatencyHistogram;
}

class Tally {
  readonly #entries = new Map<string, Entry>();
  #requests = 0;
  #failures = 0;

  record(hops: readonly Hop[], failed: boolean): void {
    this.#requests += 1;
    this.#failures += failed ? 1 : 0;
    for (const hop of hops) {
      const entry = this.#entry(hop.service, hop.version);
      if (entry === undefined) continue;
      entry.requests += 1;
      entry.failures += hop.failed ? 1 : 0;
      if (hop.ms !== undefined) entry.latency.record(hop.ms);
    }
  }

  add(other: Tally): void {
    this.#requests += other.#requests;
    this.#failures += other.#failures;
    for (const { service, version, requests, failures, latency } of other.#entries.values()) {
      const entry = this.#entry(service, version);
      if (entry === undefined) continue;
      entry.requests += requests;
      entry.failures += failures;
      entry.latency.add(latency);
    }
  }

  counts(seconds: number): Counts {
    return { seconds, requests: this.#requests, failures: this.#failures, versions: [...this.#entries.values()] };
  }

  #entry(service: string, version: string): Entry | undefined {
    const key = `${service}=${version}`;
    const known = this.#entries.get(key);
    if (known !== undefined || this.#entries.size >= maxVersions) return known;
    const entry = { service, version, requests: 0, failures: 0, latency: new LatencyHistogram() };
    this.#entries.set(key, entry);
    return entry;
  }
}
