// What `lateen demo` shows: rows -> a kubectl-like table, one line per second, or the table again in the same place of a terminal.

import type { TrafficView } from "../app/demo/run-traffic.ts";
import type { Suggestion } from "../app/demo/shop.ts";
import type { VersionRow } from "../app/demo/table-model.ts";
import { type Colours, type Terminal, table } from "./output.ts";

const headings = ["SERVICE", "VERSION", "WEIGHT", "SHARE", "REQ/S", "ERRORS", "P50", "P99"];

/** The table of services and versions. */
export function demoTable(rows: readonly VersionRow[], colours: Colours): string {
  const cells = rows.map((row, index) => [
    rows[index - 1]?.service === row.service ? "" : row.service,
    row.version,
    percent(row.weightPercent),
    percent(row.sharePercent),
    row.requestsPerSecond.toFixed(1),
    row.failures === 0 ? "0" : colours.red(String(row.failures)),
    milliseconds(row.p50Ms),
    milliseconds(row.p99Ms),
  ]);
  return table(headings, cells);
}

function percent(value: number | undefined): string {
  return value === undefined ? "-" : `${value.toFixed(1)}%`;
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? "-" : `${value.toFixed(1)} ms`;
}

/** "12 s: 480 requests, 0 failed". */
export function totalLine({ total }: TrafficView): string {
  return `${total.seconds.toFixed(0)} s: ${total.requests} requests, ${total.failures} failed`;
}

/** One line for a log: totals, then the shares of every service that has several versions, then web's latencies. */
export function secondLine(view: TrafficView): string {
  const { windowRows } = view;
  const split = [...new Set(windowRows.map(({ service }) => service))].flatMap((service) => {
    const rows = windowRows.filter((row) => row.service === service && row.sharePercent !== undefined);
    return rows.length < 2 ? [] : [`${service} ${rows.map((row) => `${row.version} ${percent(row.sharePercent)}`).join(" ")}`];
  });
  const web = windowRows.find(({ service }) => service === "web");
  // A service that fails without failing the page, such as rates.
  const failing = windowRows.filter(({ service, failures }) => service !== "web" && failures > 0);
  const failures = failing.map((row) => `${row.service} ${row.version}: ${row.failures} failed`);
  return [totalLine(view), ...split, ...failures, `p50 ${milliseconds(web?.p50Ms)} p99 ${milliseconds(web?.p99Ms)}`].join("   ");
}

/** Commands to copy, below what they show. */
export function suggestionLines(suggestions: readonly Suggestion[], colours: Colours): readonly string[] {
  const width = Math.max(...suggestions.map(({ what }) => what.length));
  return suggestions.map(({ what, command }) => `  ${colours.dim(what.padEnd(width))}  ${command}`);
}

const upLines = (count: number) => (count === 0 ? "\r" : `\u001b[${count}F`);
const clearToLineEnd = "\u001b[K";
const clearBelow = "\u001b[J";

/** Text that is replaced in place. */
export class LivePlace {
  readonly #terminal: Pick<Terminal, "raw" | "columns">;
  #lines = 0;

  constructor(terminal: Pick<Terminal, "raw" | "columns">) {
    this.#terminal = terminal;
  }

  /** Shows the lines in place of the last ones; those that don't fit the width are cut, because a wrapped line would count twice. */
  show(text: string): void {
    const lines = text.split("\n").map((line) => cut(line, this.#terminal.columns - 1));
    this.#terminal.raw(`${upLines(this.#lines)}${lines.map((line) => `${line}${clearToLineEnd}\n`).join("")}${clearBelow}`);
    this.#lines = lines.length;
  }

  /** What was shown last stays; the next text comes below it. */
  leave(): void {
    this.#lines = 0;
  }
}

const resetColour = "\u001b[0m";

/** Cuts to a number of visible characters; escape sequences take no room. */
export function cut(line: string, columns: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what it looks for
  const parts = line.split(/(\u001b\[[0-9;]*m)/);
  let room = columns;
  const kept = parts.map((part, index) => {
    if (index % 2 === 1) return part;
    const text = part.slice(0, Math.max(0, room));
    room -= part.length;
    return text;
  });
  return room >= 0 ? line : `${kept.join("")}${parts.length > 1 ? resetColour : ""}`;
}
