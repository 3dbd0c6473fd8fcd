// Text that is replaced in place of a terminal, whatever its size: what is too wide is folded or cut, since a line that wraps by itself would count twice.

import type { Terminal } from "./output.ts";

const upLines = (count: number) => (count === 0 ? "\r" : `\u001b[${count}F`);
const clearToLineEnd = "\u001b[K";
const clearBelow = "\u001b[J";

export class LivePlace {
  readonly #terminal: Pick<Terminal, "raw" | "columns" | "rows">;
  #lines = 0;

  constructor(terminal: Pick<Terminal, "raw" | "columns" | "rows">) {
    this.#terminal = terminal;
  }

  /** Shows the lines in place of the last ones. Those that don't fit the width are cut, and the last ones of more than fit the screen. */
  show(text: string): void {
    const { columns, rows = Number.POSITIVE_INFINITY } = this.#terminal;
    const lines = text
      .split("\n")
      .slice(0, Math.max(1, rows - 1))
      .map((line) => cut(line, columns - 1));
    this.#terminal.raw(`${upLines(this.#lines)}${lines.map((line) => `${line}${clearToLineEnd}\n`).join("")}${clearBelow}`);
    this.#lines = lines.length;
  }

  /** What was shown last stays; the next text comes below it. */
  leave(): void {
    this.#lines = 0;
  }
}

const resetColour = "\u001b[0m";
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what it looks for
const escapeSequence = /(\u001b\[[0-9;]*m)/;

/** Cuts to a number of visible characters; escape sequences take no room. */
export function cut(line: string, columns: number): string {
  const parts = line.split(escapeSequence);
  let room = columns;
  const kept = parts.map((part, index) => {
    if (index % 2 === 1) return part;
    const text = part.slice(0, Math.max(0, room));
    room -= part.length;
    return text;
  });
  return room >= 0 ? line : `${kept.join("")}${parts.length > 1 ? resetColour : ""}`;
}

/** Lines of at most so many visible characters, broken between words; what follows is indented below the text. A longer word stays whole. */
export function folded(line: string, columns: number): readonly string[] {
  const indent = " ".repeat(Math.min(/^[^\p{L}\p{N}]*/u.exec(line.replaceAll(new RegExp(escapeSequence, "g"), ""))?.[0].length ?? 0, 8));
  const lines: string[] = [];
  let [text, width] = ["", 0];
  for (const word of line.split(/(?<=\S)(?= )/)) {
    const size = word.replaceAll(new RegExp(escapeSequence, "g"), "").length;
    if (width > 0 && width + size > columns) {
      lines.push(text);
      [text, width] = [`${indent}${word.trimStart()}`, indent.length + size - 1];
    } else [text, width] = [text + word, width + size];
  }
  return [...lines, text];
}
