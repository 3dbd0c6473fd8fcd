// Lays releases over the http routes of VirtualServices: a destination of a released service becomes the split of its versions inside its own
// share, behind the requests that are chosen for one version. New objects only; a rule that no release concerns stays the same object.

import { labelsMatch } from "../../api/kubernetes/label-selector.ts";
import type { Headers, HttpRoute, RouteDestination } from "../../api/networking/virtual-service.ts";
import type { Audience } from "../../api/release/audience.ts";
import { outboundClusterName } from "../../envoy/names.ts";
import type { Directory, ResolvedDestination } from "../client.ts";
import { effectivePolicy, subsetOf } from "../destinations.ts";
import type { RouteClient, RuleOfRelease } from "../routes.ts";
import type { ResolvedRule, SplitSource } from "../virtual-services.ts";
import type { CohortSource } from "./cohort.ts";
import { cohortSources } from "./cohort.ts";
import type { ReleaseStructure } from "./release-route.ts";
import type { ReleaseSubsets } from "./release-subsets.ts";
import type { RouteCondition } from "./route-condition.ts";
import type { ShareGroup } from "./shares.ts";

export interface ComposeContext {
  readonly directory: Directory;
  readonly client: RouteClient;
  /** Makes the split of a route's targets; undefined when they can't have one. */
  readonly splitOf: (routeIndex: number, targets: readonly ResolvedDestination[]) => SplitSource | undefined;
  /** The rules are of a service that no VirtualService claims. */
  readonly isDefault?: boolean;
  /** Only this arm, whatever the shares say: a preview. Rules without the release's service are left out. */
  readonly only?: { readonly release: ReleaseStructure; readonly arm: number } | undefined;
}

/** All rules in order, each as what releases make of it: several rules where requests are chosen. */
export function composedRules(rules: readonly ResolvedRule[], context: ComposeContext): readonly ResolvedRule[] {
  if (context.directory.releases.size === 0) return rules;
  return rules.flatMap((rule, index) => composedRule(rule, index, context));
}

/** Destinations of one route that divide one share, or one that no release concerns. */
interface Part {
  /** Places in the route's list. */
  readonly written: readonly number[];
  readonly target: ResolvedDestination;
  readonly division?: Division;
}

interface Division {
  readonly release: ReleaseStructure;
  readonly subsets: ReleaseSubsets;
  /** Subset names, parallel to the arms. */
  readonly arms: readonly string[];
  /** By arm: the place of a destination that names this version itself. */
  readonly own: ReadonlyMap<number, number>;
}

/** Which arm each release's requests get; a release that isn't in it divides by shares. */
type Choice = ReadonlyMap<ReleaseStructure, number>;

interface Variant {
  readonly choice: Choice;
  readonly conditions: readonly RouteCondition[];
}

function composedRule(rule: ResolvedRule, index: number, context: ComposeContext): readonly ResolvedRule[] {
  const parts = partsOf(rule.targets, context);
  const releases = [...new Set(parts.flatMap(({ division }) => division?.release ?? []))];
  const { only } = context;
  if (only !== undefined) {
    if (!releases.includes(only.release)) return [];
    return [
      variantRule(rule, parts, { index, context, releases, variant: { choice: new Map([[only.release, only.arm]]), conditions: [] } }),
    ];
  }
  if (releases.length === 0) return [rule];
  return variantsOf(releases, context.client).flatMap((variant) => {
    const place = { index, context, releases, variant };
    const byChance = variantRule(rule, parts, place);
    if (byChance.targets.length < 2) return [byChance];
    return [...cohortsOf(parts, variant).map((cohort) => variantRule(rule, parts, { ...place, cohort })), byChance];
  });
}

function partsOf(
  targets: readonly ResolvedDestination[],
  { directory, client }: Pick<ComposeContext, "directory" | "client">,
): readonly Part[] {
  const parts = new Map<string, Part & { written: number[]; division?: Division & { own: Map<number, number> } }>();
  for (const [index, target] of targets.entries()) {
    const release = target.service === undefined ? undefined : directory.releases.get(target.service.id);
    const isReleased = release !== undefined && (release.ports.length === 0 || release.ports.includes(target.port));
    const subsets = isReleased && target.service !== undefined ? directory.releaseSubsets(client, target.service, release) : undefined;
    const arms = subsets?.arms(target.subset);
    if (release === undefined || subsets === undefined || arms === undefined) {
      parts.set(`${index}`, { written: [index], target });
      continue;
    }
    const key = JSON.stringify([release.serviceId, target.port, subsets.kind(target.subset)]);
    const known = parts.get(key) ?? { written: [], target, division: { release, subsets, arms, own: new Map<number, number>() } };
    const arm = subsets.ownArm(target.subset);
    known.written.push(index);
    // Of several destinations for one version the first one's headers count for all.
    if (arm !== undefined && known.division?.own.has(arm) === false) known.division.own.set(arm, index);
    parts.set(key, known);
  }
  return [...parts.values()];
}

/** Chosen requests first, in the order of each release's matches; the last variant is everybody else. */
function variantsOf(releases: readonly ReleaseStructure[], client: RouteClient): readonly Variant[] {
  let variants: readonly Variant[] = [{ choice: new Map(), conditions: [] }];
  for (const release of releases) {
    const matches = release.matches.filter(({ audience }) => isFromSource(audience, client));
    variants = variants.flatMap((variant) => [
      ...matches.map(({ audience, arm }) => ({
        choice: new Map([...variant.choice, [release, arm]]),
        conditions: [...variant.conditions, conditionOf(audience)],
      })),
      variant,
    ]);
  }
  return variants;
}

function isFromSource({ sourceLabels, sourceNamespace }: Audience, client: RouteClient): boolean {
  return labelsMatch(sourceLabels, client.labels) && (sourceNamespace === undefined || sourceNamespace === client.namespace);
}

function conditionOf({ headers, cookies, queryParams, userAgent, claims }: Audience): RouteCondition {
  return { headers, cookies, queryParams, claims, ...(userAgent === undefined ? {} : { userAgent }) };
}

/** The ways to know the user for the first release of the route that goes by users and divides. */
function cohortsOf(parts: readonly Part[], { choice }: Variant): readonly CohortSource[] {
  const dividing = parts.flatMap(({ division }) => (division === undefined || choice.has(division.release) ? [] : [division.release]));
  const release = dividing.find(({ sticky, arms }) => sticky !== undefined && arms.length > 1);
  return release?.sticky === undefined ? [] : cohortSources(release.sticky, release.name);
}

interface Member {
  readonly target: ResolvedDestination;
  readonly destination: RouteDestination;
}

interface VariantPlace {
  /** Of the route in its VirtualService. */
  readonly index: number;
  readonly context: ComposeContext;
  readonly releases: readonly ReleaseStructure[];
  readonly variant: Variant;
  readonly cohort?: CohortSource;
}

function variantRule(rule: ResolvedRule, parts: readonly Part[], place: VariantPlace): ResolvedRule {
  const { variant, context, cohort, releases } = place;
  const members: Member[] = [];
  const groups = parts.map((part): ShareGroup => {
    const made = membersOf(part, rule.route, variant.choice);
    const first = members.length;
    members.push(...made);
    const divides = part.division !== undefined && made.length > 1;
    return {
      written: part.written,
      ...(divides ? { release: part.division.release.name } : {}),
      members: made.map((_, arm) => ({ member: first + arm, arm })),
    };
  });
  const targets = members.map(({ target }) => target);
  const mirrors = mirrorsOf(parts, variant.choice);
  const split = context.splitOf(place.index, targets);
  const text = JSON.stringify([
    releases.map((release) => release.text),
    variant.conditions,
    cohort?.hash,
    parts.map(({ written }) => written),
  ]);
  const release: RuleOfRelease = {
    written: rule.route,
    conditions: [...variant.conditions, ...(cohort === undefined ? [] : [cohort.condition])],
    ...(cohort === undefined ? {} : { cohort: cohort.hash }),
    isDefault: context.isDefault === true,
    sources: releases.map(({ name }) => `Release ${name}`),
  };
  return {
    virtualService: rule.virtualService,
    route: {
      ...rule.route,
      route: members.map(({ destination }) => destination),
      mirrors: [...rule.route.mirrors, ...mirrors.map(({ mirror }) => mirror)],
    },
    targets,
    mirrors: [...rule.mirrors, ...mirrors.map(({ target }) => target)],
    ...(split === undefined ? {} : { split: { ...split, groups, structure: `${split.structure} ${text}` } }),
    release,
    releaseText: text,
  };
}

/** What releases make of the destinations of a tcp or tls route. */
export interface DividedTargets {
  readonly targets: readonly ResolvedDestination[];
  readonly groups: readonly ShareGroup[];
  /** "Release shop/db". */
  readonly sources: readonly string[];
}

/**
 * The same for connections, which have neither headers nor users: who calls may choose, everything else divides by shares. Undefined when no release
 * concerns any of them.
 */
export function dividedTargets(
  targets: readonly ResolvedDestination[],
  context: Pick<ComposeContext, "directory" | "client">,
): DividedTargets | undefined {
  if (context.directory.releases.size === 0) return undefined;
  const parts = partsOf(targets, context);
  const releases = [...new Set(parts.flatMap(({ division }) => division?.release ?? []))];
  if (releases.length === 0) return undefined;
  const members: ResolvedDestination[] = [];
  const groups = parts.map(({ written, target, division }): ShareGroup => {
    const chosen = division === undefined ? undefined : chosenBySource(division.release, context.client);
    const made =
      division === undefined
        ? [target]
        : division.arms.filter((_, arm) => chosen === undefined || chosen === arm).map((subset) => armTarget(target, division, subset));
    const first = members.length;
    members.push(...made);
    const divides = division !== undefined && made.length > 1;
    return {
      written,
      ...(divides ? { release: division.release.name } : {}),
      members: made.map((_, arm) => ({ member: first + arm, arm })),
    };
  });
  return { targets: members, groups, sources: releases.map(({ name }) => `Release ${name}`) };
}

/** A match that asks for nothing but who calls. */
function chosenBySource({ matches }: ReleaseStructure, client: RouteClient): number | undefined {
  return matches.find(({ audience }) => {
    const { headers, cookies, queryParams, claims, userAgent } = audience;
    const asks = [headers, cookies, queryParams, claims].some((named) => Object.keys(named).length > 0) || userAgent !== undefined;
    return !asks && isFromSource(audience, client);
  })?.arm;
}

function membersOf({ written, target, division }: Part, route: HttpRoute, choice: Choice): readonly Member[] {
  const first = route.route[written[0] ?? 0] ?? { destination: { host: target.host } };
  if (division === undefined) return [{ target, destination: first }];
  const chosen = choice.get(division.release);
  return division.arms.flatMap((subset, arm): readonly Member[] => {
    if (chosen !== undefined && chosen !== arm) return [];
    const headers = division.release.arms[arm]?.headers ?? {};
    const written = route.route[division.own.get(arm) ?? -1] ?? first;
    // Of a route with one destination the route itself carries its headers, so that they win over the route's as they did.
    const own = route.route.length === 1 ? undefined : written.headers;
    // Without a split (two members of one cluster) everything stays with the stable version.
    const weight = chosen === undefined && arm > 0 ? 0 : (first.weight ?? 1);
    return [
      {
        target: armTarget(target, division, subset),
        destination: { destination: { ...written.destination, subset }, weight, ...headersWith(own, headers) },
      },
    ];
  });
}

/** The same host and port by another subset. */
function armTarget(target: ResolvedDestination, { subsets }: Division, subset: string): ResolvedDestination {
  const found = subsetOf(subsets.policy, subset);
  const { consistentHash: _, ...rest } = target;
  const consistentHash = effectivePolicy(subsets.policy, target.port, found).loadBalancer?.consistentHash;
  return {
    ...rest,
    cluster: outboundClusterName(target.port, subset, target.host),
    subset,
    labels: found?.labels ?? {},
    policy: subsets.policy,
    ...(consistentHash === undefined ? {} : { consistentHash }),
  };
}

function headersWith(written: Headers | undefined, more: Readonly<Record<string, string>>): { readonly headers?: Headers } {
  if (Object.keys(more).length === 0) return written === undefined ? {} : { headers: written };
  const { set = {}, add = {}, remove = [] } = written?.request ?? {};
  return { headers: { ...written, request: { set: { ...set, ...more }, add, remove } } };
}

/** Copies of what goes by share. A route that also leads elsewhere has none: they would be copies of others' requests. */
function mirrorsOf(parts: readonly Part[], choice: Choice) {
  const [part, ...others] = parts;
  const division = part?.division;
  if (part === undefined || division === undefined || others.length > 0 || choice.has(division.release)) return [];
  const { mirror } = division.release;
  const subset = mirror === undefined ? undefined : division.arms[mirror.arm];
  if (mirror === undefined || subset === undefined || mirror.percent <= 0) return [];
  const target = armTarget(part.target, division, subset);
  return [
    {
      target,
      mirror: { destination: { host: target.host, subset, port: { number: target.port } }, percentage: { value: mirror.percent } },
    },
  ];
}
