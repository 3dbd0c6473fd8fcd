// Discovery documents: what kubectl asks first. Made from the table of kinds.

import { type AnyKind, allKinds } from "../../api/registry.ts";

const verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const statusVerbs = ["get", "patch", "update"];

/** /api */
export const apiVersions = { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };

/** /apis */
export function apiGroupList(): object {
  const groups = [...new Set(allKinds().map(({ group }) => group))].filter((group) => group !== "").toSorted();
  return { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(apiGroup) };
}

/** /apis/<group>; undefined for a group without kinds. */
export function apiGroupOf(group: string): object | undefined {
  return versionsOf(group).length === 0 ? undefined : { apiVersion: "v1", ...apiGroup(group) };
}

function apiGroup(group: string) {
  const versions = versionsOf(group).map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { kind: "APIGroup", name: group, versions, preferredVersion: versions[0] };
}

/** Versions of a group, the preferred one first. */
function versionsOf(group: string): readonly string[] {
  return [...new Set(kindsOf(group).flatMap(({ versions }) => versions))];
}

function kindsOf(group: string): readonly AnyKind[] {
  return allKinds().filter((definition) => definition.group === group);
}

/** Kinds served in a group and version. */
export function kindsIn(group: string, version: string): readonly AnyKind[] {
  return kindsOf(group).filter(({ versions }) => new Set<string>(versions).has(version));
}

/** /api/v1 and /apis/<group>/<version>; undefined when nothing is there. */
export function apiResourceList(group: string, version: string): object | undefined {
  const kinds = kindsIn(group, version);
  if (kinds.length === 0) return undefined;
  const groupVersion = group === "" ? version : `${group}/${version}`;
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources: kinds.flatMap(apiResources) };
}

function apiResources({ plural, singular, namespaced, kind, shortNames }: AnyKind): object[] {
  const common = { namespaced, kind };
  return [
    { name: plural, singularName: singular, ...common, verbs, shortNames },
    { name: `${plural}/status`, singularName: "", ...common, verbs: statusVerbs },
  ];
}
