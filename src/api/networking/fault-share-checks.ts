// Warns of faults that hit no request because they say no percentage: Istio's reference once promised all requests, its code never did.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import type { HttpRoute } from "./virtual-service.ts";

/** Findings about the `fault` of one route. */
export function checkFaultShares({ fault }: HttpRoute, path: FieldPath): readonly Finding[] {
  const silentDelay = fault?.delay !== undefined && fault.delay.percentage === undefined && fault.delay.percent === undefined;
  const silentAbort = fault?.abort !== undefined && fault.abort.percentage === undefined;
  return [...(silentDelay ? [noShare([...path, "delay"])] : []), ...(silentAbort ? [noShare([...path, "abort"])] : [])];
}

function noShare(path: FieldPath): Finding {
  const message = `\`${printPath(path)}\` has no percentage, so it hits no request`;
  return { code: "LTN0217", path, message, fix: "Add percentage: {value: 100} for all requests." };
}
