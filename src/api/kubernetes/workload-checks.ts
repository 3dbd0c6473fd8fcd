// Checks of Deployment and ReplicaSet: the selector picks the template's pods, and an update can proceed.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import type { Deployment } from "./deployment.ts";
import { type LabelSelector, selectorMatches } from "./label-selector.ts";
import { checkPodTemplate } from "./pod-checks.ts";
import type { PodTemplateSpec } from "./pod-spec.ts";
import type { ReplicaSet } from "./replica-set.ts";

/** All findings of one Deployment. */
export function checkDeployment({ spec }: Deployment): readonly Finding[] {
  return [
    ...checkSelector(spec.selector, spec.template),
    ...checkPodTemplate(spec.template, ["spec", "template"]),
    ...checkStrategy(spec.strategy, ["spec", "strategy"]),
  ];
}

/** All findings of one ReplicaSet. */
export function checkReplicaSet({ spec }: ReplicaSet): readonly Finding[] {
  return [...checkSelector(spec.selector, spec.template), ...checkPodTemplate(spec.template, ["spec", "template"])];
}

function checkSelector(selector: LabelSelector, template: PodTemplateSpec): readonly Finding[] {
  const path = ["spec", "selector"];
  if (Object.keys(selector.matchLabels).length + selector.matchExpressions.length === 0) {
    return [
      {
        code: "LTN0606",
        path,
        message: "`spec.selector` is empty and would pick every pod",
        fix: "Add matchLabels with a label of the template.",
      },
    ];
  }
  const values = selector.matchExpressions.flatMap(({ operator, values: list }, index) => {
    const at = [...path, "matchExpressions", index, "values"];
    const needs = operator === "In" || operator === "NotIn";
    if (needs === list.length > 0) return [];
    const fix = needs ? "Add values." : "Remove the values.";
    return [{ code: "LTN0606" as const, path: at, message: `operator ${operator} ${needs ? "needs values" : "takes no values"}`, fix }];
  });
  if (selectorMatches(selector, template.metadata.labels)) return values;
  const labels = Object.entries(template.metadata.labels).map(([key, value]) => `${key}=${value}`);
  const message = `\`spec.selector\` doesn't pick the pods of its own template (${labels.join(", ") || "no labels"})`;
  return [...values, { code: "LTN0606", path, message, fix: "Give selector.matchLabels and template.metadata.labels the same labels." }];
}

function checkStrategy({ type, rollingUpdate }: Deployment["spec"]["strategy"], path: FieldPath): readonly Finding[] {
  if (rollingUpdate === undefined) return [];
  const at = [...path, "rollingUpdate"];
  if (type === "Recreate")
    return [
      { code: "LTN0607", path: at, message: `\`${printPath(at)}\` has no meaning for Recreate`, fix: "Remove it, or use RollingUpdate." },
    ];
  const wrong = (["maxSurge", "maxUnavailable"] as const).flatMap((field) => checkShare(rollingUpdate[field], [...at, field]));
  const stuck = isZero(rollingUpdate.maxSurge) && isZero(rollingUpdate.maxUnavailable);
  if (wrong.length > 0 || !stuck) return wrong;
  return [
    {
      code: "LTN0607",
      path: at,
      message: "maxSurge and maxUnavailable are both 0, so an update could never begin",
      fix: "Set one of them above 0.",
    },
  ];
}

function checkShare(value: number | string, path: FieldPath): readonly Finding[] {
  if (typeof value === "number" ? value >= 0 : /^\d{1,4}%$/.test(value)) return [];
  return [
    {
      code: "LTN0607",
      path,
      message: `\`${printPath(path)}\` is ${JSON.stringify(value)}`,
      fix: 'Write a number of pods or a percentage such as "25%".',
    },
  ];
}

function isZero(value: number | string): boolean {
  return value === 0 || (typeof value === "string" && /^0+%$/.test(value));
}
