// `lateen stat`: rate, success and latency of services, workloads, versions or callers, in the last seconds.

import { exitCode, formatOption, type RunCommand } from "../command.ts";
import { connect } from "../connect.ts";
import { drawStat } from "../stat-live.ts";
import { askedOf, statRequestOf } from "../stat-request.ts";
import { noteLines, statNotes, statTable } from "../stat-view.ts";

export const runStat: RunCommand = async ({ args, options }, context) => {
  const { config, terminal } = context;
  const format = formatOption(options, ["table", "wide", "json"]);
  const request = statRequestOf(args, options);
  const client = connect(config, terminal, { isLive: options["watch"] === true });
  try {
    if (options["watch"] === true) {
      await drawStat({ client, request, lines: (reply) => (format === "json" ? [JSON.stringify(reply)] : linesOf(reply)) }, context);
      return exitCode.ok;
    }
    const reply = await client.stat(request);
    if (format === "json") {
      terminal.out(JSON.stringify(reply, null, 2));
      return exitCode.ok;
    }
    if (reply.rows.length > 0) terminal.out(statTable(reply, terminal, format === "wide"));
    for (const note of statNotes(reply, askedOf(request))) terminal.err(note);
    return exitCode.ok;
  } finally {
    client.close();
  }

  function linesOf(reply: Parameters<typeof statNotes>[0]): readonly string[] {
    const table = reply.rows.length > 0 ? statTable(reply, terminal, format === "wide").split("\n") : [];
    return [...table, ...noteLines(statNotes(reply, askedOf(request)), terminal)];
  }
};
