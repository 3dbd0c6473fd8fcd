// The store's Parser over api's table of kinds.

import { diagnosticOf } from "../api/finding.ts";
import { kindOf } from "../api/registry.ts";
import { resourceName } from "../api/resource.ts";
import type { Parsed, Parser } from "./parser.ts";
import type { RawResource } from "./store.ts";

/** Parses with the kinds of api/registry.ts. */
export const apiParser: Parser = {
  kindOf: (raw) => {
    const definition = kindOf(raw.apiVersion, raw.kind);
    if (definition === undefined) return undefined;
    const { kind, namespaced, group, versions } = definition;
    return { kind, namespaced, apiVersion: group === "" ? versions[0] : `${group}/${versions[0]}` };
  },
  parse,
};

function parse(raw: RawResource): Parsed {
  const definition = kindOf(raw.apiVersion, raw.kind);
  if (definition === undefined) {
    const finding = { code: "LTN0007", path: ["kind"], message: `there is no kind ${raw.kind} in ${raw.apiVersion}` } as const;
    return { value: undefined, diagnostics: [diagnosticOf(finding, raw.kind)] };
  }
  const name = resourceName({ kind: raw.kind, metadata: { name: raw.metadata.name ?? "", namespace: raw.metadata.namespace } });
  const { value, findings } = definition.read(raw);
  return { value, diagnostics: findings.map((finding) => diagnosticOf(finding, name)) };
}
