// The listeners of a sidecar's outbound side: the one that all captured connections reach, and those it hands them on to by their
// original destination. The same shape serves gateways, whose listeners are bound.

import type { FilterChainJson, FilterChainMatchJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { defined } from "../../envoy/defined.ts";
import {
  blackHoleClusterName,
  blockAllVirtualHostName,
  outboundCapturePort,
  passthroughClusterName,
  virtualOutboundListenerName,
} from "../../envoy/names.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { ChainMatch, L4Chain } from "../../model/l4-routes.ts";
import type { ListenerRelation, TerminatedChain } from "../../model/listeners.ts";
import type { MeshSettings } from "../../model/mesh.ts";
import { cidrRange, socketAddress } from "../address.ts";
import { handshakeFailureLog } from "../filter/access-log.ts";
import { httpConnectionManagerFilter } from "../filter/http-connection-manager.ts";
import { streamAlpnFilter } from "../filter/mesh-alpn.ts";
import { rbacNetworkFilters } from "../filter/rbac-filters.ts";
import { tcpProxyFilter } from "../filter/tcp-proxy.ts";
import { blockAllVirtualHost } from "../route/catch-all.ts";
import { terminatedChain } from "./gateway.ts";
import { httpApplicationProtocols, httpInspector, originalDestination, tlsInspector, tlsInspectorOn } from "./listener-filters.ts";

/** Where connections to unknown destinations go. */
export function unknownCluster({ outboundTrafficPolicy }: MeshSettings): string {
  return outboundTrafficPolicy === "ALLOW_ANY" ? passthroughClusterName : blackHoleClusterName;
}

/** Where TLS begins with the connection: https, ldaps, dns, ftps, imaps, pop3s, and what APIs and dashboards use (IANA's registry). */
const tlsPorts: readonly number[] = [443, 636, 853, 990, 993, 995, 6443, 8443, 9443];

/** Where HTTP is spoken (IANA's registry: http and http-alt). */
const httpPorts: readonly number[] = [80, 8008, 8080];

/** Port 15001: hands a connection to the listener of its original destination; unknown destinations stay here. */
export function virtualOutboundListener(settings: MeshSettings): ListenerJson {
  // So that refused HTTP is answered, and the access log can name the host a refused TLS client wanted. Only on ports where the client always speaks first: connections to
  // hosts of the mesh come through here as well, and their servers must not be kept from speaking.
  const refuses = settings.outboundTrafficPolicy === "REGISTRY_ONLY";
  return defined<ListenerJson>({
    name: virtualOutboundListenerName,
    address: socketAddress("0.0.0.0", outboundCapturePort),
    trafficDirection: "OUTBOUND",
    useOriginalDst: true,
    // The ports are those of the original destination, which has to be restored first.
    listenerFilters: refuses ? [originalDestination, tlsInspectorOn({ only: tlsPorts }), httpInspector(httpPorts)] : undefined,
    listenerFiltersTimeout: refuses ? protoDuration(settings.protocolDetectionTimeout) : undefined,
    continueOnListenerFiltersTimeout: refuses ? true : undefined,
    filterChains: [
      {
        // A connection to the port itself was never captured: passing it through would come back here for ever.
        name: "virtualOutbound-blackhole",
        filterChainMatch: { destinationPort: outboundCapturePort },
        filters: [tcpProxyFilter({ cluster: blackHoleClusterName, settings })],
      },
      ...(refuses ? [refusedHttp(settings)] : []),
    ],
    defaultFilterChain: {
      name: "virtualOutbound-catchall-tcp",
      filters: [tcpProxyFilter({ cluster: unknownCluster(settings), settings })],
    },
  });
}

/** Plaintext HTTP to a port that nothing in the mesh has: the 502 that says why, where Istio only closes the connection. */
function refusedHttp(settings: MeshSettings): FilterChainJson {
  const routes = { name: blockAllVirtualHostName, virtualHosts: [blockAllVirtualHost] };
  return {
    name: "virtualOutbound-refused-http",
    filterChainMatch: { applicationProtocols: [...httpApplicationProtocols] },
    filters: [httpConnectionManagerFilter({ direction: "outbound", statPrefix: "outbound_refused", routes, settings })],
  };
}

export interface ListenerPlace {
  readonly kind: "sidecar" | "gateway";
  readonly settings: MeshSettings;
}

/** One listener of an address and port. */
export function trafficListener(relation: ListenerRelation, place: ListenerPlace): ListenerJson {
  const { name, address, port, detect, chains } = relation;
  const restricted = chains.filter(({ match }) => !isOpen(match));
  const open = chains.find(({ match }) => isOpen(match));
  const endsTls = relation.terminated.length > 0;
  const needsTls =
    endsTls ||
    chains.some(({ match }) => match.serverNames.length > 0) ||
    (relation.routes !== undefined && !detect && place.kind === "sidecar");
  const http = relation.routes === undefined ? undefined : httpChain(relation, relation.routes, place);
  // Where TLS ends nobody speaks before the client, and a slow one still means TLS: Envoy's 15 s, then its connection is closed.
  const waits = (needsTls || detect) && !(endsTls && open === undefined);
  return defined<ListenerJson>({
    name,
    address: socketAddress(address, port),
    trafficDirection: "OUTBOUND",
    bindToPort: place.kind === "sidecar" ? false : undefined,
    listenerFilters: [...(needsTls ? [tlsInspector] : []), ...(detect ? [httpInspector()] : [])],
    // Who stays silent is taken for what needs no bytes to be recognised: a client of a server that speaks first.
    listenerFiltersTimeout: waits ? protoDuration(place.settings.protocolDetectionTimeout) : undefined,
    continueOnListenerFiltersTimeout: waits ? true : undefined,
    filterChains: [
      ...relation.terminated.map((chain) => terminatedChain(chain, insideOf(chain, relation, place), place.settings)),
      ...restricted.map((chain) => tcpChain(chain, place)),
      ...httpMatchChains(http, relation, place),
    ],
    defaultFilterChain: defaultChain(http, open, { relation, place }),
    accessLog: endsTls ? handshakeFailureLog(place.settings, "outbound") : undefined,
  });
}

function isOpen({ serverNames, destinations, sources }: ChainMatch): boolean {
  return serverNames.length === 0 && destinations.length === 0 && sources.length === 0;
}

/** The chains, besides the default one, that HTTP needs. */
function httpMatchChains(http: FilterChainJson | undefined, relation: ListenerRelation, place: ListenerPlace): readonly FilterChainJson[] {
  if (http === undefined) return [];
  if (relation.detect) return [{ ...http, filterChainMatch: { applicationProtocols: [...httpApplicationProtocols] } }];
  if (place.kind === "gateway") return [];
  // TLS to an unknown host on a port that HTTP services use: it can't be HTTP for one of them.
  const cluster = relation.chains.find(({ match }) => isOpen(match))?.cluster ?? unknownCluster(place.settings);
  return [
    {
      name: `${relation.name}_tls`,
      filterChainMatch: { transportProtocol: "tls" },
      filters: [tcpProxyFilter({ cluster, settings: place.settings })],
    },
  ];
}

function defaultChain(
  http: FilterChainJson | undefined,
  open: L4Chain | undefined,
  { relation, place }: { readonly relation: ListenerRelation; readonly place: ListenerPlace },
): FilterChainJson | undefined {
  if (http !== undefined && !relation.detect) return http;
  if (open !== undefined) return tcpChain(open, place);
  if (place.kind === "gateway") return undefined;
  return {
    name: `${relation.name}_unknown`,
    filters: [tcpProxyFilter({ cluster: unknownCluster(place.settings), settings: place.settings })],
  };
}

function httpChain(relation: ListenerRelation, routes: string, { kind, settings }: ListenerPlace): FilterChainJson {
  const direction = kind === "gateway" ? "gateway" : "outbound";
  return {
    name: `${relation.name}_http`,
    filters: [httpConnectionManagerFilter({ direction, statPrefix: `${direction}_${relation.port}`, routes, settings })],
  };
}

function insideOf({ inside }: TerminatedChain, relation: ListenerRelation, place: ListenerPlace): FilterChainJson {
  return "routes" in inside ? httpChain(relation, inside.routes, place) : tcpChain(inside.chain, place);
}

function tcpChain({ match, cluster, sharesCluster, limits }: L4Chain, { kind, settings }: ListenerPlace): FilterChainJson {
  return defined<FilterChainJson>({
    name: chainName(match, cluster),
    filterChainMatch: isOpen(match) ? undefined : filterChainMatch(match),
    filters: [
      // A sidecar's own application needs no permission.
      ...(kind === "gateway" ? rbacNetworkFilters() : []),
      ...(sharesCluster === true ? [streamAlpnFilter] : []),
      tcpProxyFilter({ cluster, settings, limits }),
    ],
  });
}

/** Chain names must be unique in a listener. */
function chainName({ serverNames, destinations, sources }: ChainMatch, cluster: string): string {
  return [cluster, ...serverNames, ...destinations, ...sources.map((source) => `from ${source}`)].join(" ");
}

function filterChainMatch({ serverNames, destinations, sources }: ChainMatch): FilterChainMatchJson {
  return defined<FilterChainMatchJson>({
    serverNames: serverNames.length === 0 ? undefined : [...serverNames],
    transportProtocol: serverNames.length === 0 ? undefined : "tls",
    prefixRanges: destinations.length === 0 ? undefined : destinations.flatMap((range) => cidrRange(range) ?? []),
    sourcePrefixRanges: sources.length === 0 ? undefined : sources.flatMap((range) => cidrRange(range) ?? []),
  });
}
