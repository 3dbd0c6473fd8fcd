// What people and scripts read: results on stdout, progress on stderr, kubectl-like tables without boxes, colour only on a terminal.

import pc from "picocolors";

export interface Colours {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

export interface Terminal {
  /** A result, with its line end added. */
  out(line: string): void;
  /** Progress or a message, with its line end added. */
  err(line: string): void;
  /** Text without a line end, for live views. */
  raw(text: string): void;
  readonly colours: Colours;
  readonly isTty: boolean;
  readonly columns: number;
  /** Undefined where there is no screen. */
  readonly rows?: number | undefined;
}

/** The process's own terminal; NO_COLOR and FORCE_COLOR are honoured. */
export function processTerminal(env: Readonly<Record<string, string | undefined>>): Terminal {
  const isTty = process.stdout.isTTY === true;
  const noColor = (env["NO_COLOR"] ?? "") !== "";
  const forceColor = (env["FORCE_COLOR"] ?? "") !== "" && env["FORCE_COLOR"] !== "0";
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    raw: (text) => void process.stdout.write(text),
    colours: pc.createColors(!noColor && (isTty || forceColor)),
    isTty,
    // As they are now: windows change their size.
    get columns() {
      return process.stdout.columns ?? 120;
    },
    get rows() {
      return process.stdout.rows;
    },
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what it removes
const escapeSequence = /\u001b\[[0-9;]*m/g;

/** Left-aligned columns three spaces apart, as kubectl prints them. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (text: string) => text.replace(escapeSequence, "").length;
  const widths = headings.map((heading, column) => Math.max(width(heading), ...rows.map((row) => width(row[column] ?? ""))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
      .join("   ")
      .trimEnd();
  return [line(headings), ...rows.map(line)].join("\n");
}

/** A column of a table that gives up columns on a narrow terminal. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string;
  /** Columns with a number go first, the highest of all; without one they stay. */
  readonly dropAt?: number;
}

/** The table with as many columns as fit the terminal; all of them when it goes to a file or a pipe. */
export function fittingTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { isTty, columns: width }: Pick<Terminal, "isTty" | "columns">,
): string {
  const text = table(
    columns.map(({ heading }) => heading),
    rows.map((row) => columns.map(({ cell }) => cell(row))),
  );
  const widest = Math.max(...text.split("\n").map((line) => line.replace(escapeSequence, "").length));
  const droppable = columns.filter(({ dropAt }) => dropAt !== undefined).toSorted((a, b) => (b.dropAt ?? 0) - (a.dropAt ?? 0))[0];
  if (!isTty || widest <= width || droppable === undefined) return text;
  return fittingTable(
    columns.filter((column) => column !== droppable),
    rows,
    { isTty, columns: width },
  );
}

/** An age as kubectl prints it: "12s", "5m3s", "2h", "3d". */
export function age(fromMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - fromMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes}m${seconds % 60 === 0 ? "" : `${seconds % 60}s`}`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

/** The date of an RFC 3339 time. */
export function day(time: string): string {
  return time.slice(0, 10);
}

/** "2031-01-01 (in 364d)", "2029-12-31 (expired 2h ago)". */
export function expiryText(time: string, nowMs: number): string {
  const at = Date.parse(time);
  return `${day(time)} (${at > nowMs ? `in ${age(nowMs, at)}` : `expired ${age(at, nowMs)} ago`})`;
}
