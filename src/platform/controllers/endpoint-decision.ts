// Endpoints of a Service: which pods stand behind it, on which ports, in which condition. Pure; as Kubernetes' endpointslice reconciler.

import type { Pod } from "../../api/kubernetes/pod.ts";
import type { Service, ServicePort } from "../../api/kubernetes/service.ts";
import type { JsonObject } from "../../store/store.ts";
import { isReady } from "./pods.ts";

export interface EndpointGroup {
  /** Ports resolved for these pods; pods whose named ports have other numbers form another group. */
  readonly ports: readonly JsonObject[];
  readonly endpoints: readonly JsonObject[];
}

/** Groups in a stable order, the first one being the most usual; one empty group when there is no endpoint. */
export function endpointGroups(service: Service, pods: readonly Pod[]): readonly EndpointGroup[] {
  const groups = new Map<string, { ports: readonly JsonObject[]; endpoints: JsonObject[] }>();
  for (const pod of pods.toSorted((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1))) {
    const endpoint = endpointOf(pod, service);
    if (endpoint === undefined) continue;
    const ports = portsFor(service, pod);
    const id = JSON.stringify(ports);
    const group = groups.get(id) ?? { ports, endpoints: [] };
    group.endpoints.push(endpoint);
    groups.set(id, group);
  }
  if (groups.size === 0) return [{ ports: portsFor(service, undefined), endpoints: [] }];
  return [...groups.values()].toSorted((left, right) => right.endpoints.length - left.endpoints.length);
}

/** Undefined for pods without address and for those that have ended. */
function endpointOf(pod: Pod, service: Service): JsonObject | undefined {
  const ip = pod.status?.podIP ?? "";
  const phase = pod.status?.phase;
  if (ip === "" || phase === "Failed" || phase === "Succeeded") return undefined;
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isReady(pod);
  // An ending pod is out at once, whatever publishNotReadyAddresses says: nobody may start a request there.
  const ready = !terminating && (serving || service.spec.publishNotReadyAddresses);
  const { namespace, name, uid } = pod.metadata;
  const { hostname, subdomain, nodeName } = pod.spec;
  return {
    addresses: [ip],
    conditions: { ready, serving, terminating },
    targetRef: { kind: "Pod", namespace, name, uid },
    hostname: subdomain === service.metadata.name ? hostname : undefined,
    nodeName,
  };
}

function portsFor(service: Service, pod: Pod | undefined): readonly JsonObject[] {
  return service.spec.ports.flatMap((servicePort) => {
    const port = targetPortOf(servicePort, pod);
    const { name, protocol, appProtocol } = servicePort;
    return port === undefined ? [] : [{ name, port, protocol, appProtocol }];
  });
}

/** The number behind a targetPort; undefined for a name that the pod doesn't declare. */
function targetPortOf({ targetPort, protocol }: ServicePort, pod: Pod | undefined): number | undefined {
  if (typeof targetPort === "number") return targetPort;
  const declared = pod?.spec.containers.flatMap(({ ports }) => ports) ?? [];
  return declared.find((port) => port.name === targetPort && port.protocol === protocol)?.containerPort;
}
