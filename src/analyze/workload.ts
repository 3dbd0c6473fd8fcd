// A workload as selectors and policies see it, be its pods there or only planned.

import type { Deployment } from "../api/kubernetes/deployment.ts";
import type { Pod } from "../api/kubernetes/pod.ts";

/** What pods have in common that policies can't tell apart. */
export interface Workload {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What stands beside its application. */
  readonly proxy: "sidecar" | "gateway" | undefined;
}

const emptyMeta = { uid: "", resourceVersion: "", generation: 0, creationTimestamp: "", ownerReferences: [], finalizers: [] };

/** A pod as the Deployment will make it, under the Deployment's name. */
export function plannedPod({ metadata, spec }: Deployment): Pod {
  const { labels, annotations } = spec.template.metadata;
  const own = { name: metadata.name, namespace: metadata.namespace, labels, annotations };
  return { apiVersion: "v1", kind: "Pod", metadata: { ...emptyMeta, ...own }, spec: spec.template.spec };
}
