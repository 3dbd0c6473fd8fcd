// Why an object is of no kind we can read: no apiVersion, a misspelt kind, another version, or a kind nothing acts on yet.

import type { Finding } from "./finding.ts";
import { isJsonObject, type JsonObject } from "./json.ts";
import { allKinds, groupVersionOf, isNotSupportedYet, kindOf } from "./registry.ts";
import { closest } from "./suggest.ts";

/** Undefined when the kind is known. */
export function kindProblem(object: unknown): Finding | undefined {
  if (!isJsonObject(object)) return { code: "LTN0006", path: [], message: "the document is not a mapping" };
  const { apiVersion, kind } = { apiVersion: object["apiVersion"], kind: object["kind"] };
  if (typeof apiVersion !== "string" || apiVersion === "") return missing("apiVersion");
  if (typeof kind !== "string" || kind === "") return missing("kind");
  if (kindOf(apiVersion, kind) === undefined) return unknownKind(apiVersion, kind);
  return metadataProblem(object);
}

function missing(field: string): Finding {
  return { code: "LTN0006", path: [field], message: `the document has no \`${field}\`` };
}

function unknownKind(apiVersion: string, kind: string): Finding {
  const { group, version } = groupVersionOf(apiVersion);
  if (isNotSupportedYet(group, kind))
    return { code: "LTN0008", path: ["kind"], message: `kind ${kind} (${apiVersion}) isn't supported yet` };
  const sameKind = allKinds().find((definition) => definition.kind === kind);
  if (sameKind !== undefined) {
    const wanted = sameKind.versions.map((accepted) => (sameKind.group === "" ? accepted : `${sameKind.group}/${accepted}`));
    const code = sameKind.group === group ? "LTN0009" : "LTN0007";
    const message =
      sameKind.group === group ? `${kind} has no version "${version}"` : `there is no kind ${kind} in the API group "${group}"`;
    return { code, path: ["apiVersion"], message, fix: `Write apiVersion: ${wanted.join(" or ")}.` };
  }
  const suggestion = closest(
    kind,
    allKinds().map((definition) => definition.kind),
  );
  const message = `there is no kind ${kind} in ${apiVersion}${suggestion === undefined ? "" : `; did you mean ${suggestion}?`}`;
  return { code: "LTN0007", path: ["kind"], message };
}

function metadataProblem(object: JsonObject): Finding | undefined {
  if (isJsonObject(object["metadata"])) return undefined;
  return { code: "LTN0102", path: ["metadata"], message: "`metadata` is required", fix: "Add metadata with a name." };
}
