// What a gateway proxy serves: its Gateways' servers by the port it listens on, route tables for the HTTP and HTTPS ones, and the
// VirtualServices bound to each. Several VirtualServices for one host are merged, oldest first (Istio merges at gateways only).

import { gatewayHost, hostsOverlap, namespacedName, resolveHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { Gateway } from "../api/networking/gateway.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import { gatewayHttpRouteName, gatewayHttpsRouteName, virtualHostName } from "../envoy/names.ts";
import type { Directory } from "./client.ts";
import type { GatewayServer, TlsServer } from "./gateway-tls.ts";
import { misdirectedAt } from "./gateway-tls.ts";
import { memoObject } from "./memo.ts";
import type { MeshProxy } from "./mesh.ts";
import { declaredProtocol, isHttp } from "./protocol.ts";
import { cohortMembers } from "./releases/cohort.ts";
import type { ComposeContext } from "./releases/compose.ts";
import { previewHost } from "./releases/default-rules.ts";
import type { HostRelation, HostRule, RelationMemo } from "./route-host.ts";
import { hostRelation } from "./route-host.ts";
import type { RouteClient } from "./routes.ts";
import type { TableRelation } from "./sidecar-routes.ts";
import { resolvedRules } from "./virtual-services.ts";
import { compare, hostIntersection, isExportedTo } from "./visibility.ts";

/** The servers that a gateway proxy serves, in order of age; a Gateway selects pods of every namespace by their labels. */
export function gatewayServers(proxy: Pick<MeshProxy, "labels" | "inbound">, gateways: readonly Gateway[]): readonly GatewayServer[] {
  return gateways
    .filter(({ spec }) => labelsMatch(spec.selector, proxy.labels))
    .flatMap((gateway) =>
      gateway.spec.servers.map((server) => ({
        gateway,
        server,
        gatewayName: `${gateway.metadata.namespace}/${gateway.metadata.name}`,
        protocol: declaredProtocol(server.port.protocol),
        bindPort: proxy.inbound.find(({ servicePort }) => servicePort.number === server.port.number)?.port ?? server.port.number,
      })),
    );
}

/** Which gateways a VirtualService names, as "<namespace>/<name>". */
const gatewaysOf = memoObject((virtualService: VirtualService): ReadonlySet<string> => {
  const { spec, metadata } = virtualService;
  const matches = [...spec.http, ...spec.tcp, ...spec.tls].flatMap(
    (route): readonly { readonly gateways: readonly string[] }[] => route.match,
  );
  const names = [...spec.gateways, ...matches.flatMap(({ gateways }) => gateways)];
  return new Set(
    names.map((name) => {
      const parsed = namespacedName(name, metadata.namespace);
      return `${parsed.namespace}/${parsed.name}`;
    }),
  );
});

/** The hosts that a server and a VirtualService have in common, the narrower of each pair. */
export function sharedHosts(
  { server, gateway, gatewayName }: GatewayServer,
  virtualService: VirtualService,
  directory: Directory,
): readonly string[] {
  const { namespace } = virtualService.metadata;
  if (!gatewaysOf(virtualService).has(gatewayName) || !isExportedTo(virtualService, gateway.metadata.namespace)) return [];
  const offered = server.hosts
    .map((host) => gatewayHost(host, gateway.metadata.namespace))
    .filter((entry) => entry.namespace === "*" || entry.namespace === namespace);
  const wanted = virtualService.spec.hosts.map((host) => resolveHost(host, namespace, directory.exists));
  return [...new Set(wanted.flatMap((host) => offered.flatMap((entry) => hostIntersection(host, entry.host) ?? [])))];
}

export interface GatewayRoutesInputs {
  readonly directory: Directory;
  readonly client: RouteClient;
  readonly servers: readonly GatewayServer[];
  /** Those of `servers` that end TLS and can. */
  readonly tlsServers: readonly TlsServer[];
  /** Oldest first. */
  readonly virtualServices: readonly VirtualService[];
  readonly memo: RelationMemo;
}

/** The tables of all HTTP servers, sorted by name: plaintext servers of one port share one, each HTTPS server has its own. */
export function gatewayTables(inputs: GatewayRoutesInputs): readonly TableRelation[] {
  const http = inputs.servers.filter(({ protocol }) => isHttp(protocol));
  const ports = [...new Set(http.map(({ bindPort }) => bindPort))];
  const plaintext = ports.map((bindPort) => {
    const servers = http.filter((server) => server.bindPort === bindPort);
    const hosts = hostRelations(gatewayHttpRouteName(bindPort), bindPort, boundHosts(servers, inputs), { servers, inputs });
    return { name: gatewayHttpRouteName(bindPort), hosts, unknownHosts: "not-found" as const };
  });
  const encrypted = inputs.tlsServers.filter(({ protocol }) => protocol === "https").map((server) => httpsTable(server, inputs));
  const cohorts = cohortMembers(inputs.directory.releases);
  const known = cohorts.length === 0 ? {} : { cohorts };
  const tables = [...plaintext, ...encrypted].sort((a, b) => compare(a.name, b.name)).map((table) => ({ ...table, ...known }));
  inputs.memo.keepOnly(new Set(tables.flatMap(({ name, hosts }) => hosts.map(({ host }) => relationKey(name, host.name)))));
  return tables;
}

/** Several tables may have a host of one name. */
function relationKey(table: string, host: string): string {
  return `${table} ${host}`;
}

/** RDS name of an HTTPS server. */
export function httpsRouteName({ server, gateway }: GatewayServer): string {
  const { name, namespace } = gateway.metadata;
  return gatewayHttpsRouteName(server.port.number, { portName: server.port.name, gateway: name, namespace });
}

function httpsTable(server: TlsServer, inputs: GatewayRoutesInputs): TableRelation {
  const name = httpsRouteName(server);
  const bound = boundHosts([server], inputs);
  const { domains, isForeign } = misdirectedAt(server, inputs.servers, [...bound.keys()]);
  const own = new Map([...bound].filter(([host]) => !isForeign(host)));
  const hosts = hostRelations(name, server.bindPort, own, { servers: [server], inputs });
  return { name, hosts, unknownHosts: "not-found", ...(domains.length === 0 ? {} : { misdirected: domains }) };
}

interface Bound {
  readonly server: GatewayServer;
  readonly virtualService: VirtualService;
}

/** Each host with the VirtualServices that are bound to it. */
function boundHosts(
  servers: readonly GatewayServer[],
  { directory, virtualServices }: GatewayRoutesInputs,
): ReadonlyMap<string, readonly Bound[]> {
  const byHost = new Map<string, Bound[]>();
  for (const virtualService of virtualServices.filter(({ spec }) => spec.http.length > 0)) {
    for (const server of servers) {
      for (const host of sharedHosts(server, virtualService, directory)) {
        const bound = byHost.get(host) ?? [];
        byHost.set(host, bound);
        if (!bound.some((other) => other.virtualService === virtualService)) bound.push({ server, virtualService });
      }
    }
  }
  for (const host of redirectedHosts(servers)) if (!byHost.has(host)) byHost.set(host, []);
  return byHost;
}

function hostRelations(
  table: string,
  bindPort: number,
  byHost: ReadonlyMap<string, readonly Bound[]>,
  { servers, inputs }: { readonly servers: readonly GatewayServer[]; readonly inputs: GatewayRoutesInputs },
): readonly HostRelation[] {
  return [...byHost]
    .sort(([a], [b]) => compare(a, b))
    .map(([host, bound]) => {
      const name = virtualHostName(host, bindPort);
      const port = bound[0]?.server.server.port.number ?? bindPort;
      const redirect = isRedirected(host, servers) ? { httpsRedirect: true } : {};
      const rules = bound.flatMap((one) => hostRules(one, inputs));
      return inputs.memo.stable(hostRelation({ name, port, hosts: [host], ...redirect }, rules), relationKey(table, name));
    })
    .concat(previewRelations(table, bindPort, byHost, inputs));
}

/** Preview hosts of the services that some route of the table leads to, by these routes: what isn't shown to strangers isn't previewed to them. */
function previewRelations(
  table: string,
  bindPort: number,
  byHost: ReadonlyMap<string, readonly Bound[]>,
  inputs: GatewayRoutesInputs,
): readonly HostRelation[] {
  const { directory } = inputs;
  const bound = [...new Map([...byHost.values()].flat().map((one) => [one.virtualService, one])).values()];
  return [...directory.releases.values()].flatMap((release) => {
    const names = previewHost(release);
    if (names === undefined || release.preview === undefined || byHost.has(names.host) || directory.exists(names.host)) return [];
    const only = { release, arm: release.preview.arm };
    const rules = bound.flatMap((one) => hostRules(one, inputs, only));
    const port = bound[0]?.server.server.port.number ?? bindPort;
    if (rules.length === 0) return [];
    const name = virtualHostName(names.host, bindPort);
    const hosts = names.service === undefined ? [names.host] : [names.host, names.service.name];
    return [inputs.memo.stable(hostRelation({ name, port, hosts }, rules), relationKey(table, name))];
  });
}

/** A match with `port` compares with the server's number, and so do destinations without a port. */
function hostRules(
  { server, virtualService }: Bound,
  { directory, client }: GatewayRoutesInputs,
  only?: ComposeContext["only"],
): readonly HostRule[] {
  return resolvedRules(virtualService, { directory, client, listenerPort: server.server.port.number, only }).map((rule) => ({
    rule,
    gateway: server.gatewayName,
  }));
}

function redirectedHosts(servers: readonly GatewayServer[]): readonly string[] {
  return servers
    .filter(({ server }) => server.tls?.httpsRedirect === true)
    .flatMap(({ server, gateway }) => server.hosts.map((host) => gatewayHost(host, gateway.metadata.namespace).host));
}

function isRedirected(host: string, servers: readonly GatewayServer[]): boolean {
  return redirectedHosts(servers).some((redirected) => hostsOverlap(redirected, host) && redirected.length <= host.length);
}
