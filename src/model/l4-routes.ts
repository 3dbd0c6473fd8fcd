// tcp and tls routes of VirtualServices as filter chains: which connections go to which cluster. A weighted route goes to one split
// cluster, whose EDS localities carry the shares: connections survive every change of weights.

import type { TcpSettings } from "../api/networking/destination-rule.ts";
import type { L4RouteDestination, VirtualService } from "../api/networking/virtual-service.ts";
import { meshGateway } from "../api/networking/virtual-service.ts";
import { outboundClusterName, splitClusterName } from "../envoy/names.ts";
import type { DestinationContext, ResolvedDestination } from "./client.ts";
import { resolveDestination } from "./client.ts";
import { effectivePolicy, subsetOf } from "./destinations.ts";
import type { DestinationPolicy, MeshService, PortProtocol, ServicePort } from "./mesh.ts";
import { isHttp, isTls } from "./protocol.ts";
import { dividedTargets } from "./releases/compose.ts";
import type { ShareGroup } from "./releases/shares.ts";
import { l4MatchHolds } from "./virtual-services.ts";
import { compare } from "./visibility.ts";

/** Which connections a chain takes; all given conditions must hold, an empty list is none. */
export interface ChainMatch {
  readonly serverNames: readonly string[];
  /** CIDR ranges of the original destination. */
  readonly destinations: readonly string[];
  readonly sources: readonly string[];
}

/** How long a connection may live and be silent: the part of DestinationRule connectionPool.tcp that the client's own side keeps. */
export type ConnectionLimits = Pick<TcpSettings, "idleTimeout" | "maxConnectionDuration">;

export interface L4Chain {
  readonly match: ChainMatch;
  readonly cluster: string;
  /** The cluster also carries HTTP, so that TLS between sidecars has to say that these connections are none; missing when it doesn't. */
  readonly sharesCluster?: true;
  /** Of the (first) destination's DestinationRule. */
  readonly limits?: ConnectionLimits | undefined;
  /** "VirtualService shop/db" and the like. */
  readonly sources: readonly string[];
}

/** A weighted tcp or tls route. Members and weights reach Envoy by EDS alone. */
export interface L4Split {
  readonly name: string;
  readonly members: readonly { readonly destination: ResolvedDestination /** Written; unused when divided. */; readonly weight: number }[];
  /** Under releases: how the members divide the weights that were written, which stand in `written`. */
  readonly divided?: { readonly groups: readonly ShareGroup[]; readonly written: readonly number[] };
  readonly source: string;
}

export interface L4Routes {
  readonly chains: readonly L4Chain[];
  readonly splits: readonly L4Split[];
  /** Every destination, for its cluster. */
  readonly targets: readonly ResolvedDestination[];
}

/** A chain without conditions. */
const anyConnection: ChainMatch = { serverNames: [], destinations: [], sources: [] };

export interface L4Place extends Omit<DestinationContext, "virtualService"> {
  /** "mesh" or "<namespace>/<name>" of the Gateway. */
  readonly gateway: string;
  /** Names under which VirtualServices refer to that gateway. */
  readonly protocol: PortProtocol;
  /** Gateways a VirtualService's matches are bound to when they name none. */
  readonly bound: (virtualService: VirtualService, named: readonly string[]) => readonly string[];
}

/** The chains of one VirtualService at one place, in the order they are tried; tls routes only where connections are TLS. */
export function l4Routes(virtualService: VirtualService, place: L4Place): L4Routes {
  const { tcp, tls } = virtualService.spec;
  const bound = place.bound(virtualService, virtualService.spec.gateways);
  const holds = (match: Parameters<typeof l4MatchHolds>[0]) =>
    l4MatchHolds(
      { ...match, gateways: match.gateways.length === 0 ? [] : place.bound(virtualService, match.gateways) },
      { client: place.client, gateway: place.gateway, port: place.listenerPort, bound },
    );
  const parts = [
    ...(isTls(place.protocol) ? tls : []).flatMap((route, index) =>
      route.match.filter(holds).map((match) => ({
        match: { serverNames: namesOf(match.sniHosts), destinations: match.destinationSubnets, sources: [] },
        route: route.route,
        id: `tls.${index}`,
      })),
    ),
    ...tcp.flatMap((route, index) =>
      tcpMatches(route.match.filter(holds), route.match.length === 0 && bound.includes(place.gateway)).map((match) => ({
        match,
        route: route.route,
        id: `tcp.${index}`,
      })),
    ),
  ];
  return combined(parts.map(({ match, route, id }) => chainOf(match, route, { place, virtualService, id })));
}

/** "*" says nothing about the name. */
function namesOf(sniHosts: readonly string[]): readonly string[] {
  return sniHosts.includes("*") ? [] : [...sniHosts].sort(compare);
}

function tcpMatches(
  blocks: readonly { readonly destinationSubnets: readonly string[]; readonly sourceSubnet?: string | undefined }[],
  matchesAll: boolean,
): readonly ChainMatch[] {
  if (matchesAll) return [anyConnection];
  return blocks.map(({ destinationSubnets, sourceSubnet }) => ({
    serverNames: [],
    destinations: destinationSubnets,
    sources: sourceSubnet === undefined || sourceSubnet === "" ? [] : [sourceSubnet],
  }));
}

function chainOf(
  match: ChainMatch,
  route: readonly L4RouteDestination[],
  { place, virtualService, id }: { readonly place: L4Place; readonly virtualService: VirtualService; readonly id: string },
): L4Routes {
  const { name, namespace } = virtualService.metadata;
  const source = `VirtualService ${namespace}/${name}`;
  const members = route.map(({ destination, weight }) => ({
    destination: resolveDestination(destination, { ...place, virtualService }),
    weight: weight ?? 0,
  }));
  const cluster = splitClusterName({ port: place.listenerPort, route: id, name, namespace });
  return dividedChain(members, { match, cluster, source, place });
}

/**
 * One destination is its own cluster; several are a split of that name, and so is a released one however few its versions are, so that the next run
 * changes no chain and ends no connection.
 */
function dividedChain(
  written: L4Split["members"],
  {
    match,
    cluster,
    source,
    place,
  }: { readonly match: ChainMatch; readonly cluster: string; readonly source: string; readonly place: L4Client },
): L4Routes {
  const division = dividedTargets(
    written.map(({ destination }) => destination),
    place,
  );
  const members = division?.targets.map((destination) => ({ destination, weight: 0 })) ?? written;
  const [only] = members;
  if (only === undefined) return noRoutes;
  const targets = members.map(({ destination }) => destination);
  const limits = limitsOf(only.destination);
  const sources = [source, ...(division?.sources ?? [])];
  if (members.length === 1 && division === undefined) {
    const { cluster: single, policy, servicePort, subset } = only.destination;
    const shares = sharedWithHttp(servicePort, policy, subset);
    return { chains: [{ match, cluster: single, ...shares, limits, sources }], splits: [], targets };
  }
  const divided = division === undefined ? {} : { divided: { groups: division.groups, written: written.map(({ weight }) => weight) } };
  return { chains: [{ match, cluster, limits, sources }], splits: [{ name: cluster, members, ...divided, source }], targets };
}

const noRoutes: L4Routes = { chains: [], splits: [], targets: [] };

type L4Client = Pick<DestinationContext, "directory" | "client">;

/** TLS to the outside (DestinationRule) knows nothing of it. */
function sharedWithHttp(
  port: ServicePort | undefined,
  policy: DestinationPolicy | undefined,
  subset = "",
): { readonly sharesCluster?: true } {
  if (port === undefined || (port.protocol !== "detect" && !isHttp(port.protocol))) return {};
  const mode = effectivePolicy(policy, port.number, subsetOf(policy, subset)).tls?.mode;
  return mode === "SIMPLE" || mode === "MUTUAL" ? {} : { sharesCluster: true };
}

function limitsOf({ policy, port, subset }: ResolvedDestination): ConnectionLimits | undefined {
  return effectivePolicy(policy, port, subsetOf(policy, subset)).connectionPool?.tcp;
}

/** One after the other; of two chains with the same conditions Envoy would refuse the listener, so the first one stays. */
export function combined(parts: readonly L4Routes[]): L4Routes {
  const chains = new Map<string, L4Chain>();
  for (const chain of parts.flatMap((part) => part.chains)) {
    for (const single of separated(chain)) {
      const key = JSON.stringify(single.match);
      if (!chains.has(key)) chains.set(key, single);
    }
  }
  const splits = new Map(parts.flatMap((part) => part.splits).map((split) => [split.name, split]));
  return { chains: [...chains.values()], splits: [...splits.values()], targets: parts.flatMap(({ targets }) => targets) };
}

/** One chain per server name, so that an overlap of two routes' lists is seen. */
function separated(chain: L4Chain): readonly L4Chain[] {
  if (chain.match.serverNames.length < 2) return [chain];
  return chain.match.serverNames.map((name) => ({ ...chain, match: { ...chain.match, serverNames: [name] } }));
}

/** The chains of one service port at sidecars: its VirtualService's routes, then the service itself. */
export function serviceL4Routes(
  service: MeshService,
  port: ServicePort,
  context: Omit<DestinationContext, "virtualService" | "listenerPort"> & { readonly virtualService: VirtualService | undefined },
): L4Routes {
  const { directory, client, virtualService } = context;
  const place: L4Place = {
    directory,
    client,
    listenerPort: port.number,
    gateway: meshGateway,
    protocol: port.protocol,
    bound: (_, named) => named,
  };
  const routed = virtualService === undefined ? noRoutes : l4Routes(virtualService, place);
  return combined([routed, ownChain(service, port, { directory, client })]);
}

/** Everything else to the service itself. */
function ownChain(service: MeshService, port: ServicePort, { directory, client }: L4Client): L4Routes {
  const { source, hostname, name, namespace } = service;
  const cluster = outboundClusterName(port.number, "", hostname);
  const policy = directory.policies(client, service);
  // Clients of a headless service choose the pod themselves.
  if (!service.headless && directory.releases.has(service.id)) {
    const destination: ResolvedDestination = {
      cluster,
      host: hostname,
      port: port.number,
      subset: "",
      service,
      servicePort: port,
      labels: {},
      ...(policy === undefined ? {} : { policy }),
    };
    if (dividedTargets([destination], { directory, client }) !== undefined) {
      const split = splitClusterName({ port: port.number, route: "release", name, namespace });
      return dividedChain([{ destination, weight: 1 }], { match: anyConnection, cluster: split, source, place: { directory, client } });
    }
  }
  const limits = effectivePolicy(policy, port.number).connectionPool?.tcp;
  return {
    chains: [{ match: anyConnection, cluster, ...sharedWithHttp(port, policy), limits, sources: [source] }],
    splits: [],
    targets: [],
  };
}
