// Lines of a container's log file (Container Runtime Interface) -> what the container wrote, whole lines in order. Pure.

import { z } from "zod";

/** One line as the container wrote it. */
export interface LogEntry {
  /** RFC 3339; of the first part when the line was cut. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

interface CriLine extends LogEntry {
  readonly isPartial: boolean;
}

/** `<time> <stream> <F or P> <text>`, or a line of one of our own loggers; undefined for anything else, such as a line that a full disk cut. */
export function parseCriLine(line: string): CriLine | undefined {
  if (line.startsWith('{"time":"')) return parseLoggedLine(line);
  const match = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s.exec(line);
  if (match === null) return undefined;
  const [, time = "", stream, tag, text = ""] = match;
  return { time, stream: stream === "stderr" ? "stderr" : "stdout", isPartial: tag === "P", text };
}

const loggedSchema = z.looseObject({ time: z.string(), level: z.string(), component: z.string(), message: z.string() });

/** `createLogger`'s JSON -> "warn node: the proxy ended …  exitCode=1". */
function parseLoggedLine(line: string): CriLine | undefined {
  const parsed = loggedSchema.safeParse(jsonIn(line));
  if (!parsed.success) return undefined;
  const { time, level, component, message, ...fields } = parsed.data;
  const more = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return { time, stream: "stderr", isPartial: false, text: [`${level} ${component}: ${message}`, ...more].join("  ") };
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Joins the parts of long lines; keeps between calls what waits for its last part. */
export class LineJoiner {
  readonly #open = new Map<LogEntry["stream"], LogEntry>();

  /** The entries that `lines` complete. */
  push(lines: readonly string[]): readonly LogEntry[] {
    return lines.flatMap((line) => {
      const part = parseCriLine(line);
      if (part === undefined) return [];
      const { time, stream, text, isPartial } = part;
      const before = this.#open.get(stream);
      const entry = before === undefined ? { time, stream, text } : { ...before, text: before.text + text };
      if (!isPartial) this.#open.delete(stream);
      else this.#open.set(stream, entry);
      return isPartial ? [] : [entry];
    });
  }

  /** What still waited; for logs that nobody goes on writing. */
  flush(): readonly LogEntry[] {
    const rest = [...this.#open.values()];
    this.#open.clear();
    return rest;
  }
}
