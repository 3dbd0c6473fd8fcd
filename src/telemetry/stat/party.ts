// Whether the labels of a series are of what a person asked for. Pure.

import { isHostNamed, type Party } from "../party.ts";
import type { Labels } from "../point.ts";

/** A party of which series know: they name no pods, so that one is nobody's. */
export type StatParty = Pick<Party, "kind" | "name" | "namespace">;

/** Whether labels say that the party asked. A caller's service is its application's name. */
export function isFrom({ kind, name, namespace }: StatParty, labels: Labels): boolean {
  const own = labels["source_workload_namespace"];
  const names = namesOf(kind, labels["source_workload"], labels["source_canonical_service"]);
  return isNamed(name, names, own) && isIn(namespace, own, name);
}

/** Whether labels say that the party was asked: a workload, or a service by its name or host. */
export function isTo({ kind, name, namespace }: StatParty, labels: Labels): boolean {
  const { destination_service: host = "", destination_workload: workload, destination_canonical_service: app } = labels;
  const asks = kind === "any" || kind === "service";
  if (asks && isHostNamed(host, name) && isIn(namespace, labels["destination_service_namespace"], name)) return true;
  const own = labels["destination_workload_namespace"];
  return kind !== "service" && isNamed(name, namesOf(kind, workload, app), own) && isIn(namespace, own, name);
}

/** Whether labels are of the workload, by its name or its application's. */
export function isWorkload(name: string, labels: Labels): boolean {
  const { destination_workload: workload, destination_canonical_service: app, destination_workload_namespace: own } = labels;
  return isNamed(name, [workload, app], own);
}

/** What somebody is called by whom: the name of the workload, and of its application. */
function namesOf(kind: StatParty["kind"], workload: string | undefined, app: string | undefined): readonly (string | undefined)[] {
  if (kind === "any") return [workload, app];
  if (kind === "pod") return [];
  return [kind === "workload" ? workload : app];
}

function isNamed(name: string, names: readonly (string | undefined)[], namespace: string | undefined): boolean {
  return names.some((one) => one !== undefined && (one === name || `${one}.${namespace}` === name));
}

/** A name with a dot names its namespace, or is a host: then it is meant whatever the namespace. */
function isIn(wanted: string | undefined, namespace: string | undefined, name: string): boolean {
  return wanted === undefined || wanted === namespace || name.includes(".");
}
