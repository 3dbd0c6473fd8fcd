// A trace in the terminal: one line per span, below its parent, with a bar where in the trace's time it was, its status, and where the failure began.

import type { TraceView } from "../http/traces-contract.ts";
import { attributeText, type Span } from "../telemetry/traces/span.ts";
import type { Waterfall, WaterfallRow } from "../telemetry/traces/waterfall.ts";
import { type Terminal, table } from "./output.ts";
import { printable } from "./printable.ts";

/** "85us", "4.2ms", "1.35s", "2m5s". */
export function durationText(microseconds: number): string {
  if (microseconds < 1000) return `${Math.round(microseconds)}us`;
  if (microseconds < 999_500) return `${trimmed(microseconds / 1000, microseconds < 9950 ? 1 : 0)}ms`;
  if (microseconds < 59_950_000) return `${trimmed(microseconds / 1e6, 2)}s`;
  const seconds = Math.round(microseconds / 1e6);
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function trimmed(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** Prints it all. */
export function printTrace({ traceId, keeping, summary, waterfall, dropped }: TraceView, terminal: Terminal): void {
  const { out, colours } = terminal;
  const started = new Date(waterfall.startUs / 1000).toISOString();
  const why = keeping === "slow" ? ", slower than usual" : "";
  out(
    `${colours.bold(traceId)}   ${started}   ${durationText(summary.durationUs)}${why}   ${counted(summary.spans, "span")}, ${counted(summary.services.length, "service")}`,
  );
  out("");
  const width = barWidth(terminal);
  out(
    table(
      ["SERVICE", "OPERATION", "STATUS", "DURATION", ""],
      waterfall.rows.map((row) => line(row, { waterfall, width, terminal })),
    ),
  );
  for (const note of notesOf(waterfall, dropped)) out(`\n${note}`);
  const cause = waterfall.rows.find(({ isCause }) => isCause);
  if (cause !== undefined) out(`\n${colours.red("✗")} it failed in ${nameOf(cause.span)}: ${reasonOf(cause.span)}`);
  if (keeping === "open") out("\nits spans may still come");
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function barWidth({ isTty, columns }: Terminal): number {
  return isTty ? Math.max(10, Math.min(60, columns - 110)) : 40;
}

interface Place {
  readonly waterfall: Waterfall;
  readonly width: number;
  readonly terminal: Terminal;
}

function line(row: WaterfallRow, { waterfall, width, terminal: { colours } }: Place): readonly string[] {
  const { span, depth, isOrphan, skewUs, isCause } = row;
  const marks = [
    isOrphan ? "parent missing" : "",
    skewUs > 0 ? `clock ${durationText(skewUs)} behind its parent's` : "",
    span.isMirrored ? "mirrored" : "",
  ];
  const notes = marks.filter((mark) => mark !== "").join(", ");
  const name = `${"  ".repeat(Math.min(depth, 20))}${nameOf(span)}`;
  return [
    isCause ? colours.red(`✗ ${name}`) : `  ${name}`,
    `${sideOf(span)} ${cutTo(printable(span.name), 48)}`,
    span.isError ? colours.red(statusOf(span)) : statusOf(span),
    durationText(span.durationUs),
    `${barOf(row, waterfall, width)}${notes === "" ? "" : ` ${colours.yellow(notes)}`}`,
  ];
}

/** "web v2": the canonical service and its version, or what an application calls itself. */
function nameOf({ sender }: Span): string {
  return printable(sender.version === "" ? sender.service : `${sender.service} ${sender.version}`);
}

/** → calls, ← is called, · something of its own. */
function sideOf({ kind }: Span): string {
  if (kind === "client" || kind === "producer") return "→";
  return kind === "internal" ? "·" : "←";
}

function statusOf({ attributes, isError }: Span): string {
  const code = attributeText(attributes, "http.status_code") || attributeText(attributes, "http.response.status_code");
  const grpc = attributeText(attributes, "grpc.status_code");
  const flags = attributeText(attributes, "response_flags");
  const text = [code === "0" ? "" : code, grpc === "" ? "" : `grpc ${grpc}`, flags === "-" ? "" : flags]
    .filter((part) => part !== "")
    .join(" ");
  return text === "" ? (isError ? "error" : "-") : printable(text);
}

function reasonOf(span: Span): string {
  const { name, statusText } = span;
  return `${printable(`${name}${statusText === "" ? "" : `, ${statusText}`}`)} (${statusOf(span)})`;
}

function barOf({ offsetUs, span }: WaterfallRow, { durationUs }: Waterfall, width: number): string {
  const scale = durationUs === 0 ? 0 : width / durationUs;
  const from = Math.min(width - 1, Math.max(0, Math.floor(offsetUs * scale)));
  const length = Math.max(1, Math.min(width - from, Math.round(span.durationUs * scale)));
  return `${" ".repeat(from)}${"▇".repeat(length)}${" ".repeat(width - from - length)}`;
}

/** At most so many characters. */
export function cutTo(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}

function notesOf({ rows }: Waterfall, dropped: number): readonly string[] {
  const orphans = rows.filter(({ isOrphan }) => isOrphan).length;
  return [
    ...(orphans === 0
      ? []
      : [
          `${orphans === 1 ? "a span names" : `${orphans} spans name`} a parent that was not reported: a caller outside the mesh, or one that sends no spans`,
        ]),
    ...(dropped === 0 ? [] : [`${dropped} further spans were left out: a trace keeps 2,000`]),
  ];
}
