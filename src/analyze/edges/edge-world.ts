// What the graph looks up in the mesh: workloads, services and gateways by name. Made once per mesh.

import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { Gateway } from "../../api/networking/gateway.ts";
import type { VirtualService } from "../../api/networking/virtual-service.ts";
import type { PeerAuthentication } from "../../api/security/peer-authentication.ts";
import type { Endpoint, Mesh, MeshProxy, MeshService } from "../../model/mesh.ts";
import { compare } from "../../model/visibility.ts";

export interface EdgeInputs {
  readonly mesh: Mesh;
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly virtualServices: readonly VirtualService[];
  readonly gateways: readonly Gateway[];
  /** Names of pods without a proxy, "shop/legacy": who may call in plaintext. */
  readonly withoutProxy: readonly string[];
}

/** A workload by the name that edges give it. */
export interface KnownWorkload {
  /** "shop/web". */
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** One of its proxies; undefined without a sidecar. */
  readonly proxy: MeshProxy | undefined;
  /** Hosts that it stands behind, sorted. */
  readonly services: readonly string[];
}

export interface EdgeWorld extends EdgeInputs {
  /** By name, sorted. */
  readonly workloads: ReadonlyMap<string, KnownWorkload>;
  /** By host; the first of several namespaces' for ServiceEntries. */
  readonly services: ReadonlyMap<string, MeshService>;
  /** Names of workloads that are gateways. */
  readonly gatewayNames: ReadonlySet<string>;
  /** Hosts with pods behind them. */
  readonly internalHosts: ReadonlySet<string>;
}

/** Prepares the look-ups of a mesh. */
export function edgeWorldOf(inputs: EdgeInputs): EdgeWorld {
  const { mesh } = inputs;
  const found = new Map<
    string,
    { namespace: string; labels: KnownWorkload["labels"]; proxy: MeshProxy | undefined; services: Set<string> }
  >();
  const nameOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }) => `${namespace}/${name}`;
  for (const proxy of mesh.proxies.values()) {
    const name = nameOf(proxy.workload);
    if (!found.has(name)) found.set(name, { namespace: proxy.namespace, labels: proxy.labels, proxy, services: new Set() });
  }
  for (const service of mesh.services.values()) {
    for (const { workload } of mesh.endpoints.get(service.id) ?? []) {
      if (workload === undefined) continue;
      const known = found.get(nameOf(workload)) ?? {
        namespace: workload.namespace,
        labels: workload.labels,
        proxy: undefined,
        services: new Set(),
      };
      known.services.add(service.hostname);
      found.set(nameOf(workload), known);
    }
  }
  const workloads = [...found].toSorted(([a], [b]) => compare(a, b));
  const gatewayNames = workloads.filter(([, { proxy }]) => proxy?.kind === "gateway").map(([name]) => name);
  return {
    ...inputs,
    workloads: new Map(workloads.map(([name, known]) => [name, { ...known, name, services: [...known.services].toSorted(compare) }])),
    services: new Map([...mesh.services.values()].toReversed().map((service) => [service.hostname, service])),
    gatewayNames: new Set(gatewayNames),
    internalHosts: new Set([...mesh.services.values()].filter(({ external }) => !external).map(({ hostname }) => hostname)),
  };
}

/** Gateways that a workload serves. */
export function gatewaysOf({ gateways }: EdgeWorld, { labels }: KnownWorkload): readonly Gateway[] {
  return gateways.filter(({ spec }) => labelsMatch(spec.selector, labels));
}

/** One of a workload's endpoints behind a service. */
export function endpointOf({ mesh }: EdgeWorld, service: MeshService, workload: string): Endpoint | undefined {
  return (mesh.endpoints.get(service.id) ?? []).find(
    ({ workload: own }) => own !== undefined && `${own.namespace}/${own.name}` === workload,
  );
}
