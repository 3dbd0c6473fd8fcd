// Which port of a workload a question is about: the one that is named, else the one a client would use. Pure; for `lateen policy can`.

import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { containerPort } from "../../model/endpoints.ts";
import type { MeshService, ServicePort } from "../../model/mesh.ts";
import { isHttp } from "../../model/protocol.ts";
import { oldestServices } from "../../model/visibility.ts";
import type { Party, PartyGroup, Unknown } from "./party.ts";

export interface ChosenPort {
  /** Undefined for a port that no service declares. */
  readonly service: MeshService | undefined;
  readonly servicePort: ServicePort | undefined;
  /** What it speaks; an undeclared port is taken for TCP. */
  readonly isHttp: boolean;
  /** Port of a pod's application; undefined when it has none of that name. */
  readonly targetOf: (party: Party) => number | undefined;
}

export interface PortOptions {
  /** Number or name as the user wrote it. */
  readonly port: string | undefined;
  /** A method or path was given. */
  readonly wantsHttp: boolean;
}

interface Declared {
  readonly service: MeshService;
  readonly servicePort: ServicePort;
}

/** The services a group of workloads stands behind, with their ports but UDP ones: its own, or all that select its pods. */
export function declaredPorts(group: PartyGroup, snapshot: Snapshot, services: ReadonlyMap<string, MeshService>): readonly Declared[] {
  const names = snapshot
    .list("Service", group.namespace)
    .filter(({ metadata, spec }) =>
      group.kind === "Service"
        ? metadata.name === group.object
        : Object.keys(spec.selector).length > 0 && group.parties.some(({ labels }) => labelsMatch(spec.selector, labels)),
    )
    .map(({ metadata }) => metadata.name);
  const behind = [...services.values()].filter(
    ({ kind, namespace, name }) => kind === "Service" && namespace === group.namespace && names.includes(name),
  );
  return oldestServices(behind).flatMap((service) =>
    service.ports.filter(({ protocol }) => protocol !== "udp").map((servicePort) => ({ service, servicePort })),
  );
}

/** Chooses it; without a wish the first HTTP port, else the first. */
export function portOf(declared: readonly Declared[], group: PartyGroup, { port, wantsHttp }: PortOptions): ChosenPort | Unknown {
  const listed = declared.map(({ servicePort: { number, name } }) => (name === "" ? String(number) : `${number} (${name})`)).join(", ");
  if (port === undefined) {
    const first = declared.find(({ servicePort }) => speaksHttp(servicePort, wantsHttp)) ?? declared[0];
    if (first !== undefined) return chosen(first, wantsHttp);
    return { problem: `no service has a port for ${group.name}`, fix: "name the application's port with --port" };
  }
  const named = declared.find(({ servicePort: { number, name } }) => String(number) === port || name === port);
  const behind =
    named ?? declared.find(({ servicePort }) => group.parties.some(({ pod }) => String(containerPort(pod, servicePort)) === port));
  if (behind !== undefined) return chosen(behind, wantsHttp);
  if (/^[1-9]\d{0,4}$/.test(port)) return { service: undefined, servicePort: undefined, isHttp: false, targetOf: () => Number(port) };
  return { problem: `${group.name} has no port "${port}"`, fix: listed === "" ? "give a number" : `use one of ${listed}` };
}

function chosen({ service, servicePort }: Declared, wantsHttp: boolean): ChosenPort {
  return { service, servicePort, isHttp: speaksHttp(servicePort, wantsHttp), targetOf: ({ pod }) => containerPort(pod, servicePort) };
}

/** A port whose protocol is detected speaks what the question is about. */
function speaksHttp({ protocol }: ServicePort, wantsHttp: boolean): boolean {
  return isHttp(protocol) || (protocol === "detect" && wantsHttp);
}
