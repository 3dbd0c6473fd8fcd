// labelSelector and fieldSelector of a request to one predicate over stored objects.

import { selectorMatches } from "../../api/kubernetes/label-selector.ts";
import { MeshError } from "../../lib/errors.ts";
import { isJsonObject } from "../../store/json.ts";
import { parseLabelSelector } from "../../store/selector.ts";
import type { Stored } from "../../store/store.ts";

export type Selection = (stored: Stored) => boolean;

/** Fields that can be selected by, and how they are read. */
const fields: Readonly<Record<string, (stored: Stored) => string>> = {
  "metadata.name": (stored) => stored.name,
  "metadata.namespace": (stored) => stored.namespace ?? "",
  "spec.nodeName": (stored) => textAt(stored.raw["spec"], "nodeName"),
  "status.phase": (stored) => textAt(stored.raw["status"], "phase"),
  // As for Events in kube-apiserver: what `kubectl describe` asks for.
  "involvedObject.kind": (stored) => textAt(stored.raw["involvedObject"], "kind"),
  "involvedObject.namespace": (stored) => textAt(stored.raw["involvedObject"], "namespace"),
  "involvedObject.name": (stored) => textAt(stored.raw["involvedObject"], "name"),
  "involvedObject.uid": (stored) => textAt(stored.raw["involvedObject"], "uid"),
  "involvedObject.apiVersion": (stored) => textAt(stored.raw["involvedObject"], "apiVersion"),
  "involvedObject.resourceVersion": (stored) => textAt(stored.raw["involvedObject"], "resourceVersion"),
  "involvedObject.fieldPath": (stored) => textAt(stored.raw["involvedObject"], "fieldPath"),
  reason: (stored) => textAt(stored.raw, "reason"),
  type: (stored) => textAt(stored.raw, "type"),
};

function textAt(object: unknown, field: string): string {
  const value = isJsonObject(object) ? object[field] : undefined;
  return typeof value === "string" ? value : "";
}

/** @throws MeshError bad_request that names the term it can't read. */
export function selectionOf(query: {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}): Selection {
  const labels = query.labelSelector === undefined ? undefined : parseLabelSelector(query.labelSelector);
  const terms = (query.fieldSelector ?? "").split(",").filter((term) => term !== "");
  const fieldTerms = terms.map(parseFieldTerm);
  return (stored) =>
    fieldTerms.every((holds) => holds(stored)) && (labels === undefined || selectorMatches(labels, stored.raw.metadata.labels ?? {}));
}

function parseFieldTerm(term: string): Selection {
  const parts = /^([^!=]+)(==|=|!=)(.*)$/.exec(term);
  const field = parts?.[1] ?? "";
  const read = Object.hasOwn(fields, field) ? fields[field] : undefined;
  if (parts === null || read === undefined) {
    throw new MeshError("bad_request", `can't select by the field term "${term.slice(0, 80)}"`, {
      fix: `Use = or != with ${Object.keys(fields).join(", ")}.`,
    });
  }
  const wanted = parts[3] ?? "";
  return parts[2] === "!=" ? (stored) => read(stored) !== wanted : (stored) => read(stored) === wanted;
}
