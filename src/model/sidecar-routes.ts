// The route tables of sidecars: per HTTP port one table with a virtual host per service, and one table per port of undeclared protocol.

import { meshGateway } from "../api/networking/virtual-service.ts";
import { detectedRouteName, outboundClusterName, sidecarRouteName, virtualHostName } from "../envoy/names.ts";
import type { Directory } from "./client.ts";
import { effectivePolicy } from "./destinations.ts";
import type { MeshService, ServicePort } from "./mesh.ts";
import { isHttp } from "./protocol.ts";
import type { HostRelation, RelationMemo } from "./route-host.ts";
import { hostRelation } from "./route-host.ts";
import type { RouteClient, RouteTable } from "./routes.ts";
import type { VirtualServiceIndex } from "./virtual-services.ts";
import { resolvedRules } from "./virtual-services.ts";
import { compare } from "./visibility.ts";

/** A route table whose hosts have no weights yet. */
export interface TableRelation {
  readonly name: string;
  readonly hosts: readonly HostRelation[];
  readonly unknownHosts: RouteTable["unknownHosts"];
}

export interface SidecarRoutesInputs {
  readonly directory: Directory;
  readonly client: RouteClient;
  readonly index: VirtualServiceIndex;
  readonly memo: RelationMemo;
}

/** Port on which hosts that no service declares are served (Istio: buildSidecarVirtualHostsForVirtualService). */
const defaultHttpPort = 80;

/** All tables of a sidecar class, sorted by name. */
export function sidecarTables(inputs: SidecarRoutesInputs): readonly TableRelation[] {
  const { directory, client } = inputs;
  inputs.memo.generation();
  const unknownHosts = directory.settings.outboundTrafficPolicy === "ALLOW_ANY" ? "passthrough" : "blackhole";
  const tables = new Map<string, HostRelation[]>();
  const taken = new Set<string>();
  const add = (name: string, relation: HostRelation) => {
    const hosts = tables.get(name);
    if (hosts === undefined) tables.set(name, [relation]);
    else hosts.push(relation);
  };
  for (const service of directory.view(client.namespace).services.values()) {
    for (const port of service.ports) {
      if (isHttp(port.protocol)) add(sidecarRouteName(port.number), declaredHost(service, port, { ...inputs, taken }));
      if (port.protocol === "detect") add(detectedRouteName(service.hostname, port.number), detectedHost(service, port, inputs));
    }
  }
  const known = tables.get(sidecarRouteName(defaultHttpPort));
  if (known !== undefined) known.push(...unclaimedHosts(inputs));
  return [...tables].sort(([a], [b]) => compare(a, b)).map(([name, hosts]) => ({ name, hosts, unknownHosts }));
}

function declaredHost(
  service: MeshService,
  port: ServicePort,
  inputs: SidecarRoutesInputs & { readonly taken: Set<string> },
): HostRelation {
  // Two entries may give the same address: the first host has it, for no domain may stand in two virtual hosts.
  const addresses = service.vips.filter((vip) => !vip.includes("/") && !inputs.taken.has(`${vip}:${port.number}`));
  for (const vip of addresses) inputs.taken.add(`${vip}:${port.number}`);
  return serviceHostRelation(service, port, { ...inputs, hosts: [service.hostname, ...addresses] });
}

/** Behind one service's own address any Host header means that service. */
function detectedHost(service: MeshService, port: ServicePort, inputs: SidecarRoutesInputs): HostRelation {
  return serviceHostRelation(service, port, { ...inputs, hosts: ["*"] });
}

function serviceHostRelation(
  service: MeshService,
  port: ServicePort,
  { directory, client, index, memo, hosts }: SidecarRoutesInputs & { readonly hosts: readonly string[] },
): HostRelation {
  const virtualService = index.forMesh(service.hostname, client.namespace);
  const name = virtualHostName(service.hostname, port.number);
  return memo.get(name, [service, directory, virtualService, hosts.join()], () => {
    const consistentHash = effectivePolicy(directory.policies(client, service), port.number).loadBalancer?.consistentHash;
    const rules = virtualService === undefined ? [] : resolvedRules(virtualService, { directory, client, listenerPort: port.number });
    return hostRelation(
      {
        name,
        port: port.number,
        hosts,
        ...(service.kind === "Service" && hosts[0] !== "*" ? { service: { name: service.name, namespace: service.namespace } } : {}),
        defaultTarget: {
          cluster: outboundClusterName(port.number, "", service.hostname),
          ...(consistentHash === undefined ? {} : { consistentHash }),
        },
      },
      rules.map((rule) => ({ rule, gateway: meshGateway })),
    );
  });
}

/** Hosts that only a VirtualService names. */
function unclaimedHosts({ directory, client, index, memo }: SidecarRoutesInputs): readonly HostRelation[] {
  const services = directory.view(client.namespace).services;
  return [...index.meshHosts.keys()].sort().flatMap((host) => {
    if (services.has(host) || host === "*") return [];
    const virtualService = index.forMesh(host, client.namespace);
    if (virtualService === undefined || virtualService.spec.http.length === 0) return [];
    const name = virtualHostName(host, defaultHttpPort);
    const relation = memo.get(name, [directory, virtualService], () =>
      hostRelation(
        { name, port: defaultHttpPort, hosts: [host] },
        resolvedRules(virtualService, { directory, client, listenerPort: defaultHttpPort }).map((rule) => ({ rule, gateway: meshGateway })),
      ),
    );
    return [relation];
  });
}
