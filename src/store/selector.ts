// The text form of label selectors, as kubectl's -l and the API's labelSelector write it, to metav1.LabelSelector. Pure.

import type { LabelSelector } from "../api/kubernetes/label-selector.ts";
import { MeshError } from "../lib/errors.ts";

type Requirement = LabelSelector["matchExpressions"][number];

/** Reads "app=web,tier in (a,b),!legacy". @throws MeshError bad_request that names the part it can't read. */
export function parseLabelSelector(text: string): LabelSelector {
  const matchExpressions = splitOutsideParentheses(text)
    .filter((part) => part !== "")
    .map(parseRequirement);
  return { matchLabels: {}, matchExpressions };
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === "(") depth += 1;
    else if (char === ")") depth -= 1;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  parts.push(text.slice(start).trim());
  return parts;
}

function parseRequirement(text: string): Requirement {
  const set = /^([^\s!=(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const values = (set[3] ?? "").split(",").map((value) => value.trim());
    return { key: set[1] ?? "", operator: set[2] === "in" ? "In" : "NotIn", values };
  }
  const equality = /^([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)$/.exec(text);
  if (equality !== null) return { key: equality[1] ?? "", operator: equality[2] === "!=" ? "NotIn" : "In", values: [equality[3] ?? ""] };
  const presence = /^(!?)\s*([^\s!=(),]+)$/.exec(text);
  if (presence !== null) return { key: presence[2] ?? "", operator: presence[1] === "!" ? "DoesNotExist" : "Exists", values: [] };
  throw new MeshError("bad_request", `can't read the label selector at "${text.slice(0, 80)}"`, {
    fix: 'Write comma-separated terms such as app=web, tier!=db, "env in (a,b)", release, !legacy.',
  });
}
