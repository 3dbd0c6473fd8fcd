// Classes of proxies and what each class sees. Two proxies of one namespace whose deciding labels are equal are one class.

import type { Gateway } from "../api/networking/gateway.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import type { Directory } from "./client.ts";
import { gatewayServers, gatewayTables } from "./gateway-routes.ts";
import type { GatewayServer, TlsServer, UsableCredentials } from "./gateway-tls.ts";
import { tlsServers } from "./gateway-tls.ts";
import type { ListenersRelation } from "./listeners.ts";
import { gatewayListeners, sidecarListeners } from "./listeners.ts";
import { memoLast, memoObject, sameItems, stableList } from "./memo.ts";
import type { Endpoint, MeshProxy, Scope } from "./mesh.ts";
import type { CohortMember } from "./releases/cohort.ts";
import type { HostRelation } from "./route-host.ts";
import { RelationMemo, RouteHostMemo } from "./route-host.ts";
import type { RouteClient, RouteHost, RouteTable } from "./routes.ts";
import type { TableRelation } from "./sidecar-routes.ts";
import { createSidecarTables } from "./sidecar-routes.ts";
import type { ListenerTelemetry } from "./telemetry-settings.ts";
import type { SplitSource, VirtualServiceIndex } from "./virtual-services.ts";
import type { SettledWeights } from "./weights.ts";

export interface ScopeInputs {
  readonly directory: Directory;
  readonly index: VirtualServiceIndex;
  /** Only VirtualServices with tcp or tls routes. */
  readonly l4Index: VirtualServiceIndex;
  readonly virtualServices: readonly VirtualService[];
  readonly l4VirtualServices: readonly VirtualService[];
  readonly headless: ReadonlyMap<string, readonly Endpoint[]>;
  /** Oldest first. */
  readonly gateways: readonly Gateway[];
  readonly credentials: UsableCredentials;
}

/** Names a proxy's class: what it depends on of the proxy, and nothing else. */
export function scopeKeyOf(proxy: MeshProxy, { deciding, gateways, telemetry }: ScopeKeyInputs): string {
  const labels = decidingPairs(proxy, deciding);
  const own = telemetry === undefined ? [] : [telemetry];
  if (proxy.kind === "sidecar") return JSON.stringify(["sidecar", proxy.namespace, labels, ...own]);
  const servers = gatewayServers(proxy, gateways).map(({ gatewayName, server, bindPort }) => [
    gatewayName,
    server.port.name,
    server.port.number,
    bindPort,
  ]);
  return JSON.stringify(["gateway", proxy.namespace, labels, servers, ...own]);
}

/** What decides about a proxy's class besides itself. */
export interface ScopeKeyInputs {
  /** Names of labels. */
  readonly deciding: readonly string[];
  readonly gateways: readonly Gateway[];
  /** What its listeners say, where it isn't what the settings say. */
  readonly telemetry: ListenerTelemetry | undefined;
}

function decidingPairs(proxy: MeshProxy, deciding: readonly string[]): readonly (readonly [string, string])[] {
  return deciding.flatMap((name) => (Object.hasOwn(proxy.labels, name) ? [[name, proxy.labels[name] ?? ""] as const] : []));
}

/** Computes one class of proxies over and over, remembering everything that stays. */
export interface ScopeBuilder {
  /** First step: everything but weights; `example` is any proxy of the class. Returns the splits of all its routes. */
  relate(inputs: ScopeInputs, example: MeshProxy): readonly SplitSource[];
  /** Second step: the routes with the weights they carry. */
  scope(directory: Directory, settled: SettledWeights): Scope;
}

/** Starts a class; `proxy` is any of its members. */
export function createScopeBuilder(
  key: string,
  proxy: MeshProxy,
  { deciding, telemetry }: Pick<ScopeKeyInputs, "deciding" | "telemetry">,
): ScopeBuilder {
  const kind = proxy.kind;
  const client: RouteClient = { namespace: proxy.namespace, labels: Object.fromEntries(decidingPairs(proxy, deciding)) };
  const relationsOf = kind === "sidecar" ? sidecarRelations(client) : gatewayRelations(client);
  const tableList = stableList<TableRelation>();
  const tablesOf = routeTables();
  const targetsOf = memoLast((all: readonly TableRelation[]) => all.flatMap(({ hosts }) => hosts.flatMap(hostTargets)));
  const splitsOf = memoLast((all: readonly TableRelation[]) => all.flatMap(({ hosts }) => hosts.flatMap(({ splits }) => splits)));
  const scopeOf = memoLast(
    (directory: Directory, listeners: ListenersRelation, targets: Scope["targets"], tables: readonly RouteTable[]): Scope => ({
      key,
      kind,
      client,
      directory,
      listeners,
      targets,
      tables,
      telemetry,
    }),
  );
  let tables: readonly TableRelation[] = [];
  let listeners: ListenersRelation = { listeners: [], splits: [], targets: [] };
  return {
    relate(inputs, example) {
      const relations = relationsOf(inputs, example);
      tables = tableList(relations.tables);
      listeners = relations.listeners;
      return splitsOf(tables);
    },
    scope(directory, settled) {
      return scopeOf(directory, listeners, targetsOf(tables), tablesOf(tables, settled));
    },
  };
}

/** Everything a class sees but the weights; `example` is any proxy of the class. */
type Relate = (
  inputs: ScopeInputs,
  example: MeshProxy,
) => { readonly tables: readonly TableRelation[]; readonly listeners: ListenersRelation };

/** Routes and listeners of what the namespace sees. */
function sidecarRelations(client: RouteClient): Relate {
  const tablesOf = createSidecarTables(client);
  const listenersOf = memoLast((directory: Directory, index: VirtualServiceIndex, headless: ScopeInputs["headless"]) =>
    sidecarListeners({ directory, client, index, headless }),
  );
  return ({ directory, index, l4Index, headless }) => ({
    tables: tablesOf(directory, index),
    listeners: listenersOf(directory, l4Index, headless),
  });
}

/** Routes and listeners of the Gateways' servers that choose the proxy. */
function gatewayRelations(client: RouteClient): Relate {
  const memo = new RelationMemo();
  const tablesOf = memoLast(
    (directory: Directory, servers: readonly GatewayServer[], ending: readonly TlsServer[], virtualServices: readonly VirtualService[]) =>
      gatewayTables({ directory, client, servers, tlsServers: ending, virtualServices, memo }),
  );
  const serversOf = stableServers();
  const tlsServersOf = stableTlsServers(client.namespace);
  const listenersOf = memoLast(
    (directory: Directory, servers: readonly GatewayServer[], ending: readonly TlsServer[], virtualServices: readonly VirtualService[]) =>
      gatewayListeners({ directory, client, servers, tlsServers: ending, virtualServices }),
  );
  return ({ directory, gateways, credentials, virtualServices, l4VirtualServices }, example) => {
    const servers = serversOf(gatewayServers(example, gateways));
    const ending = tlsServersOf(servers, credentials);
    return {
      tables: tablesOf(directory, servers, ending, virtualServices),
      listeners: listenersOf(directory, servers, ending, l4VirtualServices),
    };
  };
}

const hostTargets = memoObject(({ rules, defaults }: HostRelation) =>
  [...rules, ...defaults].flatMap(({ rule }) => [...rule.targets, ...rule.mirrors]),
);

/** Fills in the weights; tables and their host lists stay the same objects while nothing in them changed. */
function routeTables(): (tables: readonly TableRelation[], settled: SettledWeights) => readonly RouteTable[] {
  const memo = new RouteHostMemo();
  const lists = new Map<string, (next: readonly RouteHost[]) => readonly RouteHost[]>();
  const known = new Map<string, RouteTable>();
  const all = stableList<RouteTable>();
  return memoLast((tables: readonly TableRelation[], settled: SettledWeights) => {
    const made = tables.map(({ name, unknownHosts, misdirected = [], cohorts = [], hosts: relations }) => {
      const list = lists.get(name) ?? stableList<RouteHost>();
      lists.set(name, list);
      const hosts = list(relations.map((relation) => memo.get(relation, settled)));
      const before = known.get(name);
      const isSame =
        before?.hosts === hosts &&
        before.unknownHosts === unknownHosts &&
        sameItems(before.misdirected ?? [], misdirected) &&
        sameMembers(before.cohorts ?? [], cohorts);
      const more = { ...(misdirected.length === 0 ? {} : { misdirected }), ...(cohorts.length === 0 ? {} : { cohorts }) };
      const table = isSame ? before : { name, unknownHosts, hosts, ...more };
      known.set(name, table);
      return table;
    });
    return all(made);
  });
}

function sameMembers(a: readonly CohortMember[], b: readonly CohortMember[]): boolean {
  return sameItems(
    a.map(({ member }) => member),
    b.map(({ member }) => member),
  );
}

/** Keeps the list while its content is the same. */
function stableServers(): (next: readonly GatewayServer[]) => readonly GatewayServer[] {
  let last: { readonly content: string; readonly servers: readonly GatewayServer[] } = { content: "[]", servers: [] };
  return (servers) => {
    const content = JSON.stringify(
      servers.map(({ gateway, gatewayName, server, bindPort }) => [gateway.metadata.namespace, gatewayName, server, bindPort]),
    );
    if (content !== last.content) last = { content, servers };
    return last.servers;
  };
}

/** Keeps the list while neither the servers nor what they need of the credentials changed. */
function stableTlsServers(namespace: string): (servers: readonly GatewayServer[], credentials: UsableCredentials) => readonly TlsServer[] {
  let last: { readonly servers: readonly GatewayServer[]; readonly content: string; readonly list: readonly TlsServer[] } | undefined;
  return memoLast((servers: readonly GatewayServer[], credentials: UsableCredentials) => {
    const list = tlsServers(servers, { namespace, credentials });
    const content = JSON.stringify(list.map(({ gatewayName, server, tls }) => [gatewayName, server.port.name, tls]));
    if (last?.servers !== servers || last.content !== content) last = { servers, content, list };
    return last.list;
  });
}
