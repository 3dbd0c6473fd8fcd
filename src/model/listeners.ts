// Which addresses a sidecar or gateway listens on and what it does with connections there; translate/listener makes Envoy listeners of it.

import { namespacedName } from "../api/hosts.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import { meshGateway } from "../api/networking/virtual-service.ts";
import { detectedRouteName, gatewayHttpRouteName, listenerName, sidecarRouteName } from "../envoy/names.ts";
import type { Directory, ResolvedDestination } from "./client.ts";
import { httpsRouteName, sharedHosts } from "./gateway-routes.ts";
import type { GatewayServer, GatewayTls, TlsServer } from "./gateway-tls.ts";
import { endsTls, placeOf, serverHosts } from "./gateway-tls.ts";
import type { L4Chain, L4Routes, L4Split } from "./l4-routes.ts";
import { combined, l4Routes, serviceL4Routes } from "./l4-routes.ts";
import type { Endpoint, MeshService, ServicePort } from "./mesh.ts";
import { isHttp, isTls } from "./protocol.ts";
import type { RouteClient } from "./routes.ts";
import type { VirtualServiceIndex } from "./virtual-services.ts";
import { compare, hostIntersection } from "./visibility.ts";

/** One listener other than the two that capture. */
export interface ListenerRelation {
  readonly name: string;
  /** An IP address; 0.0.0.0 takes what no listener of an address takes. */
  readonly address: string;
  readonly port: number;
  /** RDS name for HTTP connections. */
  readonly routes?: string;
  /** Whether HTTP must be recognised from its bytes (undeclared protocol); what is not HTTP goes to the chains. */
  readonly detect: boolean;
  /** For connections that are not HTTP; the most specific match wins, as in Envoy. */
  readonly chains: readonly L4Chain[];
  /** Gateways only: connections whose TLS ends here. */
  readonly terminated: readonly TerminatedChain[];
  readonly sources: readonly string[];
}

/** Connections of one server of a Gateway, from the server's certificate to what is inside. */
export interface TerminatedChain {
  /** Unique in its listener: the RDS name, for TCP with the cluster and the conditions. */
  readonly name: string;
  /** Empty for any name and for none. */
  readonly serverNames: readonly string[];
  readonly tls: GatewayTls;
  /** HTTP inside, by this RDS name; or TCP, by this chain. */
  readonly inside: { readonly routes: string } | { readonly chain: L4Chain };
}

export interface ListenersRelation {
  /** Sorted by name. */
  readonly listeners: readonly ListenerRelation[];
  readonly splits: readonly L4Split[];
  readonly targets: readonly ResolvedDestination[];
}

const wildcardAddress = "0.0.0.0";

interface Draft {
  routes?: string;
  detect: boolean;
  parts: L4Routes[];
  terminated: Terminated[];
  sources: Set<string>;
}

/** The chains of one server that ends TLS, with the splits and targets behind them. */
interface Terminated {
  readonly chains: readonly TerminatedChain[];
  readonly l4: L4Routes;
}

/** Collects what several services want of one listener. */
class Drafts {
  readonly #drafts = new Map<string, { readonly address: string; readonly port: number; readonly draft: Draft }>();

  at(address: string, port: number): Draft {
    const name = listenerName(address, port);
    const known = this.#drafts.get(name);
    if (known !== undefined) return known.draft;
    const draft: Draft = { detect: false, parts: [], terminated: [], sources: new Set() };
    this.#drafts.set(name, { address, port, draft });
    return draft;
  }

  relation(): ListenersRelation {
    const made = [...this.#drafts].map(([name, { address, port, draft }]) => ({ name, address, port, draft, l4: combined(draft.parts) }));
    const behind = made.flatMap(({ draft, l4 }) => [l4, ...draft.terminated.map((part) => part.l4)]);
    return {
      listeners: made
        .filter(({ draft, l4 }) => draft.routes !== undefined || l4.chains.length > 0 || draft.terminated.length > 0)
        .sort((a, b) => compare(a.name, b.name))
        .map(({ name, address, port, draft, l4 }) => ({
          name,
          address,
          port,
          ...(draft.routes === undefined ? {} : { routes: draft.routes }),
          detect: draft.detect,
          chains: l4.chains,
          terminated: draft.terminated.flatMap(({ chains }) => chains),
          sources: [...new Set([...draft.sources, ...sourcesOf(l4), ...draft.terminated.flatMap((part) => sourcesOf(part.l4))])].sort(),
        })),
      splits: [...new Map(behind.flatMap(({ splits }) => splits).map((split) => [split.name, split])).values()],
      targets: behind.flatMap(({ targets }) => targets),
    };
  }
}

function sourcesOf({ chains }: L4Routes): readonly string[] {
  return chains.flatMap(({ sources }) => sources);
}

export interface SidecarListenersInputs {
  readonly directory: Directory;
  readonly client: RouteClient;
  readonly index: VirtualServiceIndex;
  /** Endpoints of headless services by service id: their clients connect to pods. */
  readonly headless: ReadonlyMap<string, readonly Endpoint[]>;
}

/** The outbound listeners of a sidecar class. */
export function sidecarListeners({ directory, client, index, headless }: SidecarListenersInputs): ListenersRelation {
  const drafts = new Drafts();
  for (const service of directory.view(client.namespace).services.values()) {
    for (const port of service.ports) {
      if (port.protocol === "udp") continue;
      if (isHttp(port.protocol)) {
        // HTTP services of one port share a listener and are told apart by the Host header.
        drafts.at(wildcardAddress, port.number).routes = sidecarRouteName(port.number);
        continue;
      }
      const virtualService = index.forMesh(service.hostname, client.namespace);
      addStreamPort(drafts, service, port, {
        l4: serviceL4Routes(service, port, { directory, client, virtualService }),
        addresses: service.headless ? (headless.get(service.id) ?? []).map(({ address }) => address) : service.vips,
      });
    }
  }
  return drafts.relation();
}

function addStreamPort(
  drafts: Drafts,
  service: MeshService,
  port: ServicePort,
  { l4, addresses }: { readonly l4: L4Routes; readonly addresses: readonly string[] },
): void {
  for (const address of addresses) {
    if (address.includes("/")) {
      drafts.at(wildcardAddress, port.number).parts.push(restricted(l4, { destinations: [address] }));
      continue;
    }
    const draft = drafts.at(address, port.number);
    draft.parts.push(l4);
    draft.sources.add(service.source);
    if (port.protocol === "detect") {
      draft.detect = true;
      draft.routes = detectedRouteName(service.hostname, port.number);
    }
  }
  // External TLS hosts are also known by their name, for clients that found the address by themselves.
  if (isTls(port.protocol) && (service.external || addresses.length === 0)) {
    drafts.at(wildcardAddress, port.number).parts.push(restricted(l4, { serverNames: sniOf(service.hostname) }));
  } else if (addresses.length === 0 && service.resolution === "original-dst" && !service.headless) {
    drafts.at(wildcardAddress, port.number).parts.push(l4);
  }
}

function sniOf(hostname: string): readonly string[] {
  return hostname === "*" ? [] : [hostname];
}

/** The same chains for fewer connections; a chain with a narrower condition of its own keeps it. */
function restricted(l4: L4Routes, match: Partial<L4Chain["match"]>): L4Routes {
  const chains = l4.chains.map((chain) => ({
    ...chain,
    match: {
      ...chain.match,
      serverNames: chain.match.serverNames.length > 0 ? chain.match.serverNames : (match.serverNames ?? []),
      destinations: chain.match.destinations.length > 0 ? chain.match.destinations : (match.destinations ?? []),
    },
  }));
  return { ...l4, chains };
}

export interface GatewayListenersInputs {
  readonly directory: Directory;
  readonly client: RouteClient;
  readonly servers: readonly GatewayServer[];
  /** Those of `servers` that end TLS and can. */
  readonly tlsServers: readonly TlsServer[];
  readonly virtualServices: readonly VirtualService[];
}

/** The listeners of a gateway class. */
export function gatewayListeners(inputs: GatewayListenersInputs): ListenersRelation {
  const { directory, client, servers, virtualServices } = inputs;
  const drafts = new Drafts();
  const draftOf = (server: GatewayServer): Draft => {
    const draft = drafts.at(server.server.bind ?? wildcardAddress, server.bindPort);
    draft.sources.add(`Gateway ${server.gatewayName}`);
    return draft;
  };
  for (const server of inputs.tlsServers) {
    const part = terminated(server, inputs);
    if (part.chains.length > 0) draftOf(server).terminated.push(part);
  }
  for (const server of servers) {
    if (isHttp(server.protocol)) draftOf(server).routes = gatewayHttpRouteName(server.bindPort);
    const mode = server.server.tls?.mode ?? "PASSTHROUGH";
    if (isHttp(server.protocol) || endsTls(server) || (isTls(server.protocol) && mode !== "PASSTHROUGH")) continue;
    const taken = terminatedNames(server, servers);
    for (const virtualService of virtualServices) {
      const hosts = sharedHosts(server, virtualService, directory);
      if (hosts.length === 0) continue;
      draftOf(server).parts.push(offered(l4Routes(virtualService, gatewayPlace(server, { directory, client })), hosts, taken));
    }
  }
  return drafts.relation();
}

/** Names of a port that belong to servers that end TLS: they come before those that pass it on, also while they lack their certificate. */
function terminatedNames(server: GatewayServer, servers: readonly GatewayServer[]): ReadonlySet<string> {
  return new Set(servers.filter((other) => endsTls(other) && placeOf(other) === placeOf(server)).flatMap(serverHosts));
}

function terminated(server: TlsServer, { directory, client, virtualServices }: GatewayListenersInputs): Terminated {
  const routes = httpsRouteName(server);
  const { serverNames, tls } = server;
  if (server.protocol === "https") {
    return { chains: [{ name: routes, serverNames, tls, inside: { routes } }], l4: { chains: [], splits: [], targets: [] } };
  }
  const bound = virtualServices.filter((virtualService) => sharedHosts(server, virtualService, directory).length > 0);
  // What is inside is TCP: nothing is left to tell connections apart by their server name.
  const place = { ...gatewayPlace(server, { directory, client }), protocol: "tcp" } as const;
  const l4 = combined(bound.map((virtualService) => l4Routes(virtualService, place)));
  const chains = l4.chains.map((chain) => {
    const { destinations, sources } = chain.match;
    const name = [routes, chain.cluster, ...destinations, ...sources.map((source) => `from ${source}`)].join(" ");
    return { name, serverNames, tls, inside: { chain } };
  });
  return { chains, l4 };
}

function gatewayPlace(
  { server, gatewayName, protocol }: GatewayServer,
  context: { readonly directory: Directory; readonly client: RouteClient },
) {
  return {
    ...context,
    listenerPort: server.port.number,
    gateway: gatewayName,
    protocol,
    bound: (virtualService: VirtualService, named: readonly string[]) =>
      named.map((name) => {
        if (name === meshGateway) return name;
        const parsed = namespacedName(name, virtualService.metadata.namespace);
        return `${parsed.namespace}/${parsed.name}`;
      }),
  };
}

/** Only server names that the Gateway offers, without those `taken` by other servers. */
function offered(l4: L4Routes, hosts: readonly string[], taken: ReadonlySet<string>): L4Routes {
  const chains = l4.chains.flatMap((chain) => {
    if (chain.match.serverNames.length === 0) return [chain];
    const named = chain.match.serverNames.filter((name) => hosts.some((host) => hostIntersection(host, name) === name));
    const serverNames = named.filter((name) => !taken.has(name));
    return serverNames.length === 0 ? [] : [{ ...chain, match: { ...chain.match, serverNames } }];
  });
  return { ...l4, chains };
}
