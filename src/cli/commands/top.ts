// `lateen top`: the busiest calls, caller → service and version by response code, drawn again every second; plain lines off a terminal.

import type { StatReply, StatRequest } from "../../http/telemetry-contract.ts";
import type { StatRow } from "../../telemetry/stat/stat.ts";
import { exitCode, formatOption, type RunCommand } from "../command.ts";
import { connect } from "../connect.ts";
import type { Terminal } from "../output.ts";
import { drawStat } from "../stat-live.ts";
import { askedOf, commonRequest } from "../stat-request.ts";
import { noteLines, statNotes, statTable } from "../stat-view.ts";

/** Rows off a terminal; on one as many as fit. */
const maxRows = 20;

export const runTop: RunCommand = async ({ options }, context) => {
  const { config, terminal } = context;
  const format = formatOption(options, ["table", "json"]);
  const request: StatRequest = { by: "edge", ...commonRequest(options) };
  const lines = (reply: StatReply) =>
    format === "json" ? [JSON.stringify({ ...reply, rows: busiest(reply.rows) })] : screenOf(reply, request, terminal);
  const client = connect(config, terminal, { isLive: options["once"] !== true });
  try {
    if (options["once"] === true) for (const line of lines(await client.stat(request))) terminal.out(line);
    else await drawStat({ client, request, lines }, format === "json" ? { ...context, terminal: { ...terminal, isTty: false } } : context);
    return exitCode.ok;
  } finally {
    client.close();
  }
};

/** What happened in the window, the most requests first, then the most bytes. */
function busiest(rows: readonly StatRow[]): readonly StatRow[] {
  const bytes = ({ tcpReceivedPerSecond = 0, tcpSentPerSecond = 0 }: StatRow) => tcpReceivedPerSecond + tcpSentPerSecond;
  return rows
    .filter(({ state }) => state === "live")
    .toSorted((a, b) => b.requests - a.requests || bytes(b) - bytes(a) || b.openConnections - a.openConnections);
}

function screenOf(reply: StatReply, request: StatRequest, terminal: Terminal): readonly string[] {
  const { colours, isTty } = terminal;
  const rows = busiest(reply.rows);
  const room = isTty ? Math.max(3, (process.stdout.rows ?? maxRows) - 6) : maxRows;
  const total = rows.reduce((sum, { requestsPerSecond = 0 }) => sum + requestsPerSecond, 0);
  const time = reply.asOf.slice(11, 19);
  const head = `${time} UTC   ${total.toFixed(1)} requests/s in ${rows.length} ${rows.length === 1 ? "row" : "rows"}, last ${reply.windowMs / 1000} s`;
  const left = rows.length > room ? [colours.dim(`${rows.length - room} more rows; -n, --from and --to show fewer`)] : [];
  const table = rows.length === 0 ? [] : statTable({ by: "edge", rows: rows.slice(0, room) }, terminal).split("\n");
  return [head, ...table, ...left, ...noteLines(statNotes(reply, askedOf(request)), terminal)];
}
