// Who may be asked for by name: the mesh's workloads and services as the labels that requests of theirs would have. An answer without rows is "nothing
// happened" where a name is somebody's, and NotFound with the nearest name where it isn't. Pure.

import type { Snapshot } from "../../api/snapshot.ts";
import { closest } from "../../api/suggest.ts";
import { NotFound } from "../../lib/errors.ts";
import { workloadOf } from "../../model/endpoints.ts";
import type { Mesh, MeshService, Workload } from "../../model/mesh.ts";
import type { Labels } from "../../telemetry/point.ts";
import { workloadText } from "../../translate/endpoint/cluster-load-assignment.ts";

/** One workload or service of the mesh. */
export interface KnownEnd {
  readonly kind: "workload" | "service";
  readonly namespace: string;
  /** Of the workload, or of the service: "web"; the host for one of a ServiceEntry. */
  readonly name: string;
  readonly labels: Labels;
}

export interface KnownEnds {
  readonly ends: readonly KnownEnd[];
  readonly namespaces: ReadonlySet<string>;
}

/** Everybody who sends or answers requests, or would if it had pods. */
export function knownEndsOf(snapshot: Pick<Snapshot, "list">, { services, proxies }: Pick<Mesh, "services" | "proxies">): KnownEnds {
  const workloads: readonly Workload[] = [
    ...[...proxies.values()].map(({ workload }) => workload),
    ...snapshot.list("Pod").map(workloadOf),
    ...snapshot.list("Deployment").map(({ metadata, spec }) => ({
      name: metadata.name,
      namespace: metadata.namespace,
      labels: spec.template.metadata.labels,
    })),
  ];
  const ends = [...workloads.map(workloadEnd), ...[...services.values()].map(serviceEnd)];
  const named = snapshot.list("Namespace").map(({ metadata }) => metadata.name);
  return { ends, namespaces: new Set([...named, ...ends.map(({ namespace }) => namespace)]) };
}

function workloadEnd({ name, namespace, labels }: Workload): KnownEnd {
  const [, , app = name] = workloadText({ name, namespace, labels }).split(";");
  const own = {
    source_workload: name,
    source_workload_namespace: namespace,
    source_canonical_service: app,
    destination_workload: name,
    destination_workload_namespace: namespace,
    destination_canonical_service: app,
  };
  return { kind: "workload", namespace, name, labels: own };
}

function serviceEnd({ hostname, name, namespace, kind }: MeshService): KnownEnd {
  const own = { destination_service: hostname, destination_service_name: name, destination_service_namespace: namespace };
  return { kind: "service", namespace, name: kind === "Service" ? name : hostname, labels: own };
}

/** @throws NotFound for a namespace that isn't there. */
export function requireNamespace({ namespaces }: Pick<KnownEnds, "namespaces">, namespace: string | undefined): void {
  if (namespace === undefined || namespaces.has(namespace)) return;
  const known = [...namespaces].toSorted();
  const near = closest(namespace, known);
  const fix = near === undefined ? `namespaces: ${known.slice(0, maxNamed).join(", ")}` : `did you mean ${near}?`;
  throw new NotFound(`there is no namespace ${namespace}`, { fix });
}

const maxNamed = 20;

/** What was asked for in words, who could have been meant, and where. */
export interface Missing {
  /** "service", "workload", "workload or service". */
  readonly what: string;
  /** As it was written: "web", "shop/web", "service/web". */
  readonly text: string;
  /** The name in it. */
  readonly name: string;
  /** Of the name, or that was asked for beside it. */
  readonly namespace: string | undefined;
  /** Those whose name could have been meant. */
  readonly ends: readonly KnownEnd[];
}

/** The error for a name that is nobody's: it says where one of that name is, or the nearest name. */
export function nobodyCalled({ what, text, name, namespace, ends }: Missing): NotFound {
  const isPlaced = namespace === undefined || text.includes("/");
  const problem = `there is no ${what} ${text}${isPlaced ? "" : ` in namespace ${namespace}`}`;
  const elsewhere = [...new Set(ends.filter((end) => end.name === name).map((end) => end.namespace))].toSorted();
  if (elsewhere.length > 0) return new NotFound(problem, { fix: `there is one in namespace ${elsewhere.slice(0, maxNamed).join(", ")}` });
  const here = ends.filter((end) => namespace === undefined || end.namespace === namespace);
  const near = closest(name, namesOf(here)) ?? closest(name, namesOf(ends));
  const placed = ends.find((end) => end.name === near);
  if (near !== undefined && placed !== undefined) {
    const isHere = here.some((end) => end.name === near);
    return new NotFound(problem, { fix: `did you mean ${isHere && !text.includes("/") ? near : printed(placed)}?` });
  }
  const known = [...new Set(here.map(printed))].toSorted();
  const list = known.length === 0 ? "`lateen get services -A` shows all" : `there are ${known.slice(0, maxNamed).join(", ")}`;
  return new NotFound(problem, { fix: `${list}${known.length > maxNamed ? ", …" : ""}` });
}

/** Hosts stand for themselves. */
function printed({ namespace, name }: KnownEnd): string {
  return name.includes(".") ? name : `${namespace}/${name}`;
}

function namesOf(ends: readonly KnownEnd[]): readonly string[] {
  return [...new Set(ends.map(({ name }) => name))];
}
