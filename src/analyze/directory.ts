// What the checks look things up in: every known host with its ports and labels, DestinationRules by host, and the labels pods bear.

import { clusterDomain, hostMatches, isWildcard, resolveHost, serviceHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { KindName, ResourceOf } from "../api/registry.ts";
import type { ObjectMeta } from "../api/resource.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { byAge } from "../model/visibility.ts";

export type Labels = Readonly<Record<string, string>>;

/** A host that traffic can be sent to. */
export interface KnownHost {
  readonly host: string;
  /** "Service shop/web". */
  readonly source: string;
  readonly ports: readonly number[];
  /** Labels of what stands behind it; undefined when that can't be told (no selector, found by DNS). */
  readonly behind: readonly Labels[] | undefined;
}

export interface Directory {
  readonly snapshot: Snapshot;
  /** Oldest first, as the model decides between rivals. */
  readonly virtualServices: readonly ResourceOf<"VirtualService">[];
  readonly destinationRules: readonly ResourceOf<"DestinationRule">[];
  /** The same by the host they resolve to. */
  readonly rulesByHost: ReadonlyMap<string, readonly ResourceOf<"DestinationRule">[]>;
  readonly gateways: readonly ResourceOf<"Gateway">[];
  readonly serviceEntries: readonly ResourceOf<"ServiceEntry">[];
  readonly hosts: ReadonlyMap<string, readonly KnownHost[]>;
  readonly wildcards: readonly string[];
  /** Labels of all pods of a namespace, and of those its Deployments will make. */
  readonly workloadLabels: (namespace?: string) => readonly Labels[];
  readonly resolve: (host: string, namespace: string) => string;
}

/** Collects the directory of a snapshot. */
export function directoryOf(snapshot: Snapshot): Directory {
  const labels = labelIndex(snapshot);
  const known = [...serviceHosts(snapshot, labels), ...entryHosts(snapshot, labels)];
  const hosts = Map.groupBy(known, ({ host }) => host);
  const resolve = (host: string, namespace: string): string => resolveHost(host, namespace, (fqdn) => hosts.has(fqdn));
  const destinationRules = byAge(snapshot.list("DestinationRule"));
  return {
    snapshot,
    virtualServices: byAge(snapshot.list("VirtualService")),
    destinationRules,
    rulesByHost: Map.groupBy(destinationRules, ({ metadata, spec }) => resolve(spec.host, metadata.namespace)),
    gateways: byAge(snapshot.list("Gateway")),
    serviceEntries: byAge(snapshot.list("ServiceEntry")),
    hosts,
    wildcards: [...hosts.keys()].filter(isWildcard),
    workloadLabels: labels,
    resolve,
  };
}

/** What stands behind a resolved host, wildcard ServiceEntries included; empty when the host is unknown. */
export function knownHosts(directory: Directory, host: string): readonly KnownHost[] {
  const exact = directory.hosts.get(host);
  if (exact !== undefined) return exact;
  const covering = directory.wildcards.find((pattern) => hostMatches(pattern, host));
  return covering === undefined ? [] : (directory.hosts.get(covering) ?? []);
}

/** The shortest form of a host as seen from a namespace, for messages. */
export function shortHost(host: string, namespace: string): string {
  const suffix = `.svc.${clusterDomain}`;
  if (!host.endsWith(suffix)) return host;
  const inside = host.slice(0, -suffix.length);
  return inside.endsWith(`.${namespace}`) ? inside.slice(0, -namespace.length - 1) : inside;
}

function labelIndex(snapshot: Snapshot): (namespace?: string) => readonly Labels[] {
  const owned: readonly { readonly namespace: string; readonly labels: Labels }[] = [
    ...snapshot.list("Pod").map(({ metadata }) => ({ namespace: metadata.namespace, labels: metadata.labels })),
    ...snapshot
      .list("Deployment")
      .filter(({ spec }) => spec.replicas > 0)
      .map(({ metadata, spec }) => ({ namespace: metadata.namespace, labels: spec.template.metadata.labels })),
  ];
  const all = owned.map(({ labels }) => labels);
  const byNamespace = new Map(
    [...Map.groupBy(owned, ({ namespace }) => namespace)].map(([name, list]) => [name, list.map(({ labels }) => labels)]),
  );
  return (namespace) => (namespace === undefined ? all : (byNamespace.get(namespace) ?? []));
}

function serviceHosts(snapshot: Snapshot, labels: Directory["workloadLabels"]): readonly KnownHost[] {
  return snapshot.list("Service").map(({ metadata, spec }) => ({
    host: serviceHost(metadata.name, metadata.namespace),
    source: nameOf("Service", metadata),
    ports: spec.ports.map(({ port }) => port),
    behind:
      Object.keys(spec.selector).length === 0
        ? undefined
        : labels(metadata.namespace).filter((bearer) => labelsMatch(spec.selector, bearer)),
  }));
}

function entryHosts(snapshot: Snapshot, labels: Directory["workloadLabels"]): readonly KnownHost[] {
  return snapshot.list("ServiceEntry").flatMap(({ metadata, spec }) => {
    const selector = spec.workloadSelector;
    const selected =
      selector === undefined ? undefined : labels(metadata.namespace).filter((bearer) => labelsMatch(selector.labels, bearer));
    const inline = spec.endpoints.length > 0 ? spec.endpoints.map((endpoint) => endpoint.labels) : undefined;
    const ports = spec.ports.map(({ number }) => number);
    return spec.hosts.map((host) => ({
      host: host.toLowerCase(),
      source: nameOf("ServiceEntry", metadata),
      ports,
      behind: selected ?? inline,
    }));
  });
}

/** "ServiceEntry shop/rates". */
export function nameOf(kind: KindName, metadata: ObjectMeta): string {
  return metadata.namespace === undefined ? `${kind} ${metadata.name}` : `${kind} ${metadata.namespace}/${metadata.name}`;
}
