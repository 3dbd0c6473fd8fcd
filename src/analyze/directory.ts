// What the checks look things up in: every known host with its ports and labels, DestinationRules by host, and the labels pods bear.

import { clusterDomain, hostMatches, isWildcard, resolveHost, serviceHost } from "../api/hosts.ts";
import type { KindName, ResourceOf } from "../api/registry.ts";
import { type ObjectMeta, resourceName } from "../api/resource.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { byAge } from "../model/visibility.ts";
import { type Labels, type Workloads, workloadsOf } from "./workloads.ts";

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
  readonly workloads: Workloads;
  readonly resolve: (host: string, namespace: string) => string;
}

/** Collects the directory of a snapshot. */
export function directoryOf(snapshot: Snapshot): Directory {
  const workloads = workloadsOf(snapshot);
  const known = [...serviceHosts(snapshot, workloads), ...entryHosts(snapshot, workloads)];
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
    workloads,
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

function serviceHosts(snapshot: Snapshot, workloads: Workloads): readonly KnownHost[] {
  return snapshot.list("Service").map(({ metadata, spec }) => ({
    host: serviceHost(metadata.name, metadata.namespace),
    source: nameOf("Service", metadata),
    ports: spec.ports.map(({ port }) => port),
    behind: Object.keys(spec.selector).length === 0 ? undefined : workloads.selected(spec.selector, metadata.namespace),
  }));
}

function entryHosts(snapshot: Snapshot, workloads: Workloads): readonly KnownHost[] {
  return snapshot.list("ServiceEntry").flatMap(({ metadata, spec }) => {
    const selector = spec.workloadSelector;
    const selected = selector === undefined ? undefined : workloads.selected(selector.labels, metadata.namespace);
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
  return resourceName({ kind, metadata });
}
