// The labels that pods bear, and those that pods of Deployments will bear, found by selector without walking all of them.

import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { Snapshot } from "../api/snapshot.ts";

export type Labels = Readonly<Record<string, string>>;

export interface Workloads {
  readonly all: readonly Labels[];
  /** Labels of the workloads of a namespace that a selector picks. */
  readonly selected: (selector: Labels, namespace: string) => readonly Labels[];
}

interface Owned {
  readonly namespace: string;
  readonly labels: Labels;
}

/** Collects pods, and the templates of Deployments that want any: during a start their pods are about to come. */
export function workloadsOf(snapshot: Snapshot): Workloads {
  const pods = snapshot.list("Pod").map(({ metadata }) => ({ namespace: metadata.namespace, labels: metadata.labels }));
  const templates = snapshot
    .list("Deployment")
    .filter(({ spec }) => spec.replicas > 0)
    .map(({ metadata, spec }) => ({ namespace: metadata.namespace, labels: spec.template.metadata.labels }));
  const owned: readonly Owned[] = [...pods, ...templates];
  const byLabel = Map.groupBy(
    owned.flatMap((workload) =>
      [undefined, ...Object.entries(workload.labels)].map((label) => ({ key: keyOf(workload.namespace, label), workload })),
    ),
    ({ key }) => key,
  );
  const selected = (selector: Labels, namespace: string): readonly Labels[] => {
    const candidates = byLabel.get(keyOf(namespace, firstLabel(selector))) ?? [];
    return candidates.map(({ workload }) => workload.labels).filter((labels) => labelsMatch(selector, labels));
  };
  return { all: owned.map(({ labels }) => labels), selected };
}

/** Any one label of the selector narrows the search; the whole selector is compared afterwards. */
function firstLabel(selector: Labels): readonly [string, string] | undefined {
  return Object.entries(selector)[0];
}

function keyOf(namespace: string, label: readonly [string, string] | undefined): string {
  return label === undefined ? namespace : `${namespace} ${label[0]}=${label[1]}`;
}
