// Golden numbers for people: rows -> tables of `lateen stat` and `lateen top`, and sentences for where there is nothing to show. Pure.

import type { StatReply } from "../http/telemetry-contract.ts";
import type { StatRow } from "../telemetry/stat/stat.ts";
import { age, type Colours, type Column, fittingTable, type Terminal } from "./output.ts";

type Screen = Pick<Terminal, "colours" | "isTty" | "columns">;

const unknown = "unknown";
/** In place of a number that nobody reported. */
const gap = "gap";

/** The table of `lateen stat`; `isWide` adds what numbers are made of. */
export function statTable({ by, rows }: Pick<StatReply, "by" | "rows">, screen: Screen, isWide = false): string {
  const { colours } = screen;
  const numbers = [...numberColumns(colours), ...tcpColumns(rows)];
  return fittingTable([...nameColumns[by], ...numbers, ...(isWide ? wideColumns : [])], rows, screen);
}

const cell = (label: string) => (row: StatRow) => named(row.labels[label]);
const service: Column<StatRow> = {
  heading: "SERVICE",
  cell: ({ labels }) => named(labels["destination_service_name"] ?? labels["destination_service"]),
};
const version: Column<StatRow> = { heading: "VERSION", cell: cell("destination_version") };

const nameColumns: Readonly<Record<StatReply["by"], readonly Column<StatRow>[]>> = {
  service: [{ heading: "NAMESPACE", cell: cell("destination_service_namespace") }, service],
  workload: [
    { heading: "NAMESPACE", cell: cell("destination_workload_namespace") },
    { heading: "WORKLOAD", cell: cell("destination_workload") },
  ],
  version: [
    { heading: "NAMESPACE", cell: cell("destination_service_namespace") },
    service,
    version,
    { heading: "WORKLOAD", cell: cell("destination_workload"), dropAt: 3 },
  ],
  source: [
    { heading: "NAMESPACE", cell: cell("source_workload_namespace") },
    { heading: "CALLER", cell: cell("source_workload") },
  ],
  edge: [
    { heading: "FROM", cell: ({ labels }) => `${named(labels["source_workload_namespace"])}/${named(labels["source_workload"])}` },
    { heading: "TO", cell: ({ labels }) => named(labels["destination_service"]) },
    version,
    { heading: "CODE", cell: ({ labels }) => codeText(labels) },
  ],
};

/** "-" for what proxies don't know: callers without a certificate, requests that reached nobody. */
function named(label: string | undefined): string {
  return label === undefined || label === "" || label === unknown ? "-" : label;
}

/** "200", "200 grpc 14", "503 UF", "tcp". */
function codeText(labels: StatRow["labels"]): string {
  const { request_protocol: protocol, response_code: code = "", grpc_response_status: status = "", response_flags: flags = "-" } = labels;
  const shown = code === "" ? (protocol ?? "-") : code;
  return [shown, ...(status === "" ? [] : [`grpc ${status}`]), ...(flags === "-" || flags === "" ? [] : [flags])].join(" ");
}

function numberColumns(colours: Colours): readonly Column<StatRow>[] {
  const latency = (of: "p50" | "p95" | "p99") => (row: StatRow) => (row.latency === undefined ? "-" : `${durationText(row.latency[of])}`);
  return [
    { heading: "REQ/S", cell: (row) => (row.state === "gap" ? colours.yellow(gap) : rateText(row.requestsPerSecond)) },
    { heading: "SUCCESS", cell: (row) => successText(row, colours) },
    { heading: "P50", cell: latency("p50"), dropAt: 5 },
    { heading: "P95", cell: latency("p95"), dropAt: 6 },
    { heading: "P99", cell: latency("p99") },
  ];
}

/** Only where there is TCP. */
function tcpColumns(rows: readonly StatRow[]): readonly Column<StatRow>[] {
  if (!rows.some((row) => row.tcpReceivedPerSecond !== undefined || row.tcpSentPerSecond !== undefined)) return [];
  return [
    { heading: "TCP IN/S", cell: ({ tcpReceivedPerSecond }) => bytesText(tcpReceivedPerSecond), dropAt: 8 },
    { heading: "TCP OUT/S", cell: ({ tcpSentPerSecond }) => bytesText(tcpSentPerSecond), dropAt: 7 },
    {
      heading: "OPEN",
      cell: ({ openConnections, tcpSentPerSecond }) => (tcpSentPerSecond === undefined ? "-" : String(openConnections)),
      dropAt: 4,
    },
  ];
}

const wideColumns: readonly Column<StatRow>[] = [
  { heading: "REQUESTS", cell: ({ requests }) => String(Math.round(requests)) },
  { heading: "FAILED", cell: ({ failed }) => String(Math.round(failed)) },
  { heading: "COUNTED BY", cell: ({ reporter }) => `${reporter}s` },
  { heading: "SECONDS", cell: ({ seconds }) => String(seconds) },
  { heading: "MISSING", cell: ({ missing }) => String(missing) },
];

function successText({ successShare }: StatRow, colours: Colours): string {
  if (successShare === undefined) return "-";
  // A single failure among many must not be rounded away.
  const percent = successShare === 1 ? 100 : Math.min(99.99, successShare * 100);
  const text = `${percent.toFixed(2)}%`;
  if (successShare === 1) return text;
  return successShare < 0.95 ? colours.red(text) : colours.yellow(text);
}

function rateText(perSecond: number | undefined): string {
  if (perSecond === undefined) return "-";
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

function durationText(milliseconds: number): string {
  if (milliseconds >= 10_000) return `${(milliseconds / 1000).toFixed(1)}s`;
  return milliseconds >= 100 ? `${milliseconds.toFixed(0)}ms` : `${milliseconds.toFixed(1)}ms`;
}

function bytesText(perSecond: number | undefined): string {
  if (perSecond === undefined) return "-";
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toFixed(1)}MB`;
  return perSecond >= 1000 ? `${(perSecond / 1000).toFixed(1)}kB` : `${perSecond.toFixed(0)}B`;
}

export interface Asked {
  /** "requests of services named web from shop/web-v1". */
  readonly what: string;
  /** Nothing but a window was asked for. */
  readonly isEverything: boolean;
}

/** What to say beside the table, or in its place; empty where the table says it all. */
export function statNotes(reply: StatReply, { what, isEverything }: Asked): readonly string[] {
  return [...emptyNotes(reply, { what, isEverything }), ...ageNotes(reply)];
}

function emptyNotes(reply: StatReply, { what, isEverything }: Asked): readonly string[] {
  const { rows, ageMs, windowMs, newestTrafficAgeMs, collectingMs, proxies } = reply;
  const window = age(0, windowMs);
  if (rows.some((row) => row.requests > 0 || (row.tcpReceivedPerSecond ?? 0) + (row.tcpSentPerSecond ?? 0) > 0)) return [];
  if (proxies.total === 0)
    return ["the mesh has no proxies: nothing is counted. `lateen up -f <manifests>` or `lateen apply -f` starts workloads"];
  if (ageMs === undefined) return ["no proxy has reported yet; they do every second. `lateen status` shows whether they are connected"];
  if (newestTrafficAgeMs === undefined) {
    const since = `since the control plane started ${age(0, collectingMs)} ago`;
    return [`no request has been counted ${since}. Send one through a gateway (\`lateen status\` shows pods), or see \`lateen demo\``];
  }
  const newest = age(0, newestTrafficAgeMs);
  if (isEverything && newestTrafficAgeMs <= windowMs) return [`no ${what} in the last ${window}`];
  if (isEverything)
    return [`no requests in the last ${window}; the newest is ${newest} old. \`--for ${newestWindow(newestTrafficAgeMs)}\` shows it`];
  const elsewhere =
    newestTrafficAgeMs <= windowMs ? "there is other traffic: `lateen stat -A` shows all" : `the newest of all is ${newest} old`;
  return [`no ${what} in the last ${window}; ${elsewhere}`];
}

/** Notes as lines that fit a terminal: one that wraps by itself would break a view that is drawn in place. */
export function noteLines(notes: readonly string[], { colours, isTty, columns }: Screen): readonly string[] {
  return notes.flatMap((note) => (isTty ? folded(note, columns - 1) : [note])).map((line) => colours.dim(line));
}

function folded(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** A round window that holds something so old. */
function newestWindow(ageMs: number): string {
  const minutes = Math.ceil((ageMs + 10_000) / 60_000);
  return minutes <= 60 ? `${minutes}m` : `${Math.ceil(minutes / 60)}h`;
}

/** Data is about a second old; what is older, missing or too young is said. */
const oldMs = 5000;

function ageNotes({ ageMs, windowMs, collectingMs, proxies: { silent, total } }: StatReply): readonly string[] {
  const isCutOff = ageMs !== undefined && ageMs > oldMs;
  const some = silent.slice(0, 5).join(", ");
  const more = silent.length > 5 ? `, and ${silent.length - 5} more` : "";
  return [
    ...(isCutOff ? [`the data is ${age(0, ageMs)} old: no proxy has reported since`] : []),
    ...(!isCutOff && ageMs !== undefined && silent.length > 0
      ? [`${silent.length} of ${total} proxies don't report, so their calls are missing: ${some}${more}`]
      : []),
    ...(collectingMs < windowMs && ageMs !== undefined ? [`the control plane has collected for ${age(0, collectingMs)} only`] : []),
  ];
}
