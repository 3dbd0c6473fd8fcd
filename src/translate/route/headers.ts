// `headers` of an http route or of one destination → Envoy's header operations. Setting Host or :authority is a rewrite of the host.

import type { HeaderValueOptionJson } from "#envoy/envoy/config/core/v3/base_pb.js";
import type { RouteJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { HeaderOperations, Headers } from "../../api/networking/virtual-service.ts";

/** The fields that Route and ClusterWeight share. */
export type HeaderFields = Pick<
  RouteJson,
  "requestHeadersToAdd" | "requestHeadersToRemove" | "responseHeadersToAdd" | "responseHeadersToRemove"
>;

/** What several `headers` blocks together do to headers, in order; absent fields where they do nothing. */
export function headerFields(...blocks: readonly (Headers | undefined)[]): HeaderFields {
  const fields: HeaderFields = {
    requestHeadersToAdd: blocks.flatMap((headers) => headersToAdd(headers?.request)),
    requestHeadersToRemove: blocks.flatMap((headers) => headersToRemove(headers?.request)),
    responseHeadersToAdd: blocks.flatMap((headers) => headersToAdd(headers?.response)),
    responseHeadersToRemove: blocks.flatMap((headers) => headersToRemove(headers?.response)),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, list]) => list.length > 0));
}

/** The Host that a `headers` block sets for the upstream, if any; `set` has precedence over `add`. */
export function authorityOf(headers: Headers | undefined): string | undefined {
  const operations = headers?.request;
  if (operations === undefined) return undefined;
  const entries = [...Object.entries(operations.set), ...Object.entries(operations.add)];
  return entries.find(([name]) => isAuthority(name))?.[1];
}

function headersToAdd(operations: HeaderOperations | undefined): HeaderValueOptionJson[] {
  if (operations === undefined) return [];
  return [...options(operations.set, "OVERWRITE_IF_EXISTS_OR_ADD"), ...options(operations.add, "APPEND_IF_EXISTS_OR_ADD")];
}

function options(
  values: Readonly<Record<string, string>>,
  appendAction: NonNullable<HeaderValueOptionJson["appendAction"]>,
): HeaderValueOptionJson[] {
  return Object.entries(values)
    .filter(([name]) => !isInternal(name))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ header: { key, value }, appendAction }));
}

function headersToRemove(operations: HeaderOperations | undefined): string[] {
  return (operations?.remove ?? []).filter((name) => !isInternal(name));
}

/** Envoy refuses a configuration that modifies these. */
function isInternal(name: string): boolean {
  return name.startsWith(":") || name.toLowerCase() === "host";
}

function isAuthority(name: string): boolean {
  return name.toLowerCase() === ":authority" || name.toLowerCase() === "host";
}
