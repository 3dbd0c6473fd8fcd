// A view that is drawn again and again: in place on a terminal; elsewhere each new state once, as plain lines.

import { setTimeout as pause } from "node:timers/promises";
import type { Terminal } from "./output.ts";

export interface LiveOptions {
  readonly terminal: Pick<Terminal, "out" | "raw" | "isTty">;
  readonly signal: AbortSignal;
  readonly everyMs: number;
}

/** Draws what `lines` returns until it says that it was the last, or the signal aborts; true when it was the last. */
export async function drawLive(
  lines: () => Promise<{ readonly lines: readonly string[]; readonly isLast: boolean }>,
  { terminal, signal, everyMs }: LiveOptions,
): Promise<boolean> {
  let before = "";
  let height = 0;
  while (!signal.aborted) {
    const { lines: next, isLast } = await lines();
    const text = next.join("\n");
    if (text !== before) {
      // Up to where the last drawing began, and everything below it away.
      if (terminal.isTty && height > 0) terminal.raw(`\u001b[${height}A\u001b[J`);
      terminal.out(text);
      height = text.split("\n").length;
      before = text;
    }
    if (isLast) return true;
    await pause(everyMs, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
