// A log line for people or programs: whose it is in front of it, in a colour that stays the same, or all of it as JSON.

import type { ContainerLog } from "../app/logs/log-files.ts";
import type { MergedEntry } from "../app/logs/merge.ts";
import { contentHash } from "../lib/hash.ts";
import type { Colours, Terminal } from "./output.ts";

export type LogFormat = "text" | "jsonl" | "json";

export interface LogViewOptions {
  readonly format: LogFormat;
  /** What stands in front of a line; "" for nothing. */
  readonly prefix: (log: ContainerLog) => string;
  /** Texts begin below each other. */
  readonly aligned: boolean;
  readonly timestamps: boolean;
  readonly terminal: Terminal;
}

/** Prints entries; `end` completes the output. */
export class LogView {
  readonly #options: LogViewOptions;
  #isFirst = true;
  #width = 0;

  constructor(options: LogViewOptions) {
    this.#options = options;
  }

  print(entries: readonly MergedEntry[]): void {
    const { format, terminal } = this.#options;
    for (const entry of entries) {
      if (format === "text") terminal.out(this.#text(entry));
      else if (format === "jsonl") terminal.out(JSON.stringify(objectOf(entry)));
      else terminal.raw(`${this.#isFirst ? "[\n" : ",\n"}${JSON.stringify(objectOf(entry))}`);
      this.#isFirst = false;
    }
  }

  end(): void {
    if (this.#options.format === "json") this.#options.terminal.raw(this.#isFirst ? "[]\n" : "\n]\n");
  }

  #text({ log, time, text }: MergedEntry): string {
    const { prefix, aligned, timestamps, terminal } = this.#options;
    const name = prefix(log);
    if (aligned) this.#width = Math.max(this.#width, name.length);
    const shown = name === "" ? "" : `${colourOf(name, terminal.colours)(name)}${" ".repeat(Math.max(0, this.#width - name.length))} `;
    return `${shown}${timestamps ? `${time} ` : ""}${text}`;
  }
}

function objectOf({ log: { namespace, pod, container }, time, stream, text }: MergedEntry) {
  return { time, namespace, pod, container, stream, text };
}

/** Of a name, always the same. Red is for what is wrong. */
function colourOf(name: string, { cyan, green, yellow, bold }: Colours): (text: string) => string {
  const colours = [
    cyan,
    green,
    yellow,
    (text: string) => bold(cyan(text)),
    (text: string) => bold(green(text)),
    (text: string) => bold(yellow(text)),
  ];
  const index = Number.parseInt(contentHash(name).slice(0, 8), 16) % colours.length;
  return colours[index] ?? cyan;
}
