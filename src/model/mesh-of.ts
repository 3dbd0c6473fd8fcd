// Snapshot → Mesh: the whole model in one call. Stateless to look at (equal inputs give equal meshes), incremental inside: what an
// unchanged part was computed from is compared by identity, so one changed object costs what depends on it.

import type { DestinationRule } from "../api/networking/destination-rule.ts";
import type { Gateway } from "../api/networking/gateway.ts";
import type { ServiceEntry } from "../api/networking/service-entry.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { Directory } from "./client.ts";
import type { PolicyLookup } from "./destinations.ts";
import { policyLookup } from "./destinations.ts";
import type { ResolvedNames } from "./endpoints.ts";
import { createEndpointIndex, namesToResolve } from "./endpoints.ts";
import type { UsableCredentials } from "./gateway-tls.ts";
import { noCredentials } from "./gateway-tls.ts";
import { createRuleHold } from "./held-rules.ts";
import { memoLast, stableList, stableMap } from "./memo.ts";
import type { Endpoint, Mesh, MeshProxy, MeshService, MeshSettings, Scope } from "./mesh.ts";
import { isHttp } from "./protocol.ts";
import { createProxyIndex } from "./proxies.ts";
import type { ReleaseIndex, ReleaseRoute, ReleaseStructure } from "./releases/release-route.ts";
import { createReleaseIndex } from "./releases/release-route.ts";
import { releaseSubsets } from "./releases/release-subsets.ts";
import type { ScopeBuilder, ScopeInputs } from "./scopes.ts";
import { createScopeBuilder, scopeKeyOf } from "./scopes.ts";
import type { MtlsPhases } from "./security.ts";
import { createEndpointSecurity, createIdentityIndex, createSecurityIndex } from "./security.ts";
import { meshServices } from "./services.ts";
import { createSplitIndex } from "./splits.ts";
import { createTelemetryIndex } from "./telemetry.ts";
import { hostKey } from "./virtual-addresses.ts";
import type { SplitSource } from "./virtual-services.ts";
import { decidingLabels, virtualServiceIndex, virtualServiceKey } from "./virtual-services.ts";
import { byAge, namespaceView } from "./visibility.ts";
import type { SettledWeights } from "./weights.ts";
import { runtimeKeys, settle } from "./weights.ts";

/** What a mesh is made of besides the snapshot. */
export interface MeshInputs {
  /** The same object as long as no setting changed. */
  readonly settings: MeshSettings;
  /** Addresses of `Mesh.names`. */
  readonly resolved: ResolvedNames;
  /** The last mesh's, or the stored ones after a restart. */
  readonly settled: SettledWeights;
  /** What running releases ask of the routes, and those that only hold the stable version; none when unset. */
  readonly releases?: readonly ReleaseRoute[];
  /** What every proxy has acknowledged of mutual TLS: the last mesh's `phases`, once they were; empty at first. */
  readonly mtls?: MtlsPhases;
  /** The last mesh's `phases` while not everybody has acknowledged them. */
  readonly mtlsInFlight?: MtlsPhases | undefined;
  /** Secrets that gateways may name; none when unset. */
  readonly credentials?: UsableCredentials;
  /** Fetched key sets by their address, the same object until one changed; none when unset. */
  readonly jwks?: ReadonlyMap<string, string>;
  /** Share of requests, 1 to 100 percent, that somebody watches, by proxy id; none when unset. */
  readonly tapped?: ReadonlyMap<string, number>;
  /** Ids of proxies that count every try, for a release; none when unset. */
  readonly counting?: ReadonlySet<string>;
}

export interface Model {
  /** The mesh of a snapshot. */
  meshOf(snapshot: Snapshot, inputs: MeshInputs): Mesh;
}

const noReleaseRoutes: readonly ReleaseRoute[] = [];
const noPhases: MtlsPhases = new Map();
const noKeySets: Mesh["jwks"] = new Map();

/** Starts a model; keep one per control plane, because it remembers. */
export function createModel(): Model {
  const servicesOf = memoLast(meshServices);
  const endpoints = createEndpoints();
  const proxies = createProxies();
  const directoryOf = memoLast(newDirectory);
  const namesOf = memoLast(namesIn);
  const trafficOf = createTraffic();
  const securityOf = createSecurityIndex();
  const rulesOf = createRuleHold();
  const securedEndpoints = createEndpointSecurity();
  const telemetryOf = createTelemetryIndex();
  const identitiesOf = createIdentities();
  const releasesOf = createReleaseIndex();
  return {
    meshOf(snapshot, inputs) {
      const { pods, services, slices, entries, rules: newest, gateways, virtualServices, telemetries, ...policies } = lists(snapshot);
      const all = servicesOf(services, entries);
      const everyProxy = proxies(pods, services, all);
      const { rootNamespace } = inputs.settings;
      const telemetry = telemetryOf(everyProxy, { ...inputs, telemetries });
      const security = securityOf({
        ...policies,
        proxies: everyProxy,
        rootNamespace,
        acknowledged: inputs.mtls ?? noPhases,
        inFlight: inputs.mtlsInFlight,
      });
      const rules = rulesOf(newest, { isWidening: security.isWidening, isInFlight: inputs.mtlsInFlight !== undefined });
      const releases = releasesOf(inputs.releases ?? noReleaseRoutes);
      const directory = directoryOf(all, rules, inputs.settings, releases.structures);
      const behind = securedEndpoints(endpoints(all, slices, pods, entries, inputs.resolved), security.phases);
      const traffic = trafficOf({
        directory,
        rules,
        gateways,
        virtualServices,
        proxies: everyProxy,
        endpoints: behind,
        telemetry: telemetry.listeners,
        releases,
        inputs,
      });
      return {
        settings: inputs.settings,
        services: all,
        endpoints: behind,
        proxies: everyProxy,
        names: namesOf(entries),
        ...traffic,
        security: security.proxies,
        mtls: { phases: security.phases, isMoving: security.isMoving || rules !== newest },
        jwks: inputs.jwks ?? noKeySets,
        telemetry: telemetry.runtime,
        reporting: telemetry.proxies,
        listenerTelemetry: telemetry.listeners,
        identities: identitiesOf(all, services, pods, inputs.settings),
        releases,
      };
    },
  };
}

function createEndpoints() {
  const endpointsOf = createEndpointIndex();
  const endpointMap = stableMap<string, readonly Endpoint[]>();
  return memoLast(
    (
      services: ReadonlyMap<string, MeshService>,
      slices: ReturnType<typeof lists>["slices"],
      pods: ReturnType<typeof lists>["pods"],
      entries: readonly ServiceEntry[],
      resolved: ResolvedNames,
    ) => endpointMap(endpointsOf({ services, slices, pods, entries, resolved })),
  );
}

function createProxies() {
  const proxiesOf = createProxyIndex();
  const proxyMap = stableMap<string, MeshProxy>();
  return memoLast(
    (pods: ReturnType<typeof lists>["pods"], services: ReturnType<typeof lists>["services"], all: ReadonlyMap<string, MeshService>) =>
      proxyMap(proxiesOf({ pods, services, meshServices: all })),
  );
}

function createIdentities() {
  const identityIndex = createIdentityIndex();
  return memoLast(
    (
      all: ReadonlyMap<string, MeshService>,
      kubernetesServices: ReturnType<typeof lists>["services"],
      pods: ReturnType<typeof lists>["pods"],
      { trustDomain, trustDomainAliases }: MeshSettings,
    ) => identityIndex({ services: all, kubernetesServices, pods, trustDomains: [trustDomain, ...trustDomainAliases] }),
  );
}

function lists(snapshot: Snapshot) {
  return {
    pods: snapshot.list("Pod"),
    services: snapshot.list("Service"),
    slices: snapshot.list("EndpointSlice"),
    entries: snapshot.list("ServiceEntry"),
    rules: snapshot.list("DestinationRule"),
    gateways: snapshot.list("Gateway"),
    virtualServices: snapshot.list("VirtualService"),
    authorizationPolicies: snapshot.list("AuthorizationPolicy"),
    peerAuthentications: snapshot.list("PeerAuthentication"),
    requestAuthentications: snapshot.list("RequestAuthentication"),
    telemetries: snapshot.list("Telemetry"),
  };
}

function newDirectory(
  services: ReadonlyMap<string, MeshService>,
  rules: readonly DestinationRule[],
  settings: MeshSettings,
  releases: ReadonlyMap<string, ReleaseStructure>,
): Directory {
  const hosts = new Set([...services.values()].map(({ hostname }) => hostname));
  const exists = (host: string) => hosts.has(host);
  const views = new Map<string, ReturnType<typeof namespaceView>>();
  const written = policyLookup({ rules: byAge(rules), exists, rootNamespace: settings.rootNamespace });
  return {
    settings,
    services,
    exists,
    policies: releases.size === 0 ? written : dividedPolicies(written, releases),
    releases,
    releaseSubsets: (client, service, release) => releaseSubsets(written(client, service), release),
    view: (namespace) => {
      const view = views.get(namespace) ?? namespaceView(services, namespace);
      views.set(namespace, view);
      return view;
    },
  };
}

/** What DestinationRules say, with the subsets that releases divide their services by. */
function dividedPolicies(written: PolicyLookup, releases: ReadonlyMap<string, ReleaseStructure>): PolicyLookup {
  return (client, service) => {
    const policy = written(client, service);
    const release = releases.get(hostKey(service.namespace, service.hostname));
    return release === undefined ? policy : releaseSubsets(policy, release).policy;
  };
}

function namesIn(entries: readonly ServiceEntry[]): readonly string[] {
  return [...new Set(entries.flatMap((entry) => entry.spec.hosts.flatMap((host) => namesToResolve(entry, host.toLowerCase()))))].sort();
}

interface TrafficInputs {
  readonly directory: Directory;
  readonly rules: readonly DestinationRule[];
  readonly gateways: readonly Gateway[];
  readonly virtualServices: readonly VirtualService[];
  readonly proxies: ReadonlyMap<string, MeshProxy>;
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  readonly telemetry: Mesh["listenerTelemetry"];
  readonly releases: ReleaseIndex;
  readonly inputs: MeshInputs;
}

type Traffic = Pick<Mesh, "scopes" | "splits" | "settled" | "runtime">;

/** The part of the model that VirtualServices reach: classes of proxies, their routes, and weights. */
function createTraffic(): (inputs: TrafficInputs) => Traffic {
  const scopeInputsOf = createScopeInputs();
  const classesOf = createClasses();
  const splitsOf = createSplitIndex();
  const sourcesOf = memoLast(splitSources);
  const splitMap = stableMap<string, Traffic["splits"] extends ReadonlyMap<string, infer Split> ? Split : never>();
  const runtimeMap = stableMap<string, number>();
  const scopeMap = stableMap<string, Scope>();
  return ({ directory, rules, gateways, virtualServices, proxies, endpoints, telemetry, releases, inputs }) => {
    const scopeInputs = scopeInputsOf({
      directory,
      gateways,
      virtualServices,
      endpoints,
      credentials: inputs.credentials ?? noCredentials,
    });
    const deciding = decidingLabels(virtualServices, rules, releases.structures);
    const classes = classesOf({ proxies, deciding, gateways: scopeInputs.gateways, telemetry });
    const sources = sourcesOf(...[...classes.values()].map(({ builder, example }) => builder.relate(scopeInputs, example)));
    const byKey = new Map(virtualServices.map((virtualService) => [virtualServiceKey(virtualService), virtualService]));
    const splits = splitMap(splitsOf({ sources, virtualServices: byKey, endpoints, shares: releases.shares }));
    const settled = settle(inputs.settled, splits, { structural: false });
    const scopes = new Map<string, Scope>();
    for (const { builder, members } of classes.values()) {
      const scope = builder.scope(directory, settled);
      for (const id of members) scopes.set(id, scope);
    }
    return { scopes: scopeMap(scopes), splits, settled, runtime: runtimeMap(runtimeKeys(settled, splits)) };
  };
}

/** All splits by prefix; the classes' views of one split differ in nothing that counts here. */
function splitSources(...lists: readonly (readonly SplitSource[])[]): ReadonlyMap<string, SplitSource> {
  const sources = new Map<string, SplitSource>();
  for (const source of lists.flat()) if (!sources.has(source.prefix)) sources.set(source.prefix, source);
  return sources;
}

function createScopeInputs(): (
  inputs: Pick<TrafficInputs, "directory" | "gateways" | "virtualServices" | "endpoints"> & Pick<ScopeInputs, "credentials">,
) => ScopeInputs {
  const oldest = memoLast((list: readonly VirtualService[]) => byAge(list));
  const oldestGateways = memoLast((list: readonly Gateway[]) => byAge(list));
  const l4List = stableList<VirtualService>();
  const indexOf = memoLast(virtualServiceIndex);
  const l4IndexOf = memoLast(virtualServiceIndex);
  const headlessMap = stableMap<string, readonly Endpoint[]>();
  return ({ directory, gateways, virtualServices, endpoints, credentials }) => {
    const sorted = oldest(virtualServices);
    const l4VirtualServices = l4List(sorted.filter(({ spec }) => spec.tcp.length > 0 || spec.tls.length > 0));
    const headless = [...directory.services.values()].filter(
      (service) => service.headless && service.ports.some(({ protocol }) => !isHttp(protocol)),
    );
    return {
      directory,
      index: indexOf(sorted, directory.exists),
      l4Index: l4IndexOf(l4VirtualServices, directory.exists),
      virtualServices: sorted,
      l4VirtualServices,
      headless: headlessMap(new Map(headless.map(({ id }) => [id, endpoints.get(id) ?? []]))),
      gateways: oldestGateways(gateways),
      credentials,
    };
  };
}

interface ProxyClass {
  readonly builder: ScopeBuilder;
  readonly example: MeshProxy;
  readonly members: readonly string[];
}

/** Sorts proxies into classes; a class keeps its builder, and with it its memory, as long as it has members. */
function createClasses(): (inputs: {
  readonly proxies: ReadonlyMap<string, MeshProxy>;
  readonly deciding: readonly string[];
  readonly gateways: readonly Gateway[];
  readonly telemetry: Mesh["listenerTelemetry"];
}) => ReadonlyMap<string, ProxyClass> {
  const builders = new Map<string, ScopeBuilder>();
  const decidingList = stableList<string>();
  const grouped = memoLast(
    (
      proxies: ReadonlyMap<string, MeshProxy>,
      deciding: readonly string[],
      gateways: readonly Gateway[],
      telemetry: Mesh["listenerTelemetry"],
    ) => {
      const groups = new Map<string, MeshProxy[]>();
      for (const proxy of proxies.values()) {
        const key = scopeKeyOf(proxy, { deciding, gateways, telemetry: telemetry.get(proxy.id) });
        groups.set(key, [...(groups.get(key) ?? []), proxy]);
      }
      return groups;
    },
  );
  return ({ proxies, deciding, gateways, telemetry }) => {
    const names = decidingList(deciding);
    const groups = grouped(proxies, names, gateways, telemetry);
    for (const key of builders.keys()) if (!groups.has(key)) builders.delete(key);
    return new Map(
      [...groups].flatMap(([key, members]) => {
        const [example] = members;
        if (example === undefined) return [];
        const builder = builders.get(key) ?? createScopeBuilder(key, example, { deciding: names, telemetry: telemetry.get(example.id) });
        builders.set(key, builder);
        return [[key, { builder, example, members: members.map(({ id }) => id) }] as const];
      }),
    );
  };
}
