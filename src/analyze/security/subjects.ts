// The workloads that security policies may select, with what they listen on: living pods, and those that Deployments will make.

import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { Pod } from "../../api/kubernetes/pod.ts";
import type { Service } from "../../api/kubernetes/service.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { containerPort } from "../../model/endpoints.ts";
import { memoObject } from "../../model/memo.ts";
import type { PortProtocol } from "../../model/mesh.ts";
import { servicePortProtocol } from "../../model/protocol.ts";
import { proxyKindOf } from "../../model/proxies.ts";
import { byAge } from "../../model/visibility.ts";
import { plannedPod, type Workload } from "../workload.ts";

/** Pods that policies can't tell apart. */
export interface Subject extends Workload {
  /** Of one of its pods, or of its Deployment. */
  readonly name: string;
  /** A stand-in for a host outside of the mesh. */
  readonly external: boolean;
  /** Ports of the application that services declare. */
  readonly ports: readonly SubjectPort[];
}

export interface SubjectPort {
  /** Of the application. */
  readonly port: number;
  /** Of the first declaration. */
  readonly protocol: PortProtocol;
  /** Oldest Service first, as the model decides between them. */
  readonly declarations: readonly PortDeclaration[];
}

/** One port of a Service that leads to a port of the application. */
export interface PortDeclaration {
  readonly service: Service;
  /** In its spec.ports. */
  readonly index: number;
  readonly protocol: PortProtocol;
}

/** All of them, each kind of pod once. */
export const subjectsOf = memoObject((snapshot: Snapshot): readonly Subject[] => {
  const pods = snapshot.list("Pod").filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const planned = snapshot
    .list("Deployment")
    .filter(({ spec }) => spec.replicas > 0)
    .map(plannedPod);
  const subjects = new Map<string, Subject>();
  for (const pod of [...planned, ...pods]) {
    const { namespace, labels } = pod.metadata;
    const { ["pod-template-hash"]: _, ...stable } = labels;
    const key = JSON.stringify([namespace, Object.entries(stable).toSorted(), proxyKindOf(pod)]);
    if (!subjects.has(key)) subjects.set(key, subjectOf(pod, snapshot));
  }
  return [...subjects.values()];
});

function subjectOf(pod: Pod, snapshot: Snapshot): Subject {
  const { namespace, labels, name, annotations } = pod.metadata;
  const services = snapshot
    .list("Service", namespace)
    .filter(({ spec }) => Object.keys(spec.selector).length > 0 && labelsMatch(spec.selector, labels));
  const external = Object.hasOwn(annotations, "lateen.dev/external-hosts");
  return { namespace, labels, name, proxy: proxyKindOf(pod), external, ports: portsOf(pod, services) };
}

function portsOf(pod: Pod, services: readonly Service[]): readonly SubjectPort[] {
  const declared = byAge(services).flatMap((service) =>
    service.spec.ports.flatMap((servicePort, index) => {
      const { port: number, name, targetPort, protocol: transport, appProtocol } = servicePort;
      const protocol = servicePortProtocol({ number, name, transport, appProtocol });
      const target = containerPort(pod, { number, name, protocol, targetPort });
      return target === undefined || protocol === "udp" ? [] : [{ target, service, index, protocol }];
    }),
  );
  const byPort = [...Map.groupBy(declared, ({ target }) => target)].toSorted(([a], [b]) => a - b);
  return byPort.flatMap(([port, declarations]) => declarations.slice(0, 1).map(({ protocol }) => ({ port, protocol, declarations })));
}
