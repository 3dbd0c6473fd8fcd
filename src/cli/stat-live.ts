// Golden numbers drawn every second, until Ctrl-C or nobody reads; a control plane that is away is said, and waited for.

import type { ApiClient } from "../http/client-types.ts";
import type { StatReply, StatRequest } from "../http/telemetry-contract.ts";
import { MeshError } from "../lib/errors.ts";
import type { CommandContext } from "./command.ts";
import { drawLive } from "./live.ts";
import { ReaderSignal } from "./reader-gone.ts";

export interface LiveStat {
  readonly client: Pick<ApiClient, "stat">;
  readonly request: StatRequest;
  readonly lines: (reply: StatReply) => readonly string[];
}

const everyMs = 1000;

/** Returns when the signal aborts. @throws MeshError other than unavailable. */
export async function drawStat(
  { client, request, lines }: LiveStat,
  { terminal, signal }: Pick<CommandContext, "terminal" | "signal">,
): Promise<void> {
  using reader = new ReaderSignal(signal);
  let shown: readonly string[] = [];
  const next = async () => {
    try {
      shown = lines(await client.stat(request));
      return { lines: shown, isLast: false };
    } catch (error) {
      if (MeshError.from(error).code !== "unavailable") throw error;
      return { lines: [...shown, terminal.colours.yellow("the control plane is away: these numbers are old")], isLast: false };
    }
  };
  await drawLive(next, { terminal, signal: reader.signal, everyMs });
}
