// The store's Parser over api's table of kinds.

import { parseResource } from "../api/parse.ts";
import { kindOf } from "../api/registry.ts";
import type { Parser } from "./parser.ts";

/** Parses with the kinds of api/registry.ts. */
export const apiParser: Parser = {
  kindOf: (raw) => {
    const definition = kindOf(raw.apiVersion, raw.kind);
    if (definition === undefined) return undefined;
    const { kind, namespaced, group, versions } = definition;
    return { kind, namespaced, apiVersion: group === "" ? versions[0] : `${group}/${versions[0]}` };
  },
  parse: (raw) => {
    const { resource, diagnostics } = parseResource(raw);
    return { value: resource?.value, diagnostics };
  },
};
