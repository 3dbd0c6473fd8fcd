// A view that is drawn again and again: in place on a terminal; elsewhere each new state once, as plain lines.

import { setTimeout as pause } from "node:timers/promises";
import { folded, LivePlace } from "./live-place.ts";
import type { Terminal } from "./output.ts";

export interface LiveOptions {
  readonly terminal: Pick<Terminal, "out" | "raw" | "isTty" | "columns" | "rows">;
  readonly signal: AbortSignal;
  readonly everyMs: number;
}

/** Draws what `lines` returns until it says that it was the last, or the signal aborts; true when it was the last. */
export async function drawLive(
  lines: () => Promise<{ readonly lines: readonly string[]; readonly isLast: boolean }>,
  { terminal, signal, everyMs }: LiveOptions,
): Promise<boolean> {
  const place = terminal.isTty ? new LivePlace(terminal) : undefined;
  let before = "";
  while (!signal.aborted) {
    const { lines: next, isLast } = await lines();
    const shown = place === undefined ? next : next.flatMap((line) => line.split("\n").flatMap((one) => folded(one, terminal.columns - 1)));
    const text = shown.join("\n");
    if (text !== before) {
      if (place === undefined) terminal.out(text);
      else place.show(text);
      before = text;
    }
    if (isLast) return true;
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
