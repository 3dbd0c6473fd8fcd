// Open TCP connections, and the totals that logs have made, in a file: proxies' counters are cumulative, but what a connection carried before its end is
// known here only. A control plane that is killed goes on where it was a second before.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { MeshError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { Collector } from "../../telemetry/collector.ts";
import type { Connections } from "../../telemetry/connections.ts";

const labels = z.record(z.string(), z.string());
const count = z.number().min(0);
const schema = z.object({
  connections: z.array(
    z.object({
      source: z.string(),
      id: z.string(),
      startMs: z.number(),
      received: count,
      sent: count,
      tags: labels,
      isClosed: z.boolean(),
    }),
  ),
  totals: z.array(z.object({ source: z.string(), key: z.string(), name: z.string(), labels, value: count })),
});

interface Parts {
  readonly collector: Collector;
  readonly connections: Connections;
}

/** A file that is larger is written less often. */
const largeBytes = 1_000_000;
const largeEveryMs = 10_000;

export class KeptConnections {
  readonly #path: string;
  readonly #logger: Logger;
  #isChanged = false;
  #notBeforeMs = 0;
  #isFailing = false;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /** Gives both parts what the process before kept; returns the ids of its proxies. Nothing where there is no readable file. */
  restore({ collector, connections }: Parts, nowMs: number): readonly string[] {
    try {
      const kept = schema.parse(JSON.parse(readFileSync(this.#path, "utf8")));
      connections.restore(kept.connections, nowMs);
      collector.restoreTotals(kept.totals, nowMs);
      return [...new Set([...kept.connections, ...kept.totals].map(({ source }) => source))];
    } catch {
      return [];
    }
  }

  changed(): void {
    this.#isChanged = true;
  }

  /** Replaces the file when anything changed. */
  save({ collector, connections }: Parts): void {
    if (!this.#isChanged || performance.now() < this.#notBeforeMs) return;
    try {
      // Within: what is longer than a text may be throws.
      const text = JSON.stringify({ connections: [...connections.kept()], totals: [...collector.keptTotals()] });
      if (text.length > largeBytes) this.#notBeforeMs = performance.now() + largeEveryMs;
      writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
      this.#isChanged = false;
      this.#isFailing = false;
    } catch (error) {
      // A full disk, or too many, is said once, not every second.
      if (!this.#isFailing) this.#logger.error("open connections can't be kept for a restart", { error: MeshError.from(error).message });
      this.#isFailing = true;
    }
  }
}
