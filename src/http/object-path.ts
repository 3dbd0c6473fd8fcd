// Where an object or a collection is in the API, by its kind: Kubernetes' paths. Apart from the client, which loads it when an object is first asked for:
// it needs all kinds, and half of the commands none.

import { isKindName, type KindName, kinds } from "../api/registry.ts";
import { MeshError } from "../lib/errors.ts";
import type { RawResource } from "../store/store.ts";
import type { ObjectRef } from "./client-types.ts";

/** The path of a kind's objects: of one namespace, or of all. */
export function collectionPath(kind: KindName, namespace: string | undefined): string {
  const { group, versions, plural, namespaced } = kinds[kind];
  const root = group === "" ? `/api/${versions[0]}` : `/apis/${group}/${versions[0]}`;
  return namespaced && namespace !== undefined ? `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}` : `${root}/${plural}`;
}

/** The path of one object; its namespace is "default" unless given. */
export function objectPath({ kind, namespace = "default", name }: ObjectRef): string {
  return `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
}

/** The path in the version the object is written in; the server refuses a body of another one. */
export function versioned(path: string, raw: RawResource): string {
  const { group, versions } = kinds[kindNameOf(raw)];
  const stored = group === "" ? versions[0] : `${group}/${versions[0]}`;
  return raw.apiVersion === stored ? path : path.replace(`/${stored}/`, `/${raw.apiVersion}/`);
}

/** An object's kind. @throws MeshError bad_request when there is none of that name. */
export function kindNameOf(raw: RawResource): KindName {
  if (isKindName(raw.kind)) return raw.kind;
  throw new MeshError("bad_request", `there is no kind ${raw.kind}`, { fix: "Check its spelling." });
}

/** The name by which an object is asked for. @throws MeshError bad_request when its kind is unknown. */
export function refOf(raw: RawResource): ObjectRef {
  return { kind: kindNameOf(raw), namespace: raw.metadata.namespace, name: raw.metadata.name ?? "" };
}
