// Waits for the end of a running mesh: Ctrl-C, `lateen down`, or the node's own end.

import type { Supervisor } from "../app/supervisor.ts";
import { MeshError } from "../lib/errors.ts";
import type { Terminal } from "./output.ts";

/** Resolves when the signal aborts. @throws MeshError when the node ended by itself. */
export async function untilStopped(supervisor: Supervisor, signal: AbortSignal, terminal: Terminal): Promise<void> {
  const stopped = new Promise<"stopped">((resolve) => {
    if (signal.aborted) resolve("stopped");
    signal.addEventListener("abort", () => resolve("stopped"), { once: true });
  });
  const how = await Promise.race([stopped, supervisor.nodeExited]);
  if (how === "stopped") return;
  terminal.err(`the node process ended (${how}), and every pod with it`);
  throw new MeshError("internal", "the node process ended by itself", { fix: "start the mesh again; LATEEN_LOG=debug shows more" });
}
