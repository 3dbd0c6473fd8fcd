// What runs were judged by, on disk: a file per run, a line of JSON per second, so that a finished run can be judged again.

import { appendFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { MeshError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { SampleSecond } from "../../release/observation.ts";

const armSchema = z.object({
  requests: z.number(),
  errors: z.number(),
  clientErrors: z.number().optional(),
  latency: z.array(z.number()).optional(),
  metrics: z.record(z.string(), z.object({ trials: z.number(), events: z.number() })).optional(),
  pods: z.array(z.string()).optional(),
  connections: z.object({ opened: z.number(), tried: z.number(), failed: z.number() }).optional(),
});

const sampleSchema = z.object({ second: z.number(), arms: z.record(z.string(), armSchema) });

/** A run's name in the folder: "<namespace>/<run id>"; both are names of objects, so neither has a slash or begins with a dot. */
export interface RunPlace {
  readonly namespace: string;
  readonly run: string;
}

/** A day of seconds; a run that lasts longer keeps its first day. */
const mostLines = 86_400;

export class SampleFiles {
  readonly #folder: string;
  readonly #logger: Logger;
  /** Last second written and number of lines, by file. */
  readonly #written = new Map<string, { second: number; lines: number }>();

  constructor(folder: string, logger: Logger) {
    this.#folder = folder;
    this.#logger = logger;
  }

  /** Where a run's samples are, below the mesh's run directory. */
  refOf({ namespace, run }: RunPlace): string {
    return join("releases", namespace, `${run}.jsonl`);
  }

  /** Appends seconds that are newer than the last; a full disk stops no release. */
  append(place: RunPlace, samples: readonly SampleSecond[]): void {
    if (samples.length === 0) return;
    const path = this.#path(place);
    const known = this.#written.get(path) ?? this.#readEnd(place);
    const fresh = samples.filter(({ second }) => second > known.second).slice(0, Math.max(0, mostLines - known.lines));
    if (fresh.length === 0) return;
    try {
      const isNew = !this.#written.has(path);
      if (isNew) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // A crash may have cut the last line off.
      const begin = !isNew || isWhole(textOf(path)) ? "" : "\n";
      appendFileSync(path, begin + fresh.map((sample) => `${JSON.stringify(sample)}\n`).join(""), { mode: 0o600 });
    } catch (error) {
      this.#logger.error("a release's samples can't be kept", { path, error: MeshError.from(error).message });
    }
    this.#written.set(path, { second: fresh.at(-1)?.second ?? known.second, lines: known.lines + fresh.length });
  }

  /** All samples of a run, oldest first; a line that was cut off by a crash is left out. Empty when there are none. */
  read(place: RunPlace): readonly SampleSecond[] {
    const text = textOf(this.#path(place));
    return text.split("\n").flatMap((line) => {
      const sample = parsedLine(line);
      return sample === undefined ? [] : [sample];
    });
  }

  /** The run's record is gone. */
  remove(place: RunPlace): void {
    this.#written.delete(this.#path(place));
    rmSync(this.#path(place), { force: true });
  }

  #path(place: RunPlace): string {
    return join(this.#folder, this.refOf(place));
  }

  #readEnd(place: RunPlace): { second: number; lines: number } {
    const samples = this.read(place);
    return { second: samples.at(-1)?.second ?? 0, lines: samples.length };
  }
}

function isWhole(text: string): boolean {
  return text === "" || text.endsWith("\n");
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function parsedLine(line: string): SampleSecond | undefined {
  if (line === "") return undefined;
  try {
    const { second, arms } = sampleSchema.parse(JSON.parse(line));
    return { second, arms: Object.fromEntries(Object.entries(arms).map(([name, arm]) => [name, withoutUndefined(arm)])) };
  } catch {
    return undefined;
  }
}

function withoutUndefined({
  clientErrors,
  latency,
  metrics,
  pods,
  connections,
  ...arm
}: z.output<typeof armSchema>): SampleSecond["arms"][string] {
  return {
    ...arm,
    ...(clientErrors === undefined ? {} : { clientErrors }),
    ...(latency === undefined ? {} : { latency }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(pods === undefined ? {} : { pods }),
    ...(connections === undefined ? {} : { connections }),
  };
}
