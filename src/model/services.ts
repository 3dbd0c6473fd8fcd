// Services and ServiceEntries as MeshServices: hosts with ports and virtual addresses, without their endpoints.

import { serviceHost } from "../api/hosts.ts";
import type { Service } from "../api/kubernetes/service.ts";
import type { ServiceEntry } from "../api/networking/service-entry.ts";
import { memoObject } from "./memo.ts";
import type { MeshService, ServicePort } from "./mesh.ts";
import { declaredProtocol, servicePortProtocol } from "./protocol.ts";
import { automaticAddresses, hostKey } from "./virtual-addresses.ts";
import { byAge, compare, visibilityOf } from "./visibility.ts";

/** Annotation with which a Service limits who sees it (Istio: networking.istio.io/exportTo, comma-separated). */
const exportToAnnotation = "networking.istio.io/exportTo";

/** All services by id, sorted; `services` and `entries` as the snapshot lists them. ExternalName services are names, not services. */
export function meshServices(services: readonly Service[], entries: readonly ServiceEntry[]): ReadonlyMap<string, MeshService> {
  const addresses = automaticAddresses(byAge(entries));
  const all = [
    ...services.filter(({ spec }) => spec.type !== "ExternalName").map(serviceOf),
    ...entries.flatMap((entry) => entryServices(entry, addresses)),
  ];
  // Two entries of one namespace may claim one host: the older one has it.
  const byId = new Map<string, MeshService>();
  for (const service of all) {
    const rival = byId.get(service.id);
    if (rival === undefined || precedes(service, rival)) byId.set(service.id, service);
  }
  return new Map([...byId].sort(([a], [b]) => compare(a, b)));
}

function precedes(a: MeshService, b: MeshService): boolean {
  if (a.kind !== b.kind) return a.kind === "Service";
  return (compare(a.createdAt, b.createdAt) || compare(a.name, b.name)) < 0;
}

const serviceOf = memoObject((service: Service): MeshService => {
  const { name, namespace, annotations, creationTimestamp } = service.metadata;
  const hostname = serviceHost(name, namespace);
  const { clusterIP } = service.spec;
  const exportTo = Object.hasOwn(annotations, exportToAnnotation) ? (annotations[exportToAnnotation] ?? "") : "";
  return {
    id: hostKey(namespace, hostname),
    hostname,
    namespace,
    name,
    kind: "Service",
    source: `Service ${namespace}/${name}`,
    external: false,
    headless: clusterIP === "None",
    resolution: "endpoints",
    vips: clusterIP === undefined || clusterIP === "None" || clusterIP === "" ? [] : [clusterIP],
    ports: service.spec.ports.map(
      (port): ServicePort => ({
        number: port.port,
        name: port.name,
        protocol: servicePortProtocol({ number: port.port, name: port.name, appProtocol: port.appProtocol, transport: port.protocol }),
        targetPort: port.targetPort,
      }),
    ),
    exportTo: visibilityOf(
      exportTo
        .split(",")
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ""),
      namespace,
    ),
    createdAt: creationTimestamp,
  };
});

const entryCache = new WeakMap<ServiceEntry, Map<string, MeshService>>();

function entryServices(entry: ServiceEntry, addresses: ReadonlyMap<string, string>): readonly MeshService[] {
  const cache = entryCache.get(entry) ?? new Map<string, MeshService>();
  entryCache.set(entry, cache);
  return entry.spec.hosts.map((written) => {
    const host = written.toLowerCase();
    const address = addresses.get(hostKey(entry.metadata.namespace, host)) ?? "";
    const known = cache.get(`${host} ${address}`) ?? entryService(entry, host, address);
    cache.set(`${host} ${address}`, known);
    return known;
  });
}

function entryService(entry: ServiceEntry, host: string, address: string): MeshService {
  const { name, namespace, creationTimestamp } = entry.metadata;
  const { spec } = entry;
  const given = spec.addresses.length > 0 ? spec.addresses : [address].filter((value) => value !== "");
  return {
    id: hostKey(namespace, host),
    hostname: host,
    namespace,
    name,
    kind: "ServiceEntry",
    source: `ServiceEntry ${namespace}/${name}`,
    external: spec.location === "MESH_EXTERNAL",
    headless: false,
    resolution: spec.resolution === "NONE" ? "original-dst" : "endpoints",
    vips: given,
    ports: spec.ports.map((port) => ({
      number: port.number,
      name: port.name,
      protocol: declaredProtocol(port.protocol),
      targetPort: port.targetPort ?? port.number,
    })),
    exportTo: visibilityOf(spec.exportTo, namespace),
    ...(spec.subjectAltNames.length === 0 ? {} : { subjectAltNames: spec.subjectAltNames }),
    createdAt: creationTimestamp,
  };
}
