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

/** Returns when the signal aborts. @throws MeshError other than unavailable; NotFound for a name that was nobody's from the start. */
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
      const { code, message } = MeshError.from(error);
      // Who goes while somebody watches isn't misspelt.
      if (code !== "unavailable" && (code !== "not_found" || shown.length === 0)) throw error;
      const note = code === "not_found" ? message : "the control plane is away: these numbers are old";
      return { lines: [...shown, terminal.colours.yellow(note)], isLast: false };
    }
  };
  await drawLive(next, { terminal, signal: reader.signal, everyMs });
}
