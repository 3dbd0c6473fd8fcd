// Who sees what: exportTo, host names that match, and per namespace the one service behind each host name.
// Source: Istio pilot/pkg/model/push_context.go.

import { hostMatches } from "../api/hosts.ts";
import { memoObject } from "./memo.ts";
import type { MeshService, Visibility } from "./mesh.ts";

/** Reads an exportTo list; empty means everywhere, "." the object's own namespace, "~" nobody. */
export function visibilityOf(exportTo: readonly string[], ownNamespace: string): Visibility {
  if (exportTo.length === 0 || exportTo.includes("*")) return "all";
  return new Set(exportTo.filter((name) => name !== "~").map((name) => (name === "." ? ownNamespace : name)));
}

/** Whether an object with this visibility may be seen from a namespace. */
function isVisible(visibility: Visibility, namespace: string): boolean {
  return visibility === "all" || visibility.has(namespace);
}

const exportsOf = memoObject((resource: Exporting) => visibilityOf(resource.spec.exportTo, resource.metadata.namespace));

interface Exporting {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly exportTo: readonly string[] };
}

/** Whether a resource with an exportTo list may be seen from a namespace. */
export function isExportedTo(resource: Exporting, namespace: string): boolean {
  return isVisible(exportsOf(resource), namespace);
}

/** The narrower of two host patterns when they have hosts in common. */
export function hostIntersection(a: string, b: string): string | undefined {
  if (hostMatches(a, b)) return b;
  return hostMatches(b, a) ? a : undefined;
}

/** All patterns that cover a host, most specific first: itself, "*.c.d", "*.d", …, "*". */
export function coveringPatterns(host: string): readonly string[] {
  const labels = host.replace(/^\*\./, "").split(".");
  const start = host.startsWith("*") ? 0 : 1;
  const wildcards = labels.slice(start).map((_, index) => `*.${labels.slice(start + index).join(".")}`);
  return [...new Set([host, ...wildcards, "*"])];
}

/** Oldest first; names break ties, so the order never depends on when we learned of an object. */
export function byAge<
  T extends { readonly metadata: { readonly creationTimestamp: string; readonly name: string; readonly namespace: string } },
>(resources: readonly T[]): readonly T[] {
  return [...resources].sort(
    (a, b) =>
      compare(a.metadata.creationTimestamp, b.metadata.creationTimestamp) ||
      compare(a.metadata.namespace, b.metadata.namespace) ||
      compare(a.metadata.name, b.metadata.name),
  );
}

/** The same order for the model's services. */
export function oldestServices<T extends { readonly createdAt: string; readonly name: string; readonly namespace: string }>(
  services: readonly T[],
): readonly T[] {
  return services.toSorted((a, b) => compare(a.createdAt, b.createdAt) || compare(a.namespace, b.namespace) || compare(a.name, b.name));
}

/** Orders text by code unit, the same on every machine. */
export function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** What one namespace's clients see: per host name the service that answers for it, sorted by host name. */
export interface NamespaceView {
  readonly namespace: string;
  readonly services: ReadonlyMap<string, MeshService>;
}

/** The view of one namespace: the own namespace's object wins over others, a Service over a ServiceEntry, the older over the younger. */
export function namespaceView(services: ReadonlyMap<string, MeshService>, namespace: string): NamespaceView {
  const byHost = new Map<string, MeshService>();
  for (const service of services.values()) {
    if (!isVisible(service.exportTo, namespace)) continue;
    const rival = byHost.get(service.hostname);
    if (rival === undefined || precedes(service, rival, namespace)) byHost.set(service.hostname, service);
  }
  return { namespace, services: new Map([...byHost].sort(([a], [b]) => compare(a, b))) };
}

function precedes(a: MeshService, b: MeshService, namespace: string): boolean {
  const own = Number(b.namespace === namespace) - Number(a.namespace === namespace);
  const kind = Number(b.kind === "Service") - Number(a.kind === "Service");
  return (own || kind || compare(a.createdAt, b.createdAt) || compare(a.id, b.id)) < 0;
}
