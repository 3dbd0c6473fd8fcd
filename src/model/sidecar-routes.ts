// The route tables of sidecars: per HTTP port one table with a virtual host per service, and one table per port of undeclared protocol.

import { serviceAliases } from "../api/hosts.ts";
import type { HttpMatchRequest, VirtualService } from "../api/networking/virtual-service.ts";
import { meshGateway } from "../api/networking/virtual-service.ts";
import { detectedRouteName, outboundClusterName, sidecarRouteName, virtualHostName } from "../envoy/names.ts";
import type { Directory } from "./client.ts";
import { effectivePolicy } from "./destinations.ts";
import { memoLast, memoObject, sameItems } from "./memo.ts";
import type { MeshService, ServicePort } from "./mesh.ts";
import { isHttp } from "./protocol.ts";
import { defaultRules, previewHost, previewRules } from "./releases/default-rules.ts";
import type { HostRelation, HostRule } from "./route-host.ts";
import { hostRelation, RelationMemo } from "./route-host.ts";
import type { RouteClient, RouteTable } from "./routes.ts";
import type { ResolvedRule, VirtualServiceIndex } from "./virtual-services.ts";
import { resolvedRules } from "./virtual-services.ts";
import { compare } from "./visibility.ts";

/** A route table whose hosts have no weights yet. */
export interface TableRelation {
  readonly name: string;
  readonly hosts: readonly HostRelation[];
  readonly unknownHosts: RouteTable["unknownHosts"];
  readonly misdirected?: RouteTable["misdirected"];
  readonly cohorts?: RouteTable["cohorts"];
}

/** Port on which hosts that no service declares are served (Istio: buildSidecarVirtualHostsForVirtualService). */
const defaultHttpPort = 80;

/** A virtual host of a service port, with what it was last made of. */
interface Slot {
  readonly table: string;
  readonly name: string;
  readonly service: MeshService;
  readonly port: ServicePort;
  readonly hosts: readonly string[];
  virtualService?: VirtualService | undefined;
  relation?: HostRelation;
}

/**
 * Computes all tables of a class of sidecars, sorted by name. A changed VirtualService costs the hosts it decides for, and tables without
 * such a host stay the same objects.
 */
export function createSidecarTables(client: RouteClient): (directory: Directory, index: VirtualServiceIndex) => readonly TableRelation[] {
  const memo = new RelationMemo();
  const shortOf = memoLast((directory: Directory) => shortNames(directory, client));
  const slotsOf = memoLast((directory: Directory) => serviceSlots(directory, client, shortOf(directory)));
  const tables = new Map<string, TableRelation>();
  return memoLast((directory: Directory, index: VirtualServiceIndex) => {
    const context = { directory, client, index, memo, short: shortOf(directory) };
    const byTable = new Map<string, HostRelation[]>();
    for (const slot of slotsOf(directory)) {
      const relation = slotRelation(slot, context);
      const hosts = byTable.get(slot.table);
      if (hosts === undefined) byTable.set(slot.table, [relation]);
      else hosts.push(relation);
    }
    byTable.get(sidecarRouteName(defaultHttpPort))?.push(...unclaimedHosts(context));
    for (const { table, relation } of previewHosts(context)) byTable.get(table)?.push(relation);
    memo.keepOnly(new Set([...byTable.values()].flatMap((hosts) => hosts.map(({ host }) => host.name))));
    for (const name of tables.keys()) if (!byTable.has(name)) tables.delete(name);
    const unknownHosts = directory.settings.outboundTrafficPolicy === "ALLOW_ANY" ? "passthrough" : "blackhole";
    return [...byTable].sort(([a], [b]) => compare(a, b)).map(([name, hosts]) => stableTable(tables, { name, hosts, unknownHosts }));
  });
}

function stableTable(tables: Map<string, TableRelation>, next: TableRelation): TableRelation {
  const before = tables.get(next.name);
  if (before !== undefined && before.unknownHosts === next.unknownHosts && sameItems(before.hosts, next.hosts)) return before;
  tables.set(next.name, next);
  return next;
}

/** Short names that mean Services: whoever else claims one is passed over, for no domain may stand in two virtual hosts. */
function shortNames(directory: Directory, { namespace }: RouteClient): ReadonlySet<string> {
  const services = [...directory.view(namespace).services.values()].filter(({ kind }) => kind === "Service");
  return new Set(services.flatMap((service) => serviceAliases(service.name, service.namespace, namespace).slice(1)));
}

function serviceSlots(directory: Directory, client: RouteClient, short: ReadonlySet<string>): readonly Slot[] {
  const taken = new Set<string>();
  return [...directory.view(client.namespace).services.values()].flatMap((service) =>
    service.ports.flatMap((port): readonly Slot[] => {
      if (short.has(service.hostname)) return [];
      const name = virtualHostName(service.hostname, port.number);
      // Behind one service's own address any Host header means that service.
      if (port.protocol === "detect")
        return [{ table: detectedRouteName(service.hostname, port.number), name, service, port, hosts: ["*"] }];
      if (!isHttp(port.protocol)) return [];
      // Two entries may give the same address: the first host has it, for no domain may stand in two virtual hosts.
      const addresses = service.vips.filter((vip) => !vip.includes("/") && !taken.has(`${vip}:${port.number}`));
      for (const vip of addresses) taken.add(`${vip}:${port.number}`);
      return [{ table: sidecarRouteName(port.number), name, service, port, hosts: [service.hostname, ...addresses] }];
    }),
  );
}

interface Context {
  readonly directory: Directory;
  readonly client: RouteClient;
  readonly index: VirtualServiceIndex;
  readonly memo: RelationMemo;
  readonly short: ReadonlySet<string>;
}

function slotRelation(slot: Slot, { directory, client, index, memo }: Context): HostRelation {
  const { service, port, name, hosts } = slot;
  const virtualService = index.forMesh(service.hostname, client.namespace);
  if (slot.relation !== undefined && slot.virtualService === virtualService) return slot.relation;
  const consistentHash = effectivePolicy(directory.policies(client, service), port.number).loadBalancer?.consistentHash;
  const rules = virtualService === undefined ? [] : resolvedRules(virtualService, { directory, client, listenerPort: port.number });
  const relation = hostRelation(
    {
      name,
      port: port.number,
      hosts,
      ...(port.protocol === "http" ? { speaksHttp1: true } : {}),
      ...(service.kind === "Service" && hosts[0] !== "*" ? { service: { name: service.name, namespace: service.namespace } } : {}),
      defaultTarget: {
        cluster: outboundClusterName(port.number, "", service.hostname),
        ...(consistentHash === undefined ? {} : { consistentHash }),
      },
    },
    rules.map(atMesh),
    virtualService !== undefined && takesEverybody(virtualService) ? [] : defaultRules(service, port, { directory, client }).map(atMesh),
  );
  slot.virtualService = virtualService;
  slot.relation = memo.stable(relation);
  return slot.relation;
}

/** Whether some route is there for every client, so that the service's own is never asked for. */
const takesEverybody = memoObject(({ spec }: VirtualService) =>
  spec.http.some(
    ({ match, route, redirect, directResponse }) =>
      (route.length > 0 || redirect !== undefined || directResponse !== undefined) && (match.length === 0 || match.some(asksNobody)),
  ),
);

function asksNobody({ gateways, port, sourceLabels, sourceNamespace }: HttpMatchRequest): boolean {
  return gateways.length === 0 && !port && Object.keys(sourceLabels).length === 0 && !sourceNamespace;
}

const atMesh = (rule: ResolvedRule): HostRule => ({ rule, gateway: meshGateway });

/** Hosts under which releases show one version before anybody else gets it. */
function previewHosts({
  directory,
  client,
  memo,
  index,
  short,
}: Context): readonly { readonly table: string; readonly relation: HostRelation }[] {
  const services = directory.view(client.namespace).services;
  const previewed = [...directory.releases.values()].filter(({ preview }) => preview !== undefined);
  return previewed.flatMap((release) => {
    const service = directory.services.get(release.serviceId);
    const names = previewHost(release);
    if (service === undefined || services.get(service.hostname) !== service || names === undefined) return [];
    // A host that somebody has is theirs.
    if (services.has(names.host) || index.meshHosts.has(names.host) || short.has(names.host)) return [];
    return service.ports.flatMap((port) => {
      const rules = isHttp(port.protocol) ? previewRules(service, port, { directory, client }) : [];
      if (rules.length === 0) return [];
      const host = { name: virtualHostName(names.host, port.number), port: port.number, hosts: [names.host] };
      const known = names.service === undefined ? host : { ...host, service: names.service };
      return [{ table: sidecarRouteName(port.number), relation: memo.stable(hostRelation(known, rules.map(atMesh))) }];
    });
  });
}

/** Hosts that only a VirtualService names. */
function unclaimedHosts({ directory, client, index, memo, short }: Context): readonly HostRelation[] {
  const services = directory.view(client.namespace).services;
  const hosts = [...index.meshHosts.keys()].filter((host) => host !== "*" && !services.has(host) && !short.has(host));
  return hosts.sort().flatMap((host) => {
    const virtualService = index.forMesh(host, client.namespace);
    if (virtualService === undefined || virtualService.spec.http.length === 0) return [];
    const rules = resolvedRules(virtualService, { directory, client, listenerPort: defaultHttpPort });
    return [
      memo.stable(hostRelation({ name: virtualHostName(host, defaultHttpPort), port: defaultHttpPort, hosts: [host] }, rules.map(atMesh))),
    ];
  });
}
