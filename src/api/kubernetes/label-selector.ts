// LabelSelector of Kubernetes: which objects a Deployment or ReplicaSet owns.

import { z } from "zod";
import { stringList, stringMap } from "../scalars.ts";

export const labelSelector = z.strictObject({
  matchLabels: stringMap,
  matchExpressions: z
    .array(z.strictObject({ key: z.string(), operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]), values: stringList }))
    .default([]),
});

export type LabelSelector = z.output<typeof labelSelector>;

type Labels = Readonly<Record<string, string>>;

/** True when `labels` has every label of `wanted`; an empty `wanted` matches everything. */
export function labelsMatch(wanted: Labels, labels: Labels): boolean {
  return Object.entries(wanted).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
}

/** True when all of the selector's labels and expressions hold for `labels`. */
export function selectorMatches(selector: LabelSelector, labels: Labels): boolean {
  return labelsMatch(selector.matchLabels, labels) && selector.matchExpressions.every((expression) => expressionHolds(expression, labels));
}

function expressionHolds(expression: LabelSelector["matchExpressions"][number], labels: Labels): boolean {
  const value = Object.hasOwn(labels, expression.key) ? labels[expression.key] : undefined;
  switch (expression.operator) {
    case "In":
      return value !== undefined && expression.values.includes(value);
    case "NotIn":
      return value === undefined || !expression.values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
