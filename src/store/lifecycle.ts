// What an API server does to an object on its way in: stamps, generation, what an update keeps, what a deletion leaves. Pure, JSON to JSON.

import { isJsonObject, sameJson } from "./json.ts";
import type { JsonObject, RawMeta, RawResource } from "./store.ts";

/** Grace period of a Pod that names none (Kubernetes PodSpec.terminationGracePeriodSeconds). */
export const defaultGraceSeconds = 30;

/** Finalizers of metav1's propagation policies; the garbage collector takes them off. */
export const foregroundFinalizer = "foregroundDeletion";
export const orphanFinalizer = "orphan";

export interface Stamp {
  readonly name: string | undefined;
  readonly namespace: string | undefined;
  readonly uid: string;
  /** RFC 3339, seconds. */
  readonly now: string;
}

/** RFC 3339 without fractions, as Kubernetes writes timestamps. */
export function timestamp(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

/** The object to store for a create: server's fields stamped, status reset. */
export function createdObject(raw: RawResource, stamp: Stamp): RawResource {
  const metadata = withoutFields(raw.metadata, [
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "generateName",
  ]);
  const { uid, now, name, namespace } = stamp;
  const generateName = raw.metadata.generateName;
  const stamped = { ...metadata, generateName, name, namespace, uid, generation: 1, creationTimestamp: now };
  return prune({ ...raw, metadata: prune(stamped), status: initialStatus(raw.kind) });
}

/** Status of a new object, before any controller saw it. */
function initialStatus(kind: string): JsonObject | undefined {
  if (kind === "Pod") return { phase: "Pending" };
  if (kind === "Namespace") return { phase: "Active" };
  return undefined;
}

/** The object to store for an update: the server's fields and status stay, generation grows when the body changed. */
export function updatedObject(current: RawResource, next: RawResource): RawResource {
  const kept = current.metadata;
  const body = carriedOver(current, next);
  const generation = (kept.generation ?? 0) + (sameBody(current, body) ? 0 : 1);
  const metadata: RawMeta = {
    ...withoutFields(next.metadata, ["managedFields", "selfLink"]),
    name: kept.name ?? "",
    generation,
    ...pick(kept, ["namespace", "generateName", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"]),
  };
  return prune({ ...body, metadata: prune(metadata), status: current["status"] });
}

/** The object to store for a status update: the current one with the other's status. */
export function statusObject(current: RawResource, next: RawResource): RawResource {
  return prune({ ...current, status: next["status"] });
}

/** The object to store while a deletion waits. `graceSeconds` is set for Pods only. */
export function endingObject(
  current: RawResource,
  { epochMs, graceSeconds, finalizers }: { epochMs: number; graceSeconds: number | undefined; finalizers: readonly string[] },
): RawResource {
  const before = current.metadata;
  const first = before.deletionTimestamp === undefined;
  const deletionTimestamp =
    first || graceSeconds !== undefined ? timestamp(epochMs + (graceSeconds ?? 0) * 1000) : before.deletionTimestamp;
  const generation = (before.generation ?? 0) + (first ? 1 : 0);
  const metadata = { ...before, generation, deletionTimestamp, deletionGracePeriodSeconds: graceSeconds, finalizers };
  const status = current.kind === "Namespace" ? { ...asObject(current["status"]), phase: "Terminating" } : current["status"];
  return prune({ ...current, metadata: prune(metadata), status });
}

/** The same object at another revision. */
export function atRevision(raw: RawResource, revision: number): RawResource {
  return { ...raw, metadata: { ...raw.metadata, resourceVersion: String(revision) } };
}

/** True when nothing but resourceVersion and generation differ. */
export function sameObject(left: RawResource, right: RawResource): boolean {
  const plain = (raw: RawResource): JsonObject => ({ ...raw, metadata: withoutFields(raw.metadata, ["resourceVersion", "generation"]) });
  return sameJson(plain(left), plain(right));
}

/** Grace period of a delete in seconds; undefined for kinds that have none, 0 for a Pod that has already ended. */
export function graceSecondsOf(raw: RawResource, requested: number | undefined): number | undefined {
  if (raw.kind !== "Pod") return undefined;
  const phase = asObject(raw["status"])["phase"];
  if (phase === "Succeeded" || phase === "Failed") return 0;
  const own = asObject(raw["spec"])["terminationGracePeriodSeconds"];
  const grace = requested ?? (typeof own === "number" ? own : defaultGraceSeconds);
  // A second delete can only shorten the wait.
  const running = raw.metadata.deletionGracePeriodSeconds;
  return running === undefined ? grace : Math.min(grace, running);
}

function sameBody(left: RawResource, right: RawResource): boolean {
  return sameJson(withoutFields(left, ["metadata", "status"]), withoutFields(right, ["metadata", "status"]));
}

/** Fields the server filled in and a whole-object update usually omits: a Service's address, a Pod's node. */
function carriedOver(current: RawResource, next: RawResource): RawResource {
  const spec = next["spec"];
  const before = current["spec"];
  if (!isJsonObject(spec) || !isJsonObject(before)) return next;
  if (next.kind === "Service" && spec["type"] !== "ExternalName")
    return { ...next, spec: { ...pick(before, ["clusterIP", "clusterIPs"]), ...spec } };
  if (next.kind === "Pod") return { ...next, spec: { ...pick(before, ["nodeName"]), ...spec } };
  return next;
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function withoutFields<T extends JsonObject>(object: T, fields: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([field]) => !fields.includes(field)));
}

function pick(object: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([field]) => fields.includes(field)));
}

/** Drops undefined fields and empty finalizer lists, so that absent looks the same everywhere. */
function prune<T extends JsonObject>(object: T): T {
  const isEmpty = (field: string, value: unknown): boolean =>
    value === undefined || (field === "finalizers" && Array.isArray(value) && value.length === 0);
  const copy = { ...object };
  for (const field of Object.keys(copy)) if (isEmpty(field, copy[field])) Reflect.deleteProperty(copy, field);
  return copy;
}
