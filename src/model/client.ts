// A class of proxies that see the same mesh: what they see is computed once and shared, however many they are.

import { resolveHost } from "../api/hosts.ts";
import type { Destination, VirtualService } from "../api/networking/virtual-service.ts";
import { outboundClusterName } from "../envoy/names.ts";
import type { PolicyLookup } from "./destinations.ts";
import { effectivePolicy, subsetOf } from "./destinations.ts";
import type { DestinationPolicy, MeshService, MeshSettings, ServicePort } from "./mesh.ts";
import type { ReleaseStructure } from "./releases/release-route.ts";
import type { ReleaseSubsets } from "./releases/release-subsets.ts";
import type { RouteClient, RouteTarget } from "./routes.ts";
import type { NamespaceView } from "./visibility.ts";

/** What all objects are looked up in; a new object whenever a service or a DestinationRule changed. */
export interface Directory {
  readonly settings: MeshSettings;
  readonly services: ReadonlyMap<string, MeshService>;
  readonly view: (namespace: string) => NamespaceView;
  readonly policies: PolicyLookup;
  /** Releases by service id; empty in a mesh without. */
  readonly releases: ReadonlyMap<string, ReleaseStructure>;
  /** The subsets that a release divides its service by, as a client sees them. */
  readonly releaseSubsets: (client: RouteClient, service: MeshService, release: ReleaseStructure) => ReleaseSubsets;
  /** Whether any service has this host name. */
  readonly exists: (host: string) => boolean;
}

/** A destination of a VirtualService, looked up for one client. */
export interface ResolvedDestination extends RouteTarget {
  readonly host: string;
  readonly port: number;
  readonly subset: string;
  readonly service?: MeshService;
  readonly servicePort?: ServicePort;
  readonly policy?: DestinationPolicy;
  /** Labels of the subset's endpoints; undefined when the rule has no such subset. */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface DestinationContext {
  readonly directory: Directory;
  readonly client: RouteClient;
  readonly virtualService: VirtualService;
  /** The port requests arrive at: it names the destination's port when nothing else does. */
  readonly listenerPort: number;
}

/**
 * Looks one destination up. Its port is the one it names, else the service's only port, else the one of the listener (Istio
 * GetDestinationCluster). The service is looked up as the VirtualService's namespace sees it, its policy as the client sees it.
 */
export function resolveDestination(destination: Destination, context: DestinationContext): ResolvedDestination {
  const { directory, client, virtualService, listenerPort } = context;
  const { namespace } = virtualService.metadata;
  const host = resolveHost(destination.host, namespace, directory.exists);
  const service = directory.view(namespace).services.get(host) ?? directory.view(client.namespace).services.get(host);
  const streams = service?.ports.filter(({ protocol }) => protocol !== "udp") ?? [];
  const port = destination.port?.number ?? (streams.length === 1 ? streams[0]?.number : undefined) ?? listenerPort;
  const policy = service === undefined ? undefined : directory.policies(client, service);
  const subset = subsetOf(policy, destination.subset);
  const labels = destination.subset === undefined || destination.subset === "" ? {} : subset?.labels;
  const consistentHash = effectivePolicy(policy, port, subset).loadBalancer?.consistentHash;
  const servicePort = streams.find(({ number }) => number === port);
  return {
    cluster: outboundClusterName(port, destination.subset ?? "", host),
    host,
    port,
    subset: destination.subset ?? "",
    ...(consistentHash === undefined ? {} : { consistentHash }),
    ...(service === undefined ? {} : { service }),
    ...(servicePort === undefined ? {} : { servicePort }),
    ...(policy === undefined ? {} : { policy }),
    ...(labels === undefined ? {} : { labels }),
  };
}
