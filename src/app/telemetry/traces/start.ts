// The mesh's traces with all that they need: where spans come in, where they are kept, where they are sent on to.

import type { Logger } from "../../../lib/log.ts";
import type { Mesh } from "../../../model/mesh.ts";
import { runFiles } from "../../config.ts";
import type { MeshTelemetry } from "../mesh-telemetry.ts";
import { tracesFamilies } from "../telemetry-families.ts";
import { TraceForwarding } from "./forwarding.ts";
import { MeshTraces } from "./mesh-traces.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";
import { reachThrough } from "./reach.ts";

export interface MeshTracesInputs {
  readonly mesh: () => Mesh | undefined;
  readonly telemetry: MeshTelemetry;
  readonly runDir: string;
  readonly logger: Logger;
}

export interface RunningTraces extends Pick<MeshTraces, "search" | "get"> {
  close(): void;
}

/** Starts it. @throws when the socket can't be opened. */
export async function startMeshTraces({ mesh, telemetry, runDir, logger }: MeshTracesInputs): Promise<RunningTraces> {
  const forwarding = new TraceForwarding({ mesh, reach: reachThrough(runFiles.reachSocket(runDir)), logger });
  const traces = new MeshTraces({ mesh, telemetry, forwarding });
  const socketPath = runFiles.otlpSocket(runDir);
  const receiver = new OtlpReceiver({ socketPath, take: (address, spans) => traces.takeApplication(address, spans), logger });
  await receiver.listen();
  telemetry.showTraces(() => tracesFamilies({ counts: traces.store.counts(), refusedReports: receiver.refused }));
  return {
    search: (query) => traces.search(query),
    get: (id) => traces.get(id),
    close: () => {
      receiver.close();
      traces.close();
    },
  };
}
