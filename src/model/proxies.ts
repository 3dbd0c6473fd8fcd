// The mesh's proxies: which pods have one, of what kind, and which ports of its application each one fronts.

import { serviceHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { Pod } from "../api/kubernetes/pod.ts";
import type { Service } from "../api/kubernetes/service.ts";
import { containerPort, workloadOf } from "./endpoints.ts";
import { KeyedMemo } from "./memo.ts";
import type { InboundPort, MeshProxy, MeshService } from "./mesh.ts";
import { hostKey } from "./virtual-addresses.ts";
import { compare, oldestServices } from "./visibility.ts";

/** "sidecar", "gateway", or undefined when a pod gets no proxy. Source: Istio pkg/kube/inject/inject.go; here sidecars are on unless labelled off. */
export function proxyKindOf(pod: Pod): MeshProxy["kind"] | undefined {
  const { labels, annotations } = pod.metadata;
  const templates = labelOf(annotations, "inject.istio.io/templates") ?? labelOf(labels, "inject.istio.io/templates") ?? "";
  if (templates.split(",").includes("gateway")) return "gateway";
  // Istio's own gateway charts and samples are recognised by the one container they leave to the injector.
  const [only, ...others] = pod.spec.containers;
  if (only?.name === "istio-proxy" && others.length === 0) return "gateway";
  if (pod.spec.hostNetwork === true) return undefined;
  const inject = labelOf(labels, "sidecar.istio.io/inject") ?? labelOf(annotations, "sidecar.istio.io/inject");
  return inject === "false" ? undefined : "sidecar";
}

function labelOf(labels: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** The id of a pod's proxy, "<pod>.<namespace>" (Istio's node id without address and domain). */
export function proxyIdOf(pod: Pod): string {
  return `${pod.metadata.name}.${pod.metadata.namespace}`;
}

export interface ProxyInputs {
  readonly pods: readonly Pod[];
  readonly services: readonly Service[];
  readonly meshServices: ReadonlyMap<string, MeshService>;
}

/** Computes all proxies by id, sorted; a proxy of which nothing changed keeps its object. */
export function createProxyIndex(): (inputs: ProxyInputs) => ReadonlyMap<string, MeshProxy> {
  const memo = new KeyedMemo<MeshProxy>();
  const stable = new KeyedMemo<MeshProxy>();
  return ({ pods, services, meshServices }) => {
    memo.generation();
    stable.generation();
    const selecting = selectorIndex(services, meshServices);
    const proxies = pods.flatMap((pod) => {
      const kind = proxyKindOf(pod);
      if (kind === undefined) return [];
      const selected = selecting(pod);
      const id = proxyIdOf(pod);
      const proxy = memo.get(id, [pod, ...selected], () => newProxy(pod, kind, selected));
      // The pod's status changes with every probe; what the proxy's configuration depends on does not.
      const content = JSON.stringify([proxy.kind, proxy.podUid, proxy.address, proxy.labels, proxy.serviceAccount]);
      return [stable.get(id, [content, ...proxy.inbound.flatMap(({ port, service }) => [port, service])], () => proxy)];
    });
    return new Map(proxies.sort((a, b) => compare(a.id, b.id)).map((proxy) => [proxy.id, proxy]));
  };
}

function newProxy(pod: Pod, kind: MeshProxy["kind"], services: readonly MeshService[]): MeshProxy {
  return {
    id: proxyIdOf(pod),
    kind,
    podName: pod.metadata.name,
    podUid: pod.metadata.uid,
    namespace: pod.metadata.namespace,
    address: pod.status?.podIP ?? "",
    labels: pod.metadata.labels,
    serviceAccount: pod.spec.serviceAccountName,
    workload: workloadOf(pod),
    inbound: inboundPorts(pod, services),
  };
}

function inboundPorts(pod: Pod, services: readonly MeshService[]): readonly InboundPort[] {
  const byPort = new Map<number, InboundPort>();
  for (const service of oldestServices(services)) {
    for (const servicePort of service.ports) {
      const port = servicePort.protocol === "udp" ? undefined : containerPort(pod, servicePort);
      if (port !== undefined && !byPort.has(port)) byPort.set(port, { port, servicePort, service });
    }
  }
  return [...byPort.values()].sort((a, b) => a.port - b.port);
}

/** Looks services up by one label of their selector, so that a pod is compared with few of them. */
function selectorIndex(services: readonly Service[], meshServices: ReadonlyMap<string, MeshService>): (pod: Pod) => readonly MeshService[] {
  const byLabel = new Map<string, Service[]>();
  for (const service of services) {
    const [label] = Object.entries(service.spec.selector);
    if (label === undefined) continue;
    const key = `${service.metadata.namespace} ${label[0]} ${label[1]}`;
    byLabel.set(key, [...(byLabel.get(key) ?? []), service]);
  }
  return (pod) => {
    const { namespace, labels } = pod.metadata;
    return Object.entries(labels)
      .flatMap(([name, value]) => byLabel.get(`${namespace} ${name} ${value}`) ?? [])
      .filter((service) => labelsMatch(service.spec.selector, labels))
      .flatMap((service) => meshServices.get(hostKey(namespace, serviceHost(service.metadata.name, namespace))) ?? []);
  };
}
