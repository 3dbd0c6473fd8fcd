// What names and virtual addresses mean inside the mesh: the table that the node's DNS answers from, and pods without a sidecar balance by.
// The twin of Istio's NDS name table; pure, made from the mesh.

import type { Pod } from "../api/kubernetes/pod.ts";
import type { Endpoint, Mesh, MeshProxy, MeshService } from "./mesh.ts";
import { previewHost } from "./releases/default-rules.ts";
import { compare } from "./visibility.ts";

export interface NamedHost {
  /** Full name or `*.` wildcard. */
  readonly host: string;
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly name: string; readonly protocol: "tcp" | "udp"; readonly port: number }[];
  /** The namespaces that may know the name, sorted (exportTo of a ServiceEntry); missing: all. */
  readonly namespaces?: readonly string[];
}

export interface VirtualAddress {
  readonly vip: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly endpoints: readonly { readonly address: string; readonly port: number }[];
}

/** A port of an ingress gateway as clients outside know it, and the gateway's pods behind it. */
export interface GatewayPort {
  readonly port: number;
  readonly endpoints: readonly { readonly address: string; readonly port: number }[];
}

export interface NameTable {
  /** Sorted by host. */
  readonly hosts: readonly NamedHost[];
  readonly vips: readonly VirtualAddress[];
  readonly gatewayPorts: readonly GatewayPort[];
}

/** Pods that stand in for hosts outside the mesh carry their host names here, separated by commas. */
export const externalHostsAnnotation = "lateen.dev/external-hosts";

/** The table of one moment; of several services that claim a host for the same namespaces the first by id counts. */
export function nameTableOf(
  mesh: Pick<Mesh, "services" | "endpoints" | "proxies"> & Partial<Pick<Mesh, "releases">>,
  pods: readonly Pod[],
): NameTable {
  const services = [...mesh.services.values()];
  const endpoints = (service: MeshService) => mesh.endpoints.get(service.id) ?? [];
  const hosts = new Map<string, NamedHost>();
  const own = services.map((service) => namedHost(service, endpoints(service)));
  for (const host of [...own, ...externalHosts(pods), ...previewedHosts(mesh, own)]) {
    const key = JSON.stringify([host.host, host.namespaces]);
    if (host.addresses.length > 0 && !hosts.has(key)) hosts.set(key, host);
  }
  return {
    hosts: [...hosts.values()].toSorted((a, b) => compare(a.host, b.host) || compare(`${a.namespaces}`, `${b.namespaces}`)),
    vips: services.flatMap((service) => virtualAddresses(service, endpoints(service))),
    gatewayPorts: gatewayPorts(services.filter(isGatewayService([...mesh.proxies.values()], endpoints)), endpoints),
  };
}

function namedHost(service: MeshService, endpoints: readonly Endpoint[]): NamedHost {
  const single = service.vips.filter((vip) => !vip.includes("/"));
  const addresses = service.headless ? [...new Set(endpoints.map(({ address }) => address))] : single;
  const ports = service.ports.map(({ name, number, protocol }) => ({ name, protocol: transportOf(protocol), port: number }));
  // A Service's name is everybody's: DNS of Kubernetes knows no exportTo, and what isn't exported is then reached without the mesh's rules.
  const isLimited = service.kind === "ServiceEntry" && service.exportTo !== "all";
  const namespaces = isLimited ? { namespaces: [...service.exportTo].toSorted(compare) } : {};
  return { host: service.hostname, addresses, ports, ...namespaces };
}

/** Preview hosts of releases: other names of their services, which sidecars route to one version. A name that somebody has is theirs. */
function previewedHosts({ services, releases }: Parameters<typeof nameTableOf>[0], own: readonly NamedHost[]): readonly NamedHost[] {
  const taken = new Set(own.map(({ host }) => host));
  return [...(releases?.structures.values() ?? [])].flatMap((release) => {
    const service = services.get(release.serviceId);
    const names = previewHost(release);
    if (service === undefined || service.headless || names === undefined || taken.has(names.host)) return [];
    return [{ ...namedHost(service, []), host: names.host }];
  });
}

function transportOf(protocol: string): "tcp" | "udp" {
  return protocol === "udp" ? "udp" : "tcp";
}

/** Hosts that pods stand in for: `[host, address]` pairs as hosts. */
export function externalHosts(pods: readonly Pod[]): readonly NamedHost[] {
  return pods.flatMap((pod) => {
    const names = pod.metadata.annotations[externalHostsAnnotation];
    const address = pod.status?.podIP;
    if (names === undefined || address === undefined) return [];
    return names.split(",").map((host) => ({ host: host.trim(), addresses: [address], ports: [] }));
  });
}

function virtualAddresses(service: MeshService, endpoints: readonly Endpoint[]): readonly VirtualAddress[] {
  return service.vips
    .filter((vip) => !vip.includes("/"))
    .flatMap((vip) =>
      service.ports.map(({ number, protocol }) => ({
        vip,
        port: number,
        protocol: transportOf(protocol),
        endpoints: endpointsAt(endpoints, number),
      })),
    );
}

function endpointsAt(endpoints: readonly Endpoint[], servicePort: number): readonly { readonly address: string; readonly port: number }[] {
  return endpoints.flatMap(({ address, ports }) => {
    const port = ports[servicePort];
    return port === undefined ? [] : [{ address, port }];
  });
}

/** A service is an ingress gateway's when a gateway proxy is among its endpoints. */
function isGatewayService(
  proxies: readonly MeshProxy[],
  endpointsOf: (service: MeshService) => readonly Endpoint[],
): (service: MeshService) => boolean {
  const gateways = new Set(proxies.filter(({ kind }) => kind === "gateway").map(({ address }) => address));
  return (service) => endpointsOf(service).some(({ address }) => gateways.has(address));
}

function gatewayPorts(
  services: readonly MeshService[],
  endpointsOf: (service: MeshService) => readonly Endpoint[],
): readonly GatewayPort[] {
  const byPort = new Map<number, { readonly address: string; readonly port: number }[]>();
  for (const service of services) {
    for (const { number } of service.ports) {
      byPort.set(number, [...(byPort.get(number) ?? []), ...endpointsAt(endpointsOf(service), number)]);
    }
  }
  return [...byPort].toSorted(([a], [b]) => a - b).map(([port, endpoints]) => ({ port, endpoints }));
}
