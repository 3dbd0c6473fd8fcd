// VirtualServices and DestinationRules -> the share that each version of a service should get from ordinary visitors. Pure.

import { resolveHost, serviceHost } from "../../api/hosts.ts";
import { type DestinationRule, destinationRuleSchema } from "../../api/networking/destination-rule.ts";
import { type HttpRoute, type VirtualService, virtualServiceSchema } from "../../api/networking/virtual-service.ts";
import type { ApiClient } from "../../http/client-types.ts";
import type { ReleaseView } from "../../http/release-contract.ts";
import { normalizedWeights } from "../../model/weights.ts";

export interface ConfiguredShare {
  readonly version: string;
  /** 0 to 100; the weights of a service's versions sum to 100. */
  readonly weightPercent: number;
}

/** The part of the client that shares are read with. */
export type ShareClient = Pick<ApiClient, "list"> & { readonly releases: Pick<ApiClient["releases"], "list"> };

/** By service name; services that no route splits are not there. */
export type ConfiguredShares = ReadonlyMap<string, readonly ConfiguredShare[]>;

/** Reads the objects of a namespace through the API. @throws Unavailable while the control plane is away. */
export async function readConfiguredShares(client: ShareClient, namespace: string, services: readonly string[]): Promise<ConfiguredShares> {
  const [routes, rules, releases] = await Promise.all([
    client.list("VirtualService", { namespace }),
    client.list("DestinationRule", { namespace }),
    client.releases.list(),
  ]);
  const virtualServices = routes.items.map((item) => virtualServiceSchema.safeParse(item)).flatMap(({ data }) => data ?? []);
  const destinationRules = rules.items.map((item) => destinationRuleSchema.safeParse(item)).flatMap(({ data }) => data ?? []);
  const byRoutes = configuredShares({ virtualServices, destinationRules }, namespace, services);
  return new Map([...byRoutes, ...releasedShares(releases.filter((release) => release.namespace === namespace))]);
}

/** What releases laid over the routes: they decide for their service. */
export function releasedShares(releases: readonly Pick<ReleaseView, "service" | "status">[]): ConfiguredShares {
  return new Map(
    releases.flatMap(({ service, status: { stable, candidate, weightPercent } }) => {
      if (stable === undefined || candidate === undefined || stable === candidate) return [];
      return [
        [
          service,
          [
            { version: stable, weightPercent: 100 - weightPercent },
            { version: candidate, weightPercent },
          ],
        ] as const,
      ];
    }),
  );
}

interface Routing {
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: readonly DestinationRule[];
}

/** Per service the split of the route that a request without special headers takes. */
export function configuredShares(routing: Routing, namespace: string, services: readonly string[]): ConfiguredShares {
  return new Map(
    services.flatMap((service) => {
      const shares = sharesOf(routing, serviceHost(service, namespace));
      return shares === undefined ? [] : [[service, shares] as const];
    }),
  );
}

function sharesOf({ virtualServices, destinationRules }: Routing, host: string): readonly ConfiguredShare[] | undefined {
  for (const { metadata, spec } of virtualServices) {
    const reaches = ({ route }: HttpRoute) => route.some(({ destination }) => resolveHost(destination.host, metadata.namespace) === host);
    const routes = spec.http.filter(reaches);
    // Ordinary visitors match no special rule: theirs is the route without conditions.
    const ordinary = routes.find(({ match }) => match.length === 0) ?? routes.at(-1);
    if (ordinary?.route.every(({ destination }) => destination.subset === undefined) === true) return undefined;
    if (ordinary !== undefined) return splitOf(ordinary, versionsOf(destinationRules, host));
  }
  return undefined;
}

function splitOf({ route }: HttpRoute, versions: ReadonlyMap<string, string>): readonly ConfiguredShare[] {
  const weights = normalizedWeights(route.length === 1 ? [1] : route.map(({ weight }) => weight ?? 0));
  const byVersion = new Map<string, number>();
  route.forEach(({ destination }, index) => {
    const version = versions.get(destination.subset ?? "") ?? destination.subset ?? destination.host;
    byVersion.set(version, (byVersion.get(version) ?? 0) + (weights[index] ?? 0) / 100);
  });
  return [...byVersion].map(([version, weightPercent]) => ({ version, weightPercent }));
}

/** Subset → the version label it selects. */
function versionsOf(destinationRules: readonly DestinationRule[], host: string): ReadonlyMap<string, string> {
  const rules = destinationRules.filter(({ metadata, spec }) => resolveHost(spec.host, metadata.namespace) === host);
  const subsets = rules.flatMap(({ spec }) => spec.subsets);
  return new Map(subsets.map(({ name, labels }) => [name, labels["version"] ?? name]));
}

/** Whether two readings are the same. */
export function sameShares(a: ConfiguredShares, b: ConfiguredShares): boolean {
  return JSON.stringify([...a]) === JSON.stringify([...b]);
}
