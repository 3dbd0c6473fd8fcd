// DestinationRules and Services that select nothing: subsets without pods, services without pods, rules for hosts nobody knows.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import { isWildcard, serviceHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { DestinationRule } from "../api/networking/destination-rule.ts";
import { type Directory, knownHosts, nameOf } from "./directory.ts";
import type { Labels } from "./workloads.ts";

/** Subsets whose labels no pod of the service bears, and rules whose host is unknown. */
export function checkSubsets(directory: Directory): readonly Diagnostic[] {
  return directory.destinationRules.flatMap((rule) => {
    const host = directory.resolve(rule.spec.host, rule.metadata.namespace);
    if (isWildcard(host)) return [];
    const known = knownHosts(directory, host);
    if (known.length === 0) return [unknownHost(rule, host)];
    const behind = known.flatMap((entry) => entry.behind ?? []);
    return known.some((entry) => entry.behind === undefined) || behind.length === 0 ? [] : emptySubsets(rule, behind);
  });
}

function unknownHost(rule: DestinationRule, host: string): Diagnostic {
  const message = `no Service or ServiceEntry has the host "${rule.spec.host}"${host === rule.spec.host ? "" : ` (${host})`}, so the rule has no effect`;
  return diagnosticOf({ code: "LTN0713", path: ["spec", "host"], message }, nameOf("DestinationRule", rule.metadata));
}

function emptySubsets(rule: DestinationRule, behind: readonly Labels[]): readonly Diagnostic[] {
  return rule.spec.subsets.flatMap(({ name, labels }, index) => {
    if (behind.some((bearer) => labelsMatch(labels, bearer))) return [];
    const wanted = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    const message = `no pod of ${rule.spec.host} has the labels of subset "${name}" (${wanted.join(", ")})`;
    return [diagnosticOf({ code: "LTN0703", path: ["spec", "subsets", index], message }, nameOf("DestinationRule", rule.metadata))];
  });
}

/** Services whose selector picks no pod, and none that a Deployment will make. */
export function checkServices(directory: Directory): readonly Diagnostic[] {
  return directory.snapshot.list("Service").flatMap(({ metadata, spec }) => {
    if (Object.keys(spec.selector).length === 0 || spec.type === "ExternalName") return [];
    const entry = directory.hosts
      .get(serviceHost(metadata.name, metadata.namespace))
      ?.find(({ source }) => source === nameOf("Service", metadata));
    if (entry?.behind === undefined || entry.behind.length > 0) return [];
    const wanted = Object.entries(spec.selector).map(([key, value]) => `${key}=${value}`);
    const message = `no pod in namespace ${metadata.namespace} has the labels ${wanted.join(", ")}`;
    return [diagnosticOf({ code: "LTN0712", path: ["spec", "selector"], message }, nameOf("Service", metadata))];
  });
}
