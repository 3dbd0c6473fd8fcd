// Where routes lead: destinations that VirtualServices name, with who may come that way. What of it carried nothing is idle but configured.

import { namespacedName, resolveHost } from "../../api/hosts.ts";
import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import { type DestinationUse, destinationsOf } from "../../api/networking/destinations.ts";
import { meshGateway, type VirtualService } from "../../api/networking/virtual-service.ts";
import { resourceName } from "../../api/resource.ts";
import { printPath } from "../../lib/field-path.ts";
import { type EdgeWorld, gatewaysOf } from "./edge-world.ts";

/** One destination of a route. */
export interface ConfiguredTarget {
  /** "VirtualService shop/orders spec.http[0].route[1] (weight 10)". */
  readonly route: string;
  readonly mirrored: boolean;
  readonly protocol: "http" | "tcp";
  /** Hosts by which callers come there: the VirtualService's, and the destination's own. */
  readonly called: ReadonlySet<string>;
  readonly host: string;
  readonly port: number;
  /** Workloads of the subset, by name; empty when none is ready. */
  readonly workloads: readonly string[];
  /** Gateways by name whose requests come that way. */
  readonly gateways: readonly string[];
  /** Sidecars' requests too. */
  readonly mesh: boolean;
}

/** All destinations of all routes. */
export function configuredTargets(world: EdgeWorld): readonly ConfiguredTarget[] {
  return world.virtualServices.flatMap((virtualService) => {
    const place = placeOf(virtualService, world);
    return [...destinationsOf(virtualService)].flatMap((use) => targetOf(use, place) ?? []);
  });
}

interface Place extends Pick<ConfiguredTarget, "called" | "gateways" | "mesh"> {
  readonly world: EdgeWorld;
  readonly virtualService: VirtualService;
  readonly resolve: (host: string) => string;
}

function placeOf(virtualService: VirtualService, world: EdgeWorld): Place {
  const { metadata, spec } = virtualService;
  const resolve = (host: string) => resolveHost(host, metadata.namespace, (fqdn) => world.services.has(fqdn));
  const inMatches = spec.http.flatMap(({ match }) => match.flatMap(({ gateways }) => gateways));
  const named = [...spec.gateways, ...inMatches];
  const bound = new Set(named.filter((name) => name !== meshGateway).map((name) => gatewayName(namespacedName(name, metadata.namespace))));
  const gateways = [...world.gatewayNames].filter((name) => {
    const workload = world.workloads.get(name);
    return workload !== undefined && gatewaysOf(world, workload).some((gateway) => bound.has(gatewayName(gateway.metadata)));
  });
  return {
    world,
    virtualService,
    resolve,
    called: new Set(spec.hosts.map(resolve)),
    gateways,
    mesh: named.length === 0 || named.includes(meshGateway),
  };
}

function gatewayName({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

function targetOf(use: DestinationUse, place: Place): ConfiguredTarget | undefined {
  const { world, virtualService, resolve, called, gateways, mesh } = place;
  const host = resolve(use.destination.host);
  const service = world.services.get(host);
  // What names nothing is the analysis' matter.
  if (service === undefined) return undefined;
  const labels = subsetLabels(use, host, place);
  if (labels === undefined) return undefined;
  const behind = (world.mesh.endpoints.get(service.id) ?? []).filter((endpoint) => labelsMatch(labels, endpoint.labels));
  const weight = weightOf(use, virtualService);
  const path = printPath(use.path.at(-1) === "destination" ? use.path.slice(0, -1) : use.path);
  return {
    route: `${resourceName(virtualService)} ${path}${weight === undefined ? "" : ` (weight ${weight})`}`,
    mirrored: use.of === "mirror",
    protocol: use.of === "http" || use.of === "mirror" ? "http" : "tcp",
    called: new Set([...called, host]),
    host,
    port: use.destination.port?.number ?? service.ports[0]?.number ?? 0,
    workloads: [
      ...new Set(behind.flatMap(({ workload }) => (workload === undefined ? [] : [`${workload.namespace}/${workload.name}`]))),
    ].toSorted(),
    gateways,
    mesh,
  };
}

/** Undefined when no DestinationRule has the subset. */
function subsetLabels(
  { destination }: DestinationUse,
  host: string,
  { world, virtualService }: Place,
): Readonly<Record<string, string>> | undefined {
  if (destination.subset === undefined || destination.subset === "") return {};
  const service = world.services.get(host);
  const [scope] = world.mesh.scopes.values();
  if (service === undefined || scope === undefined) return undefined;
  const client = { namespace: virtualService.metadata.namespace, labels: {} };
  return scope.directory.policies(client, service)?.subsets.find(({ name }) => name === destination.subset)?.labels;
}

/** Of a destination among several; undefined where there is only one, and for mirrors. */
function weightOf({ path, of }: DestinationUse, { spec }: VirtualService): number | undefined {
  const [, , rule, , item] = path;
  if (of === "mirror" || typeof rule !== "number" || typeof item !== "number") return undefined;
  const routes = spec[of][rule]?.route ?? [];
  return routes.length < 2 ? undefined : (routes[item]?.weight ?? 0);
}
