// Labels of a request → how it ended. The one place that says what counts as failed.

import type { Labels } from "../point.ts";

/** failed: the server's or the network's fault; refused: the request's own (4xx); abandoned: its client left before the answer. */
export type Outcome = "ok" | "refused" | "failed" | "abandoned";

/** gRPC codes that are the server's fault (OpenTelemetry's conventions for RPC): UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS. */
const failedStatuses: ReadonlySet<string> = new Set(["2", "4", "12", "13", "14", "15"]);

/** Envoy's flags of a client that went away: it closed the connection, or reset the stream. */
const leftFlags: readonly string[] = ["DC", "DR"];

/** Of a response that ended in its middle: its connection ended (UC), the server reset it (UR), it was cut off (UPE), or its time was over (UT). */
const cutFlags: readonly string[] = ["UC", "UR", "UPE", "UT"];

/** Response code 0 means that there was no response: a reset or a timeout, unless the client went away. Servers may end an upgraded connection (101). */
export function outcomeOf(labels: Labels): Outcome {
  const { response_code: code = "", grpc_response_status: status = "", response_flags: flags = "" } = labels;
  const all = flags.split(",");
  const hasOne = (wanted: readonly string[]) => all.some((flag) => wanted.includes(flag));
  if (code === "0" || code === "499") return hasOne(leftFlags) || code === "499" ? "abandoned" : "failed";
  if (code !== "101" && hasOne(cutFlags)) return "failed";
  if (code.startsWith("5") || failedStatuses.has(status)) return "failed";
  return code.startsWith("4") || !["", "0"].includes(status) ? "refused" : "ok";
}
