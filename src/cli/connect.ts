// The mesh a command works on: its API client, or the one sentence that says it isn't running. A control plane that keeps silent is told before it is
// given up.

import { type MeshConfig, runFiles } from "../app/config.ts";
import { supervisorOf } from "../app/run-dir.ts";
import { createApiClient } from "../http/client.ts";
import type { ApiClient } from "../http/client-types.ts";
import { Unavailable } from "../lib/errors.ts";
import type { Terminal } from "./output.ts";

const restartMs = 10_000;
/** An answer takes milliseconds; longer than a person waits without wondering. */
const silentMs = 3000;

export interface ConnectOptions {
  /** A view that is drawn again and again: a question without an answer ends soon, and the view says so itself. */
  readonly isLive?: boolean;
}

/** A client of the running mesh. @throws Unavailable when no mesh of that name runs. */
export function connect(
  config: MeshConfig,
  terminal: Pick<Terminal, "err" | "colours">,
  { isLive = false }: ConnectOptions = {},
): ApiClient {
  if (supervisorOf(config) === undefined) {
    throw new Unavailable(`the mesh "${config.mesh}" is not running`, {
      fix: "start it with `lateen up -f <manifests>`, or name another one with --mesh",
    });
  }
  let isTold = false;
  const tell = (): void => {
    if (!isTold) terminal.err(terminal.colours.yellow(`the control plane of mesh "${config.mesh}" doesn't answer; waiting for it`));
    isTold = true;
  };
  const silence = isLive ? { idleMs: silentMs } : { silence: { afterMs: silentMs, tell } };
  // The supervisor starts a control plane that has ended again.
  return createApiClient({ socketPath: runFiles.apiSocket(config.runDir), restartMs, ...silence });
}
