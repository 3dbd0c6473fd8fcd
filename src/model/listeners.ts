// Which addresses a sidecar or gateway listens on and what it does with connections there; translate/listener makes Envoy listeners of it.

import { namespacedName } from "../api/hosts.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import { meshGateway } from "../api/networking/virtual-service.ts";
import { detectedRouteName, gatewayHttpRouteName, listenerName, sidecarRouteName } from "../envoy/names.ts";
import type { Directory, ResolvedDestination } from "./client.ts";
import type { GatewayServer } from "./gateway-routes.ts";
import { sharedHosts } from "./gateway-routes.ts";
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
  readonly sources: readonly string[];
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
  sources: Set<string>;
}

/** Collects what several services want of one listener. */
class Drafts {
  readonly #drafts = new Map<string, { readonly address: string; readonly port: number; readonly draft: Draft }>();

  at(address: string, port: number): Draft {
    const name = listenerName(address, port);
    const known = this.#drafts.get(name);
    if (known !== undefined) return known.draft;
    const draft: Draft = { detect: false, parts: [], sources: new Set() };
    this.#drafts.set(name, { address, port, draft });
    return draft;
  }

  relation(targets: readonly ResolvedDestination[]): ListenersRelation {
    const made = [...this.#drafts].map(([name, { address, port, draft }]) => ({ name, address, port, draft, l4: combined(draft.parts) }));
    return {
      listeners: made
        .filter(({ draft, l4 }) => draft.routes !== undefined || l4.chains.length > 0)
        .sort((a, b) => compare(a.name, b.name))
        .map(({ name, address, port, draft, l4 }) => ({
          name,
          address,
          port,
          ...(draft.routes === undefined ? {} : { routes: draft.routes }),
          detect: draft.detect,
          chains: l4.chains,
          sources: [...new Set([...draft.sources, ...l4.chains.flatMap(({ sources }) => sources)])].sort(),
        })),
      splits: [...new Map(made.flatMap(({ l4 }) => l4.splits).map((split) => [split.name, split])).values()],
      targets: [...targets, ...made.flatMap(({ l4 }) => l4.targets)],
    };
  }
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
  return drafts.relation([]);
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
  readonly virtualServices: readonly VirtualService[];
}

/** The listeners of a gateway class. Servers that end TLS have none yet: they need certificates. */
export function gatewayListeners({ directory, client, servers, virtualServices }: GatewayListenersInputs): ListenersRelation {
  const drafts = new Drafts();
  for (const server of servers) {
    const address = server.server.bind ?? wildcardAddress;
    const draft = drafts.at(address, server.bindPort);
    draft.sources.add(`Gateway ${server.gatewayName}`);
    if (isHttp(server.protocol)) {
      draft.routes = gatewayHttpRouteName(server.bindPort);
      continue;
    }
    const mode = server.server.tls?.mode ?? "PASSTHROUGH";
    if (isTls(server.protocol) && mode !== "PASSTHROUGH") continue;
    for (const virtualService of virtualServices) {
      const hosts = sharedHosts(server, virtualService, directory);
      if (hosts.length === 0) continue;
      draft.parts.push(offered(l4Routes(virtualService, gatewayPlace(server, { directory, client })), hosts));
    }
  }
  return drafts.relation([]);
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

/** Only server names that the Gateway offers. */
function offered(l4: L4Routes, hosts: readonly string[]): L4Routes {
  const chains = l4.chains.flatMap((chain) => {
    if (chain.match.serverNames.length === 0) return [chain];
    const serverNames = chain.match.serverNames.filter((name) => hosts.some((host) => hostIntersection(host, name) === name));
    return serverNames.length === 0 ? [] : [{ ...chain, match: { ...chain.match, serverNames } }];
  });
  return { ...l4, chains };
}
