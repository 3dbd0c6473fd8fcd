// What `lateen demo` shows: rows -> a kubectl-like table, or one line per second.

import type { TrafficView } from "../app/demo/run-traffic.ts";
import type { Suggestion } from "../app/demo/shop.ts";
import type { VersionRow } from "../app/demo/table-model.ts";
import { type Colours, table } from "./output.ts";

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
