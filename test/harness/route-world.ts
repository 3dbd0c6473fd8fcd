// A route table made straight from YAML, for tests of translate/route: VirtualServices, DestinationRules (only their consistentHash)
// and one optional document `kind: Client`. Every host is taken as it stands; nothing is looked up.

import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { resolveHost } from "../../src/api/hosts.ts";
import type { ConsistentHash, DestinationRule } from "../../src/api/networking/destination-rule.ts";
import { destinationRuleSchema } from "../../src/api/networking/destination-rule.ts";
import type { Destination, HttpRoute, VirtualService } from "../../src/api/networking/virtual-service.ts";
import { virtualServiceSchema } from "../../src/api/networking/virtual-service.ts";
import { outboundClusterName, virtualHostName } from "../../src/envoy/names.ts";
import type { RouteClient, RouteHost, RouteRule, RouteTable, RouteTarget } from "../../src/model/routes.ts";
import { normalizedWeights, splitKeyPrefix } from "../../src/model/weights.ts";

const clientSchema = z.strictObject({
  kind: z.literal("Client"),
  namespace: z.string().default("default"),
  labels: z.record(z.string(), z.string()).default({}),
  /** "mesh", or "namespace/name" of a Gateway. */
  gateway: z.string().default("mesh"),
  port: z.number().default(80),
  unknownHosts: z.enum(["passthrough", "blackhole", "not-found"]).default("not-found"),
  /** Hosts that are services: what no VirtualService routes goes to them. */
  services: z.array(z.string()).default([]),
  httpsRedirect: z.boolean().optional(),
});

type Client = z.output<typeof clientSchema>;

export interface RouteWorld {
  readonly table: RouteTable;
  readonly client: RouteClient;
}

/** Reads the documents; throws on anything that is none of the three kinds. */
export function routeWorld(text: string): RouteWorld {
  const documents: unknown[] = parseAllDocuments(text).map((document) => document.toJS());
  const client = clientSchema.parse(documents.find((document) => kindOf(document) === "Client") ?? { kind: "Client" });
  const rules = ofKind(documents, "DestinationRule", (document) => destinationRuleSchema.parse(document));
  const services = ofKind(documents, "VirtualService", (document) => virtualServiceSchema.parse(document));
  const claimed = services.flatMap((service) => service.spec.hosts.map((host) => resolveHost(host, service.metadata.namespace)));
  const names = [...new Set([...claimed, ...client.services])];
  const hosts = names.map((host) => routeHost(host, { client, rules, services }));
  return { table: { name: String(client.port), hosts, unknownHosts: client.unknownHosts }, client };
}

interface World {
  readonly client: Client;
  readonly rules: readonly DestinationRule[];
  readonly services: readonly VirtualService[];
}

function routeHost(host: string, world: World): RouteHost {
  const { client, services } = world;
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc\.cluster\.local$/.exec(host) ?? [];
  const claiming = services.filter(({ metadata, spec }) => spec.hosts.some((each) => resolveHost(each, metadata.namespace) === host));
  return {
    name: virtualHostName(host, client.port),
    port: client.port,
    hosts: [host],
    ...(name !== undefined && namespace !== undefined ? { service: { name, namespace } } : {}),
    rules: claiming.flatMap((service) => service.spec.http.map((route) => routeRule(service, route, world))),
    ...(client.services.includes(host) ? { defaultTarget: target({ host }, "default", world) } : {}),
    ...(client.httpsRedirect === undefined ? {} : { httpsRedirect: client.httpsRedirect }),
  };
}

function routeRule(virtualService: VirtualService, route: HttpRoute, world: World): RouteRule {
  const { namespace, name, uid } = virtualService.metadata;
  const targets = route.route.map(({ destination }) => target(destination, namespace, world));
  const mirrors = [...(route.mirror === undefined ? [] : [route.mirror]), ...route.mirrors.map(({ destination }) => destination)];
  const split = {
    runtimeKeyPrefix: splitKeyPrefix({ uid: uid || name, route: route.name ?? "", members: targets.map(({ cluster }) => cluster) }),
    settledWeights: normalizedWeights(route.route.map(({ weight }) => weight ?? 0)),
  };
  return {
    virtualService,
    route,
    gateway: world.client.gateway,
    targets,
    mirrors: mirrors.map((destination) => target(destination, namespace, world)),
    ...(targets.length > 1 ? { split } : {}),
  };
}

function target(destination: Destination, namespace: string, { client, rules }: World): RouteTarget {
  const host = resolveHost(destination.host, namespace);
  const rule = rules.find(({ metadata, spec }) => resolveHost(spec.host, metadata.namespace) === host);
  const consistentHash: ConsistentHash | undefined = rule?.spec.trafficPolicy?.loadBalancer?.consistentHash;
  const cluster = outboundClusterName(destination.port?.number ?? client.port, destination.subset ?? "", host);
  return consistentHash === undefined ? { cluster } : { cluster, consistentHash };
}

function ofKind<Value>(documents: readonly unknown[], kind: string, parse: (document: unknown) => Value): Value[] {
  return documents.filter((document) => kindOf(document) === kind).map(parse);
}

function kindOf(document: unknown): string {
  return z.looseObject({ kind: z.enum(["VirtualService", "DestinationRule", "Client"]) }).parse(document).kind;
}
