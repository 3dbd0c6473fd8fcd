// Lines of a container's log file (Container Runtime Interface) -> what the container wrote, whole lines in order. Pure.

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

/** `<time> <stream> <F or P> <text>`; undefined for anything else, such as a line that a full disk cut. */
export function parseCriLine(line: string): CriLine | undefined {
  const match = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s.exec(line);
  if (match === null) return undefined;
  const [, time = "", stream, tag, text = ""] = match;
  return { time, stream: stream === "stderr" ? "stderr" : "stdout", isPartial: tag === "P", text };
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
