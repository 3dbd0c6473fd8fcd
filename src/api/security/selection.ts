// What a security policy applies to: a label selector, or (on clusters, later) named targets. Shared by the three kinds.

import { z } from "zod";
import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { checkLabels } from "../names.ts";
import { stringMap } from "../scalars.ts";

/** WorkloadSelector (type/v1beta1/selector.proto): workloads with all of these labels; no labels select all. */
export const workloadSelector = z.strictObject({ matchLabels: stringMap });

/** PolicyTargetReference: a Gateway, Service or ServiceEntry by name. */
export const targetRef = z.strictObject({
  group: z.string().optional(),
  kind: z.string(),
  name: z.string(),
  namespace: z.string().optional(),
});

interface Selecting {
  readonly selector?: z.output<typeof workloadSelector> | undefined;
  readonly targetRef?: z.output<typeof targetRef> | undefined;
  readonly targetRefs: readonly z.output<typeof targetRef>[];
}

/** Selector and targets. Targets are refused until something applies them: a policy that isn't enforced must not look as if it were. */
export function checkSelection(spec: Selecting): readonly Finding[] {
  const labels = checkLabels(spec.selector?.matchLabels ?? {}, ["spec", "selector", "matchLabels"]);
  const single = spec.targetRef === undefined ? [] : [notEnforced(["spec", "targetRef"])];
  const several = spec.targetRefs.length === 0 ? [] : [notEnforced(["spec", "targetRefs"])];
  return [...labels, ...single, ...several];
}

function notEnforced(path: FieldPath): Finding {
  return { code: "LTN0804", path, message: `\`${printPath(path)}\` isn't enforced here yet`, fix: "Use selector.matchLabels." };
}
