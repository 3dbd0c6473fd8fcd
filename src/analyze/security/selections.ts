// Security policies and the pods they select: some pod is there, and it has a proxy that enforces them.

import type { Diagnostic } from "../../api/diagnostic.ts";
import { diagnosticOf } from "../../api/finding.ts";
import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import { resourceName } from "../../api/resource.ts";
import type { Directory } from "../directory.ts";
import { settingsOf } from "../settings.ts";
import { subjectsOf } from "./subjects.ts";

/** Policies with a selector that selects nothing, or only pods without a proxy. */
export function checkSelections({ snapshot }: Directory): readonly Diagnostic[] {
  const { rootNamespace } = settingsOf(snapshot);
  const policies = [
    ...snapshot.list("AuthorizationPolicy"),
    ...snapshot.list("PeerAuthentication"),
    ...snapshot.list("RequestAuthentication"),
  ];
  return policies.flatMap((policy) => {
    const labels = policy.spec.selector?.matchLabels ?? {};
    if (Object.keys(labels).length === 0) return [];
    const { namespace } = policy.metadata;
    const selected = subjectsOf(snapshot).filter(
      (subject) => (namespace === rootNamespace || namespace === subject.namespace) && labelsMatch(labels, subject.labels),
    );
    const path = ["spec", "selector"];
    const wanted = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    if (selected.length === 0) {
      const where = namespace === rootNamespace ? "any namespace" : `namespace ${namespace}`;
      return [
        diagnosticOf({ code: "LTN0830", path, message: `no pod of ${where} has the labels ${wanted.join(", ")}` }, resourceName(policy)),
      ];
    }
    const bare = selected.filter(({ proxy }) => proxy === undefined).map(({ name }) => name);
    if (bare.length === 0) return [];
    return [
      diagnosticOf(
        { code: "LTN0833", path, message: `${bare.join(", ")} has no sidecar that could enforce the policy` },
        resourceName(policy),
      ),
    ];
  });
}
