// Filter chains of one inbound port by what it speaks and what it accepts (PeerAuthentication). The chains for mutual TLS are the same bytes
// in PERMISSIVE and STRICT, so that their connections outlive a change between the two.

import type { FilterChainJson, FilterChainMatchJson, FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { defined } from "../../envoy/defined.ts";
import { inboundClusterName, inboundPassthroughClusterName, inboundRouteName, meshAlpn, meshHttpAlpn } from "../../envoy/names.ts";
import type { InboundPort, MeshSettings } from "../../model/mesh.ts";
import type { EffectiveMtlsMode } from "../../model/policies.ts";
import { isHttp } from "../../model/protocol.ts";
import { httpConnectionManagerFilter } from "../filter/http-connection-manager.ts";
import { rbacNetworkFilters } from "../filter/rbac-filters.ts";
import { refusal } from "../filter/refusal.ts";
import { tcpProxyFilter } from "../filter/tcp-proxy.ts";
import { clusterServiceText, serviceText } from "../service-text.ts";
import { httpApplicationProtocols } from "./listener-filters.ts";
import { workloadTlsSocket } from "./workload-tls.ts";

export interface PortChains {
  readonly inbound: InboundPort;
  readonly mode: EffectiveMtlsMode;
  readonly settings: MeshSettings;
}

/** All chains of a declared port: whatever a connection looks like, one of them takes it. */
export function portChains({ inbound, mode, settings }: PortChains): readonly FilterChainJson[] {
  const { port, servicePort } = inbound;
  const chains = { port, name: `inbound_${port}`, settings };
  const http = (isMutual: boolean) => httpFilters(inbound, isMutual, settings);
  const service = serviceText(inbound.service, servicePort.number);
  const tcp = (isMutual: boolean) => tcpFilters({ cluster: inboundClusterName(port), service, isMutual, settings });
  if (isHttp(servicePort.protocol)) {
    const mutual = mutualChain(chains, { suffix: "http_mtls", alpn: [meshHttpAlpn, meshAlpn], filters: http(true) });
    if (mode === "DISABLE") return [chain(chains, { suffix: "http", match: {}, filters: http(false) })];
    if (mode === "STRICT") return [mutual, ...strictChains(chains)];
    return [
      mutual,
      chain(chains, { suffix: "http", match: { transportProtocol: "raw_buffer" }, filters: http(false) }),
      refusedTls(chains, "TLS-to-HTTP-port"),
    ];
  }
  const detects = servicePort.protocol === "detect";
  const mutuals = detects
    ? [
        mutualChain(chains, { suffix: "http_mtls", alpn: [meshHttpAlpn], filters: http(true) }),
        mutualChain(chains, { suffix: "tcp_mtls", alpn: [meshAlpn], filters: tcp(true) }),
      ]
    : [mutualChain(chains, { suffix: "tcp_mtls", alpn: [meshHttpAlpn, meshAlpn], filters: tcp(true) })];
  if (mode === "STRICT") return [...mutuals, ...strictChains(chains)];
  const applicationProtocols = [...httpApplicationProtocols];
  const plain = mode === "DISABLE" ? {} : { transportProtocol: "raw_buffer" };
  return [
    ...(mode === "DISABLE" ? [] : mutuals),
    ...(detects ? [chain(chains, { suffix: "http", match: { ...plain, applicationProtocols }, filters: http(false) })] : []),
    chain(chains, { suffix: "tcp", match: plain, filters: tcp(false) }),
    // The application's own TLS.
    ...(mode === "DISABLE" ? [] : [chain(chains, { suffix: "tcp_tls", match: { transportProtocol: "tls" }, filters: tcp(false) })]),
  ];
}

export interface CatchAllChains {
  readonly mode: EffectiveMtlsMode;
  readonly settings: MeshSettings;
  /** A port that only a PeerAuthentication names; all other ports when unset. */
  readonly port?: number;
}

/** Ports that no service declares: to where the connection was going. `rest` takes what the other chains don't. */
export function catchAllChains({ mode, settings, port }: CatchAllChains): {
  readonly chains: readonly FilterChainJson[];
  readonly rest: FilterChainJson;
} {
  const chains = { port, name: port === undefined ? "virtualInbound-catchall" : `inbound_${port}_catchall`, settings };
  const place = { cluster: inboundPassthroughClusterName, service: clusterServiceText(inboundPassthroughClusterName), settings };
  const tcp = tcpFilters({ ...place, isMutual: false });
  const secured = tcpFilters({ ...place, isMutual: true });
  const mutual = mutualChain(chains, { suffix: "tcp_mtls", alpn: [meshHttpAlpn, meshAlpn], filters: secured });
  const plain = chain(chains, { suffix: "tcp", match: {}, filters: tcp });
  if (mode === "DISABLE") return { chains: [], rest: plain };
  // A port of its own has its own map of transport protocols, and Envoy never looks back from it.
  const foreign = port === undefined ? [] : [chain(chains, { suffix: "tcp_tls", match: { transportProtocol: "tls" }, filters: tcp })];
  if (mode === "PERMISSIVE") return { chains: [mutual, ...foreign], rest: plain };
  const [plaintext, tls] = strictChains(chains);
  return { chains: [mutual, tls], rest: plaintext };
}

interface ChainPlace {
  /** Undefined for all ports that have no chains of their own. */
  readonly port: number | undefined;
  readonly name: string;
  readonly settings: MeshSettings;
}

interface ChainParts {
  readonly suffix: string;
  readonly match: FilterChainMatchJson;
  readonly filters: readonly FilterJson[];
}

function chain({ port, name }: ChainPlace, { suffix, match, filters }: ChainParts): FilterChainJson {
  const filterChainMatch = defined<FilterChainMatchJson>({ destinationPort: port, ...match });
  return defined<FilterChainJson>({
    name: `${name}_${suffix}`,
    filterChainMatch: Object.keys(filterChainMatch).length === 0 ? undefined : filterChainMatch,
    filters: [...filters],
  });
}

function mutualChain(
  place: ChainPlace,
  { suffix, alpn, filters }: Omit<ChainParts, "match"> & { readonly alpn: readonly string[] },
): FilterChainJson {
  const match = { transportProtocol: "tls", applicationProtocols: [...alpn] };
  return { ...chain(place, { suffix, match, filters }), transportSocket: workloadTlsSocket(place.settings) };
}

/** Refuses whatever isn't mutual TLS: plaintext first, then TLS of any other kind. */
function strictChains(place: ChainPlace): readonly [plaintext: FilterChainJson, tls: FilterChainJson] {
  const reason = "PeerAuthentication-STRICT";
  const plaintext = chain(place, { suffix: "strict", match: {}, filters: refusal({ ...place, reason }) });
  return [plaintext, chain(place, { suffix: "strict_tls", match: { transportProtocol: "tls" }, filters: refusal({ ...place, reason }) })];
}

function refusedTls(place: ChainPlace, reason: string): FilterChainJson {
  return chain(place, { suffix: "foreign_tls", match: { transportProtocol: "tls" }, filters: refusal({ ...place, reason }) });
}

function httpFilters({ port, servicePort, service }: InboundPort, isMutual: boolean, settings: MeshSettings): FilterJson[] {
  return [
    httpConnectionManagerFilter({
      direction: "inbound",
      protocol: servicePort.protocol,
      isMutual,
      service: serviceText(service, servicePort.number),
      statPrefix: `inbound_${port}`,
      routes: inboundRouteName(port),
      settings,
    }),
  ];
}

interface InboundTcp {
  readonly cluster: string;
  /** `serviceText`. */
  readonly service: string;
  readonly isMutual: boolean;
  readonly settings: MeshSettings;
}

/** The application sees no connection of a client that hasn't shown its certificate yet. */
function tcpFilters({ cluster, service, isMutual, settings }: InboundTcp): FilterJson[] {
  const inbound = { service, isMutual };
  return [...rbacNetworkFilters(), tcpProxyFilter({ cluster, settings, inbound, ...(isMutual ? { connectsAfter: "handshake" } : {}) })];
}
