// Which clusters a class of proxies has, and what endpoints each takes: every visible service with its subsets at sidecars, what routes
// name at gateways, and at both a cluster for every name that stands in a route or listener.

import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { EncodedResource, ResourceSet } from "../../envoy/config.ts";
import type { EncodeCache } from "../../envoy/encode-cache.ts";
import { blackHoleClusterName, outboundClusterName, passthroughClusterName } from "../../envoy/names.ts";
import type { ResolvedDestination } from "../../model/client.ts";
import { effectivePolicy } from "../../model/destinations.ts";
import type { L4Split } from "../../model/l4-routes.ts";
import type { DestinationPolicy, Mesh, MeshService, MeshSettings, Scope, ServicePort } from "../../model/mesh.ts";
import { compare } from "../../model/visibility.ts";
import { serviceText } from "../service-text.ts";
import { type ClusterTls, clusterTls, type EndpointTls } from "./cluster-tls.ts";
import { followsClient, outboundCluster } from "./outbound.ts";
import { blackHoleCluster, emptyCluster, passthroughCluster } from "./passthrough.ts";
import { plaintextPort } from "./plaintext-ports.ts";
import { splitCluster, splitTls } from "./split.ts";

/** A cluster whose endpoints come by EDS, and where they come from. */
export type EndpointSource =
  | {
      readonly cluster: string;
      readonly serviceId: string;
      readonly port: number;
      readonly labels: Readonly<Record<string, string>>;
      /** What telemetry calls the service (`serviceText`). */
      readonly service: string;
      readonly source: string;
    }
  | { readonly cluster: string; readonly split: L4Split };

export interface ClusterPlan {
  readonly clusters: ResourceSet;
  /** Sorted by cluster. */
  readonly endpoints: readonly EndpointSource[];
}

interface PlannedCluster {
  readonly resource: EncodedResource;
  readonly endpoints?: EndpointSource;
}

/** What clients know of the servers of the mesh. */
export interface Servers {
  readonly identities: Mesh["identities"];
  /** Ports of headless services where some endpoint takes plaintext only, as `createPlaintextPorts` makes them. */
  readonly plaintext: ReadonlySet<string>;
}

/** Makes the plan of a class of proxies. */
export type ClusterPlanner = (scope: Scope, servers: Servers) => ClusterPlan;

/** What classes have in common is made once, so keep one planner for all. */
export function createClusterPlanner(cache: EncodeCache): ClusterPlanner {
  const clustersOfService = sharedServiceClusters(cache);
  return (scope, { identities, plaintext }) => {
    const { directory, client, listeners, targets } = scope;
    const { settings } = directory;
    const clustersOf = (service: MeshService) =>
      clustersOfService({
        service,
        policy: directory.policies(client, service),
        settings,
        identities: identities.get(service.id),
        // Nothing but headless services depends on it, so all others are remembered without.
        plaintext: service.headless ? plaintext : noPorts,
      });
    const all = [...targets, ...listeners.targets];
    // A destination in another namespace may be invisible to the client and still be where its route leads.
    const reached = new Map(all.flatMap(({ service }) => (service === undefined ? [] : [[service.id, service] as const])));
    const visible = scope.kind === "sidecar" ? [...directory.view(client.namespace).services.values()] : [];
    const services = new Map([...reached, ...visible.map((service) => [service.id, service] as const)]);
    const wanted = scope.kind === "gateway" ? new Set(all.map(({ cluster }) => cluster)) : undefined;
    const planned = new Map<string, PlannedCluster>();
    // Of two services with one host name the visible one comes last and stays.
    for (const service of services.values()) {
      for (const cluster of clustersOf(service)) {
        if (wanted === undefined || wanted.has(cluster.resource.name)) planned.set(cluster.resource.name, cluster);
      }
    }
    for (const split of listeners.splits) {
      planned.set(split.name, splitResource(cache, split, { settings, tls: splitTls(split, settings, identities) }));
    }
    for (const cluster of fixedClusters(cache, settings)) planned.set(cluster.resource.name, cluster);
    for (const target of all) if (!planned.has(target.cluster)) planned.set(target.cluster, missingCluster(cache, target, settings));
    const sorted = [...planned.values()].sort((a, b) => compare(a.resource.name, b.resource.name));
    return {
      clusters: new Map(sorted.map(({ resource }) => [resource.name, resource])),
      endpoints: sorted.flatMap(({ endpoints }) => endpoints ?? []),
    };
  };
}

interface ServiceClusters {
  readonly service: MeshService;
  readonly policy: DestinationPolicy | undefined;
  readonly settings: MeshSettings;
  readonly identities: readonly string[] | undefined;
  readonly plaintext: ReadonlySet<string>;
}

const noPorts: ReadonlySet<string> = new Set();

/** How many policies of one service are remembered: as many as client namespaces with rules of their own, mostly one. */
const keptPolicies = 8;

/** Remembers a service's clusters by everything they are made of. */
function sharedServiceClusters(cache: EncodeCache): (input: ServiceClusters) => readonly PlannedCluster[] {
  const known = new WeakMap<MeshService, (ServiceClusters & { readonly clusters: readonly PlannedCluster[] })[]>();
  return (input) => {
    const entries = known.get(input.service) ?? [];
    const same = entries.find((entry) => isSameInput(entry, input));
    if (same !== undefined) return same.clusters;
    const clusters = serviceClusters(cache, input);
    known.set(input.service, [{ ...input, clusters }, ...entries].slice(0, keptPolicies));
    return clusters;
  };
}

function isSameInput(a: ServiceClusters, b: ServiceClusters): boolean {
  return a.policy === b.policy && a.settings === b.settings && a.identities === b.identities && a.plaintext === b.plaintext;
}

function serviceClusters(cache: EncodeCache, input: ServiceClusters): readonly PlannedCluster[] {
  const subsets = input.policy?.subsets ?? [];
  return input.service.ports
    .filter(({ protocol }) => protocol !== "udp")
    .flatMap((port) => [
      serviceCluster(cache, input, { port, subset: undefined }),
      ...subsets.map((subset) => serviceCluster(cache, input, { port, subset })),
    ]);
}

function serviceCluster(
  cache: EncodeCache,
  { service, policy, settings, identities, plaintext }: ServiceClusters,
  { port, subset }: { readonly port: ServicePort; readonly subset: DestinationPolicy["subsets"][number] | undefined },
): PlannedCluster {
  const effective = effectivePolicy(policy, port.number, subset);
  const name = outboundClusterName(port.number, subset?.name ?? "", service.hostname);
  const byEndpoints = !followsClient(service, port, effective);
  const tls = clusterTls({
    policy: effective,
    protocol: port.protocol,
    settings,
    peers: [{ service, identities }],
    port: port.number,
    subset: subset?.name ?? "",
    endpoints: byEndpoints ? "per endpoint" : addressTls(service, port, plaintext),
  });
  const resource = cache.resource({
    type: "cds",
    name,
    schema: ClusterSchema,
    json: outboundCluster({ service, port, subset: subset?.name ?? "", policy: effective, settings, tls }),
    references: [...(byEndpoints ? [{ type: "eds", name } as const] : []), ...tls.references],
    sources: [service.source, ...(policy?.rules ?? []).map(({ metadata }) => `DestinationRule ${metadata.namespace}/${metadata.name}`)],
  });
  if (!byEndpoints) return { resource };
  const { id: serviceId, source } = service;
  const [number, labels] = [port.number, subset?.labels ?? {}];
  return { resource, endpoints: { cluster: name, serviceId, port: number, labels, service: serviceText(service, number), source } };
}

/** Clients of a headless service choose the address themselves, so all of its endpoints are treated alike (Istio: mutual TLS always). */
function addressTls(service: MeshService, port: ServicePort, plaintext: ReadonlySet<string>): EndpointTls {
  return service.headless && !plaintext.has(plaintextPort(service, port)) ? "all" : "none";
}

function splitResource(
  cache: EncodeCache,
  split: L4Split,
  { settings, tls }: { readonly settings: MeshSettings; readonly tls: ClusterTls },
): PlannedCluster {
  const { name, source } = split;
  const resource = cache.resource({
    type: "cds",
    name,
    schema: ClusterSchema,
    json: splitCluster(split, settings, tls),
    references: [{ type: "eds", name }, ...tls.references],
    sources: [source],
  });
  return { resource, endpoints: { cluster: name, split } };
}

function fixedClusters(cache: EncodeCache, settings: MeshSettings): readonly PlannedCluster[] {
  return [
    cache.resource({ type: "cds", name: blackHoleClusterName, schema: ClusterSchema, json: blackHoleCluster(settings) }),
    cache.resource({ type: "cds", name: passthroughClusterName, schema: ClusterSchema, json: passthroughCluster(settings) }),
  ].map((resource) => ({ resource }));
}

function missingCluster(cache: EncodeCache, { cluster, service, port }: ResolvedDestination, settings: MeshSettings): PlannedCluster {
  const json = emptyCluster(cluster, settings, service === undefined ? undefined : serviceText(service, port));
  return { resource: cache.resource({ type: "cds", name: cluster, schema: ClusterSchema, json }) };
}
