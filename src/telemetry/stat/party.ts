// What people call a service or a workload, "web", "web.shop", "shop/web", "deploy/web", and whether labels are of it. Pure.

import type { Labels } from "../point.ts";

export interface StatParty {
  readonly name: string;
  /** Undefined: any. */
  readonly namespace: string | undefined;
}

/** Kinds that people write before a name: they say nothing here. */
const kinds: ReadonlySet<string> = new Set([
  "deploy",
  "deployment",
  "deployments",
  "workload",
  "svc",
  "service",
  "services",
  "sts",
  "statefulset",
]);

/** Reads a party; `namespace` is of those that name none. */
export function parseStatParty(text: string, namespace: string | undefined): StatParty {
  const [first = "", ...more] = text.split("/");
  if (more.length === 0) return { name: text, namespace };
  return kinds.has(first) ? parseStatParty(more.join("/"), namespace) : { name: more.join("/"), namespace: first };
}

/** Whether labels say that the party asked. */
export function isFrom({ name, namespace }: StatParty, labels: Labels): boolean {
  const own = labels["source_workload_namespace"];
  return isNamed(name, [labels["source_workload"], labels["source_canonical_service"]], own) && isIn(namespace, own, name);
}

/** Whether labels say that the party was asked: a workload, or a service by its name or host. */
export function isTo({ name, namespace }: StatParty, labels: Labels): boolean {
  const { destination_service: host = "", destination_workload_namespace: ofWorkload } = labels;
  if (isHost(name, host) && isIn(namespace, labels["destination_service_namespace"], name)) return true;
  return isWorkload(name, labels) && isIn(namespace, ofWorkload, name);
}

/** Whether labels are of the workload, by its name or its application's. */
export function isWorkload(
  name: string,
  { destination_workload: workload, destination_canonical_service: app, ...labels }: Labels,
): boolean {
  return isNamed(name, [workload, app], labels["destination_workload_namespace"]);
}

/** "web", "web.shop" and more of it, as far as it is written. */
export function isHost(name: string, host: string): boolean {
  return host === name || host.startsWith(`${name}.`);
}

function isNamed(name: string, names: readonly (string | undefined)[], namespace: string | undefined): boolean {
  return names.some((one) => one !== undefined && (one === name || `${one}.${namespace}` === name));
}

/** A name with a dot names its namespace, or is a host: then it is meant whatever the namespace. */
function isIn(wanted: string | undefined, namespace: string | undefined, name: string): boolean {
  return wanted === undefined || wanted === namespace || name.includes(".");
}
