// Which clusters a class of proxies has, and what endpoints each takes: every visible service with its subsets at sidecars, what routes
// name at gateways, and at both a cluster for every name that stands in a route or listener.

import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import type { EncodedResource, ResourceSet } from "../../envoy/config.ts";
import type { EncodeCache } from "../../envoy/encode-cache.ts";
import { blackHoleClusterName, outboundClusterName, passthroughClusterName } from "../../envoy/names.ts";
import type { ResolvedDestination } from "../../model/client.ts";
import { effectivePolicy } from "../../model/destinations.ts";
import type { L4Split } from "../../model/l4-routes.ts";
import type { DestinationPolicy, MeshService, MeshSettings, Scope, ServicePort } from "../../model/mesh.ts";
import { compare } from "../../model/visibility.ts";
import { followsClient, outboundCluster } from "./outbound.ts";
import { blackHoleCluster, emptyCluster, passthroughCluster } from "./passthrough.ts";
import { splitCluster } from "./split.ts";

/** A cluster whose endpoints come by EDS, and where they come from. */
export type EndpointSource =
  | {
      readonly cluster: string;
      readonly serviceId: string;
      readonly port: number;
      readonly labels: Readonly<Record<string, string>>;
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

/** Makes the plan of a class of proxies; what classes have in common is made once, so keep one planner for all. */
export function createClusterPlanner(cache: EncodeCache): (scope: Scope) => ClusterPlan {
  const clustersOfService = sharedServiceClusters(cache);
  return (scope) => {
    const { directory, client, listeners, targets } = scope;
    const { settings } = directory;
    const clustersOf = (service: MeshService) => clustersOfService({ service, policy: directory.policies(client, service), settings });
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
    for (const split of listeners.splits) planned.set(split.name, splitResource(cache, split, settings));
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
}

/** How many policies of one service are remembered: as many as client namespaces with rules of their own, mostly one. */
const keptPolicies = 8;

/** Remembers a service's clusters by everything they are made of. */
function sharedServiceClusters(cache: EncodeCache): (input: ServiceClusters) => readonly PlannedCluster[] {
  const known = new WeakMap<MeshService, (ServiceClusters & { readonly clusters: readonly PlannedCluster[] })[]>();
  return (input) => {
    const entries = known.get(input.service) ?? [];
    const same = entries.find(({ policy, settings }) => policy === input.policy && settings === input.settings);
    if (same !== undefined) return same.clusters;
    const clusters = serviceClusters(cache, input);
    known.set(input.service, [{ ...input, clusters }, ...entries].slice(0, keptPolicies));
    return clusters;
  };
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
  { service, policy, settings }: ServiceClusters,
  { port, subset }: { readonly port: ServicePort; readonly subset: DestinationPolicy["subsets"][number] | undefined },
): PlannedCluster {
  const effective = effectivePolicy(policy, port.number, subset);
  const name = outboundClusterName(port.number, subset?.name ?? "", service.hostname);
  const byEndpoints = !followsClient(service, port, effective);
  const resource = cache.resource({
    type: "cds",
    name,
    schema: ClusterSchema,
    json: outboundCluster({ service, port, subset: subset?.name ?? "", policy: effective, settings }),
    references: byEndpoints ? [{ type: "eds", name }] : [],
    sources: [service.source, ...(policy?.rules ?? []).map(({ metadata }) => `DestinationRule ${metadata.namespace}/${metadata.name}`)],
  });
  if (!byEndpoints) return { resource };
  const endpoints = { cluster: name, serviceId: service.id, port: port.number, labels: subset?.labels ?? {}, source: service.source };
  return { resource, endpoints };
}

function splitResource(cache: EncodeCache, split: L4Split, settings: MeshSettings): PlannedCluster {
  const { name, source } = split;
  const resource = cache.resource({
    type: "cds",
    name,
    schema: ClusterSchema,
    json: splitCluster(split, settings),
    references: [{ type: "eds", name }],
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

function missingCluster(cache: EncodeCache, { cluster }: ResolvedDestination, settings: MeshSettings): PlannedCluster {
  return { resource: cache.resource({ type: "cds", name: cluster, schema: ClusterSchema, json: emptyCluster(cluster, settings) }) };
}
