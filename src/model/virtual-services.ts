// VirtualServices as relations: which one decides for a host, what its routes' destinations are, and which splits it has.
// Weights are kept apart from everything else, so that a change of weights leaves these relations the same objects.

import { resolveHost } from "../api/hosts.ts";
import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { HttpRoute, VirtualService } from "../api/networking/virtual-service.ts";
import { meshGateway } from "../api/networking/virtual-service.ts";
import { contentHash } from "../lib/hash.ts";
import type { DestinationContext, ResolvedDestination } from "./client.ts";
import { resolveDestination } from "./client.ts";
import { memoObject } from "./memo.ts";
import type { ComposeContext } from "./releases/compose.ts";
import { composedRules } from "./releases/compose.ts";
import type { ReleaseStructure } from "./releases/release-route.ts";
import type { ShareGroup } from "./releases/shares.ts";
import type { RouteClient, RuleOfRelease } from "./routes.ts";
import { coveringPatterns, isExportedTo } from "./visibility.ts";
import { splitKeyPrefix } from "./weights.ts";

/** A split before its weights: everything of it that does not move. */
export interface SplitSource {
  readonly prefix: string;
  /** Key of the VirtualService, "<namespace>/<name>". */
  readonly virtualService: string;
  readonly routeIndex: number;
  readonly structure: string;
  readonly members: readonly ResolvedDestination[];
  /** Under releases: how the members divide the written weights. */
  readonly groups?: readonly ShareGroup[];
}

export interface ResolvedRule {
  readonly virtualService: VirtualService;
  readonly route: HttpRoute;
  readonly targets: readonly ResolvedDestination[];
  readonly mirrors: readonly ResolvedDestination[];
  readonly split?: SplitSource;
  readonly release?: RuleOfRelease;
  /** Of a rule that a release made: changes with everything of it that reaches a proxy. */
  readonly releaseText?: string;
}

/** "<namespace>/<name>" of a VirtualService. */
export const virtualServiceKey = memoObject(({ metadata }: VirtualService): string => `${metadata.namespace}/${metadata.name}`);

/** Changes with everything of a VirtualService that reaches a proxy, except the weights of its http routes' destinations. */
const structureOf = memoObject((virtualService: VirtualService): string => {
  const { metadata, spec } = virtualService;
  const http = spec.http.map((route) => ({
    ...route,
    route: route.route.length < 2 ? route.route : route.route.map((destination) => ({ ...destination, weight: 0 })),
  }));
  return contentHash(JSON.stringify([metadata.uid, metadata.namespace, metadata.name, { ...spec, http }]));
});

/** Looks up the one VirtualService that decides for a host at sidecars: the oldest with the most specific host that is visible. */
export type VirtualServiceLookup = (host: string, namespace: string) => VirtualService | undefined;

export interface VirtualServiceIndex {
  readonly forMesh: VirtualServiceLookup;
  /** Mesh hosts of VirtualServices, resolved, with the VirtualServices that name them, oldest first. */
  readonly meshHosts: ReadonlyMap<string, readonly VirtualService[]>;
}

/** Indexes VirtualServices (oldest first) by host. */
export function virtualServiceIndex(virtualServices: readonly VirtualService[], exists: (host: string) => boolean): VirtualServiceIndex {
  const meshHosts = new Map<string, VirtualService[]>();
  let wildcards = false;
  for (const virtualService of virtualServices) {
    if (!bindsToMesh(virtualService)) continue;
    for (const host of virtualService.spec.hosts) {
      const name = resolveHost(host, virtualService.metadata.namespace, exists);
      wildcards ||= name.startsWith("*");
      const known = meshHosts.get(name);
      if (known === undefined) meshHosts.set(name, [virtualService]);
      else known.push(virtualService);
    }
  }
  const forMesh: VirtualServiceLookup = (host, namespace) => {
    for (const pattern of wildcards ? coveringPatterns(host) : [host]) {
      const found = meshHosts.get(pattern)?.find((virtualService) => isExportedTo(virtualService, namespace));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return { forMesh, meshHosts };
}

const bindsToMesh = memoObject(
  ({ spec }: VirtualService) =>
    spec.gateways.includes(meshGateway) || spec.http.some(({ match }) => match.some(({ gateways }) => gateways.includes(meshGateway))),
);

/** All http routes of a VirtualService with their destinations looked up. */
export function resolvedRules(
  virtualService: VirtualService,
  place: Omit<DestinationContext, "virtualService"> & Pick<ComposeContext, "isDefault" | "only">,
): readonly ResolvedRule[] {
  const context: DestinationContext = { ...place, virtualService };
  const written = virtualService.spec.http.map((route, routeIndex): ResolvedRule => {
    const targets = route.route.map(({ destination }) => resolveDestination(destination, context));
    const mirrors = [...(route.mirror === undefined ? [] : [route.mirror]), ...route.mirrors.map(({ destination }) => destination)];
    const split = splitOf(virtualService, routeIndex, targets);
    return {
      virtualService,
      route,
      targets,
      mirrors: mirrors.map((destination) => resolveDestination(destination, context)),
      ...(split === undefined ? {} : { split }),
    };
  });
  return composedRules(written, { ...place, splitOf: (routeIndex, targets) => splitOf(virtualService, routeIndex, targets) });
}

function splitOf(virtualService: VirtualService, routeIndex: number, targets: readonly ResolvedDestination[]): SplitSource | undefined {
  const members = targets.map(({ cluster }) => cluster);
  // RTDS keys are made of cluster names: a route that names one cluster twice keeps its weights in the route.
  if (members.length < 2 || new Set(members).size < members.length) return undefined;
  return {
    prefix: prefixOf(virtualService, routeIndex, members),
    virtualService: virtualServiceKey(virtualService),
    routeIndex,
    structure: structureOf(virtualService),
    members: targets,
  };
}

/** Every class of proxies asks for the same prefixes: one object's are hashed once. */
const prefixesOf = memoObject((_: VirtualService) => new Map<string, string>());

function prefixOf(virtualService: VirtualService, routeIndex: number, members: readonly string[]): string {
  const known = prefixesOf(virtualService);
  const key = `${routeIndex} ${members.join(" ")}`;
  const uid = virtualService.metadata.uid || virtualServiceKey(virtualService);
  const prefix = known.get(key) ?? splitKeyPrefix({ uid, route: routeIdentity(virtualService, routeIndex), members });
  known.set(key, prefix);
  return prefix;
}

/** What stays the same when other routes come and go: the route's name if it is the only one so named, else its place. */
function routeIdentity({ spec }: VirtualService, routeIndex: number): string {
  const name = spec.http[routeIndex]?.name;
  const unique = name !== undefined && name !== "" && spec.http.filter((route) => route.name === name).length === 1;
  return unique ? `name ${name}` : `index ${routeIndex}`;
}

/** What a client's rules depend on, as text and identities: two equal ones give routes with equal bytes. */
export function signatureOf(rules: readonly ResolvedRule[]): readonly unknown[] {
  return rules.flatMap(({ virtualService, route, targets, mirrors, split, releaseText }) => [
    structureOf(virtualService),
    releaseText,
    split?.prefix,
    ...(split === undefined ? route.route.map(({ weight }) => weight) : []),
    ...[...targets, ...mirrors].flatMap(({ cluster, consistentHash, service, labels }) => [cluster, consistentHash, service?.id, labels]),
  ]);
}

export interface L4Match {
  readonly port?: number | undefined;
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string | undefined;
  readonly gateways: readonly string[];
}

/** Whether one match block of a tcp or tls route holds for a client behind `gateway` at a port; addresses and SNI are the listener's. */
export function l4MatchHolds(
  match: L4Match,
  place: { readonly client: RouteClient; readonly gateway: string; readonly port: number; readonly bound: readonly string[] },
): boolean {
  const gateways = match.gateways.length > 0 ? match.gateways : place.bound;
  return (
    gateways.includes(place.gateway) &&
    (match.port === undefined || match.port === place.port) &&
    (match.sourceNamespace === undefined || match.sourceNamespace === "" || match.sourceNamespace === place.client.namespace) &&
    (place.gateway !== meshGateway || labelsMatch(match.sourceLabels, place.client.labels))
  );
}

/** Every label name that decides what a client sees: in sourceLabels of routes and releases and in DestinationRules' selectors. */
export function decidingLabels(
  virtualServices: readonly VirtualService[],
  rules: readonly {
    readonly spec: { readonly workloadSelector?: { readonly matchLabels: Readonly<Record<string, string>> } | undefined };
  }[],
  releases: ReadonlyMap<string, ReleaseStructure>,
): readonly string[] {
  const names = [
    ...[...releases.values()].flatMap(({ matches }) => matches.flatMap(({ audience }) => Object.keys(audience.sourceLabels))),
    ...virtualServices.flatMap(sourceLabelNames),
    ...rules.flatMap(({ spec }) => (spec.workloadSelector === undefined ? [] : Object.keys(spec.workloadSelector.matchLabels))),
  ];
  return [...new Set(names)].sort();
}

const noNames: readonly string[] = [];

const sourceLabelNames = memoObject(({ spec }: VirtualService): readonly string[] => {
  const matches = [...spec.http, ...spec.tcp, ...spec.tls].flatMap(
    (route): readonly { readonly sourceLabels: Readonly<Record<string, string>> }[] => route.match,
  );
  const names = matches.flatMap(({ sourceLabels }) => Object.keys(sourceLabels));
  return names.length === 0 ? noNames : names;
});
