// `lateen trace get <id>`: one trace as a waterfall.

import { exitCode, formatOption, type RunCommand } from "../command.ts";
import { connect } from "../connect.ts";
import { printTrace } from "../trace-view.ts";

export const runTraceGet: RunCommand = async ({ args, options }, { config, terminal }) => {
  const format = formatOption(options, ["tree", "json"]);
  const client = connect(config, terminal);
  try {
    const trace = await client.traces.get((args[0] ?? "").toLowerCase());
    if (format === "json") terminal.out(JSON.stringify(trace, null, 2));
    else printTrace(trace, terminal);
    return exitCode.ok;
  } finally {
    client.close();
  }
};
