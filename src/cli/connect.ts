// The mesh a command works on: its API client, or the one sentence that says it isn't running.

import { type MeshConfig, runFiles } from "../app/config.ts";
import { supervisorOf } from "../app/run-dir.ts";
import { createApiClient } from "../http/client.ts";
import type { ApiClient } from "../http/client-types.ts";
import { Unavailable } from "../lib/errors.ts";

const restartMs = 10_000;

/** A client of the running mesh. @throws Unavailable when no mesh of that name runs. */
export function connect(config: MeshConfig): ApiClient {
  if (supervisorOf(config) === undefined) {
    throw new Unavailable(`the mesh "${config.mesh}" is not running`, {
      fix: "start it with `lateen up -f <manifests>`, or name another one with --mesh",
    });
  }
  // The supervisor starts a control plane that has ended again.
  return createApiClient({ socketPath: runFiles.apiSocket(config.runDir), restartMs });
}
