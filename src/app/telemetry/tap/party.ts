// Whether an end of a live request is what a person asked for. Pure.

import type { TapEnd } from "../../../http/tap-contract.ts";
import { isHostNamed, type Party } from "../../../telemetry/party.ts";

/** Whether the end is the party. */
export function isParty(party: Party, end: TapEnd): boolean {
  const { kind, name, namespace } = party;
  const isHere = namespace === undefined || end.namespace === undefined || end.namespace === namespace;
  if (kind !== "service" && isHere && (end.pod === name || (kind !== "pod" && end.workload === name))) return true;
  if (kind === "pod" || kind === "workload") return false;
  if (end.name === name || `${end.workload}.${end.namespace}` === name) return true;
  return end.services.some((host) => isHost(host, name, namespace));
}

/** A name without a dot is meant in the party's namespace. */
function isHost(host: string, name: string, namespace: string | undefined): boolean {
  const isHere = namespace === undefined || name.includes(".") || host === name || host.split(".")[1] === namespace;
  return isHere && isHostNamed(host, name);
}
