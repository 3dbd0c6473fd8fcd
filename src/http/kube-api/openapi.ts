// The least OpenAPI v3 that kubectl asks for before a write: that PATCH takes `fieldValidation`, so that it leaves validation to us.

import { type AnyKind, allKinds } from "../../api/registry.ts";
import { kindsIn } from "./discovery.ts";

/** /openapi/v3: which documents there are. */
export function openApiIndex(): object {
  const groupVersions = allKinds().flatMap(({ group, versions }) => versions.map((version) => pathOf(group, version)));
  const paths = [...new Set(groupVersions)].toSorted().map((path) => [path, { serverRelativeURL: `/openapi/v3/${path}` }] as const);
  return { paths: Object.fromEntries(paths) };
}

/** /openapi/v3/<path>; undefined when nothing is there. */
export function openApiDocument(group: string, version: string): object | undefined {
  const kinds = kindsIn(group, version);
  if (kinds.length === 0) return undefined;
  const paths = Object.fromEntries(
    kinds.map((definition) => [objectPath(definition, version), { patch: patchOperation(definition, version) }] as const),
  );
  return { openapi: "3.0.0", info: { title: "Lateen", version: "v1" }, paths };
}

function pathOf(group: string, version: string): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

function objectPath({ group, namespaced, plural }: AnyKind, version: string): string {
  return `/${pathOf(group, version)}/${namespaced ? "namespaces/{namespace}/" : ""}${plural}/{name}`;
}

function patchOperation({ group, kind }: AnyKind, version: string): object {
  const parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map((name) => ({
    name,
    in: "query",
    schema: { type: "string" },
  }));
  return {
    "x-kubernetes-action": "patch",
    "x-kubernetes-group-version-kind": { group, kind, version },
    parameters,
    responses: { 200: { description: "OK" } },
  };
}
