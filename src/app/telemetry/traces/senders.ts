// Who sends spans: a proxy by its connection, an application by its pod's address. In: the newest mesh. Out: names that no span can change.

import type { Mesh, MeshProxy, Workload } from "../../../model/mesh.ts";
import { splitParts } from "../../../telemetry/composite-tags.ts";
import type { ProxyPlace } from "../../../telemetry/traces/name-spans.ts";
import type { SpanSender } from "../../../telemetry/traces/span.ts";
import { workloadText } from "../../../translate/endpoint/cluster-load-assignment.ts";

export const stranger: SpanSender = { kind: "stranger", service: "", version: "", workload: "", namespace: "", pod: "" };

/** The sender behind a proxy's connection. */
export function proxySender({ workload, podName }: MeshProxy): SpanSender {
  return { ...named(workload), kind: "proxy", pod: podName };
}

/** What a proxy's spans are named by: the services of its ports. */
export function placeOf({ inbound }: MeshProxy): ProxyPlace {
  return {
    serviceOfPort: new Map(inbound.map(({ port, service, servicePort }) => [port, `${service.hostname}:${servicePort.number}`])),
  };
}

function named(workload: Workload): SpanSender {
  const [name = "", namespace = "", service = "", version = ""] = splitParts(workloadText(workload), 7);
  return { kind: "application", service, version, workload: name, namespace, pod: workload.pod ?? "" };
}

/** Finds pods by address; keeps an index while the mesh's pods are the same. */
export function createAddressBook(mesh: () => Mesh | undefined): (address: string) => SpanSender {
  let known: { readonly mesh: Pick<Mesh, "proxies" | "endpoints">; readonly byAddress: ReadonlyMap<string, SpanSender> } | undefined;
  return (address) => {
    const now = mesh();
    if (now === undefined) return stranger;
    if (known?.mesh.proxies !== now.proxies || known.mesh.endpoints !== now.endpoints) known = { mesh: now, byAddress: indexOf(now) };
    return known.byAddress.get(address) ?? stranger;
  };
}

function indexOf({ proxies, endpoints }: Mesh): ReadonlyMap<string, SpanSender> {
  const byAddress = new Map<string, SpanSender>();
  // Pods without a proxy are known by the services that they stand behind.
  for (const { address, workload } of [...endpoints.values()].flat()) {
    if (workload?.pod !== undefined) byAddress.set(address, named(workload));
  }
  for (const proxy of proxies.values()) {
    if (proxy.address !== "") byAddress.set(proxy.address, { ...proxySender(proxy), kind: "application" });
  }
  return byAddress;
}
