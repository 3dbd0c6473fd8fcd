// The addresses behind each service: from EndpointSlices and Pods, from ServiceEntries' inline endpoints, selectors and resolved names.
// Endpoints that are not ready, or about to end, are left out here: no proxy ever hears of them.

import type { EndpointSlice } from "../api/kubernetes/endpoint-slice.ts";
import { serviceNameLabel } from "../api/kubernetes/endpoint-slice.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { Pod } from "../api/kubernetes/pod.ts";
import type { ServiceEntry, WorkloadEntrySpec } from "../api/networking/service-entry.ts";
import { KeyedMemo, memoObject } from "./memo.ts";
import type { Endpoint, MeshService, ServicePort, Workload } from "./mesh.ts";
import { hostKey } from "./virtual-addresses.ts";
import { compare } from "./visibility.ts";

/** Addresses of names, as the control plane resolved them; a name missing here has none (yet). */
export type ResolvedNames = ReadonlyMap<string, readonly string[]>;

export interface EndpointInputs {
  readonly services: ReadonlyMap<string, MeshService>;
  readonly slices: readonly EndpointSlice[];
  readonly pods: readonly Pod[];
  readonly entries: readonly ServiceEntry[];
  readonly resolved: ResolvedNames;
}

/** Computes endpoints by service id; a service whose endpoints did not change keeps the same list object. */
export function createEndpointIndex(): (inputs: EndpointInputs) => ReadonlyMap<string, readonly Endpoint[]> {
  const memo = new KeyedMemo<readonly Endpoint[]>();
  const stable = new Map<string, { readonly text: string; readonly list: readonly Endpoint[] }>();
  return (inputs) => {
    memo.generation();
    const sources = sourcesOf(inputs);
    const result = new Map<string, readonly Endpoint[]>();
    for (const service of inputs.services.values()) {
      const deps = sources(service);
      const list = memo.get(service.id, [service, ...deps.inputs], deps.compute);
      result.set(service.id, stabilized(stable, service.id, list));
    }
    for (const id of stable.keys()) if (!inputs.services.has(id)) stable.delete(id);
    return result;
  };
}

/** A pod's status changes often without changing its endpoint: equal content keeps the old list. */
function stabilized(
  known: Map<string, { readonly text: string; readonly list: readonly Endpoint[] }>,
  id: string,
  list: readonly Endpoint[],
): readonly Endpoint[] {
  const previous = known.get(id);
  if (previous?.list === list) return list;
  const text = JSON.stringify(list);
  if (previous?.text === text) return previous.list;
  known.set(id, { text, list });
  return list;
}

interface Source {
  readonly inputs: readonly unknown[];
  readonly compute: () => readonly Endpoint[];
}

function sourcesOf({ slices, pods, entries, resolved }: EndpointInputs): (service: MeshService) => Source {
  const slicesByService = groupBy(slices, (slice) => hostKey(slice.metadata.namespace, slice.metadata.labels[serviceNameLabel] ?? ""));
  const podsByName = new Map(pods.map((pod) => [hostKey(pod.metadata.namespace, pod.metadata.name), pod]));
  const entriesByName = new Map(entries.map((entry) => [hostKey(entry.metadata.namespace, entry.metadata.name), entry]));
  return (service) => {
    const key = hostKey(service.namespace, service.name);
    if (service.kind === "Service") {
      const own = slicesByService.get(key) ?? [];
      const behind = own.flatMap((slice) => podNamesOf(slice).map((name) => podsByName.get(name)));
      return { inputs: [...own, ...behind], compute: () => sorted(own.flatMap((slice) => sliceEndpoints(service, slice, podsByName))) };
    }
    const entry = entriesByName.get(key);
    if (entry === undefined || service.resolution === "original-dst") return { inputs: [], compute: () => [] };
    const selector = entry.spec.workloadSelector?.labels;
    if (selector !== undefined) {
      const selected = pods.filter(({ metadata }) => metadata.namespace === service.namespace && labelsMatch(selector, metadata.labels));
      return { inputs: [entry, ...selected], compute: () => sorted(selected.flatMap((pod) => podEndpoint(service, pod))) };
    }
    const named = namesToResolve(entry, service.hostname).map((name) => resolved.get(name));
    return { inputs: [entry, ...named], compute: () => sorted(entryEndpoints(service, entry, resolved)) };
  };
}

const podNamesOf = memoObject((slice: EndpointSlice): readonly string[] =>
  slice.endpoints.flatMap(({ targetRef }) =>
    targetRef?.kind === "Pod" && targetRef.name !== undefined
      ? [hostKey(targetRef.namespace ?? slice.metadata.namespace, targetRef.name)]
      : [],
  ),
);

function sliceEndpoints(service: MeshService, slice: EndpointSlice, pods: ReadonlyMap<string, Pod>): readonly Endpoint[] {
  const ports = portNumbers(service.ports, (port) => slice.ports.find(({ name }) => name === port.name)?.port);
  return slice.endpoints.flatMap(({ addresses, conditions, targetRef }) => {
    if (conditions.ready === false || conditions.terminating === true) return [];
    const pod = pods.get(hostKey(targetRef?.namespace ?? slice.metadata.namespace, targetRef?.name ?? ""));
    const workload = pod === undefined ? {} : { workload: workloadOf(pod) };
    return addresses.slice(0, 1).map((address) => ({ address, ports, labels: pod?.metadata.labels ?? {}, weight: 1, ...workload }));
  });
}

function podEndpoint(service: MeshService, pod: Pod): readonly Endpoint[] {
  const ready = pod.status?.conditions.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
  const address = pod.status?.podIP;
  if (!ready || address === undefined || pod.metadata.deletionTimestamp !== undefined) return [];
  const ports = portNumbers(service.ports, (port) => containerPort(pod, port));
  return [{ address, ports, labels: pod.metadata.labels, weight: 1, workload: workloadOf(pod) }];
}

/** The number of the application's port behind a service port; undefined when the pod names no such container port. */
export function containerPort(pod: Pod, port: ServicePort): number | undefined {
  if (typeof port.targetPort === "number") return port.targetPort;
  const all = [...pod.spec.containers, ...pod.spec.initContainers.filter(({ restartPolicy }) => restartPolicy === "Always")];
  return all.flatMap(({ ports }) => ports).find(({ name }) => name === port.targetPort)?.containerPort;
}

function entryEndpoints(service: MeshService, entry: ServiceEntry, resolved: ResolvedNames): readonly Endpoint[] {
  const given: readonly WorkloadEntrySpec[] =
    entry.spec.endpoints.length > 0 ? entry.spec.endpoints : [{ address: service.hostname, ports: {}, labels: {} }];
  return given.flatMap((endpoint) => {
    const ports = portNumbers(service.ports, (port) =>
      Object.hasOwn(endpoint.ports, port.name) ? endpoint.ports[port.name] : Number(port.targetPort),
    );
    const base = { ports, labels: endpoint.labels, weight: Math.max(1, endpoint.weight ?? 1) };
    if (isAddress(endpoint.address)) return [{ address: endpoint.address, ...base }];
    return (resolved.get(endpoint.address) ?? []).map((address) => ({ address, hostname: endpoint.address, ...base }));
  });
}

/** The DNS names a ServiceEntry host's endpoints depend on; the control plane keeps them resolved. */
export function namesToResolve(entry: ServiceEntry, host: string): readonly string[] {
  if (!entry.spec.resolution.includes("DNS")) return [];
  if (entry.spec.endpoints.length === 0) return host.startsWith("*") ? [] : [host];
  return entry.spec.endpoints.map(({ address }) => address).filter((address) => address !== "" && !isAddress(address));
}

/** Whether a text is an IP address or a Unix socket rather than a DNS name. */
function isAddress(text: string): boolean {
  return /^[0-9]+(\.[0-9]+){3}$/.test(text) || text.includes(":") || text.startsWith("/");
}

function portNumbers(ports: readonly ServicePort[], numberOf: (port: ServicePort) => number | undefined): Readonly<Record<number, number>> {
  return Object.fromEntries(
    ports.flatMap((port) => {
      const number = numberOf(port);
      return number === undefined ? [] : [[port.number, number] as const];
    }),
  );
}

/** The workload a pod belongs to: its Deployment when a ReplicaSet made it, else its controller or itself. */
export const workloadOf = memoObject((pod: Pod): Workload => {
  const { name, namespace, labels, ownerReferences } = pod.metadata;
  const owner = ownerReferences.find(({ controller }) => controller === true);
  const hash = labels["pod-template-hash"];
  const suffix = `-${hash}`;
  const ownerName =
    owner?.kind === "ReplicaSet" && hash !== undefined && owner.name.endsWith(suffix) ? owner.name.slice(0, -suffix.length) : owner?.name;
  return { name: ownerName ?? name, namespace, labels, pod: name };
});

function sorted(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const byAddress = new Map(endpoints.map((endpoint) => [`${endpoint.address} ${JSON.stringify(endpoint.ports)}`, endpoint]));
  return [...byAddress].sort(([a], [b]) => compare(a, b)).map(([, endpoint]) => endpoint);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
