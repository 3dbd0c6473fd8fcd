// Snapshot → Mesh: the whole model in one call. Stateless to look at (equal inputs give equal meshes), incremental inside: what an
// unchanged part was computed from is compared by identity, so one changed object costs what depends on it.

import type { ServiceEntry } from "../api/networking/service-entry.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { directoryOf } from "./directory.ts";
import type { ResolvedNames } from "./endpoints.ts";
import { createEndpointIndex, namesToResolve } from "./endpoints.ts";
import type { UsableCredentials } from "./gateway-tls.ts";
import { noCredentials } from "./gateway-tls.ts";
import { createRuleHold } from "./held-rules.ts";
import { memoLast, stableMap } from "./memo.ts";
import type { Endpoint, Mesh, MeshProxy, MeshService, MeshSettings } from "./mesh.ts";
import { createProxyIndex } from "./proxies.ts";
import type { ReleaseRoute } from "./releases/release-route.ts";
import { createReleaseIndex } from "./releases/release-route.ts";
import type { MtlsPhases } from "./security.ts";
import { createEndpointSecurity, createIdentityIndex, createSecurityIndex } from "./security.ts";
import { meshServices } from "./services.ts";
import { createTelemetryIndex } from "./telemetry.ts";
import { createTraffic } from "./traffic.ts";
import type { SettledWeights } from "./weights.ts";

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
  /** Ids of proxies that count every try, for a release, by what proxies see; none when unset. The same set for the same scopes. */
  readonly counting?: (scopes: Mesh["scopes"]) => ReadonlySet<string>;
}

export interface Model {
  /** The mesh of a snapshot. */
  meshOf(snapshot: Snapshot, inputs: MeshInputs): Mesh;
}

const noReleaseRoutes: readonly ReleaseRoute[] = [];
const noPhases: MtlsPhases = new Map();
const nobody: ReadonlySet<string> = new Set();
const noKeySets: Mesh["jwks"] = new Map();

/** Starts a model; keep one per control plane, because it remembers. */
export function createModel(): Model {
  const parts = createParts();
  return { meshOf: (snapshot, inputs) => meshOf(parts, snapshot, inputs) };
}

/** What makes the parts of a mesh; each remembers what it made last. */
function createParts() {
  return {
    servicesOf: memoLast(meshServices),
    endpointsOf: createEndpoints(),
    proxiesOf: createProxies(),
    directoryOf: memoLast(directoryOf),
    namesOf: memoLast(namesIn),
    trafficOf: createTraffic(),
    securityOf: createSecurityIndex(),
    rulesOf: createRuleHold(),
    securedEndpoints: createEndpointSecurity(),
    telemetry: createTelemetryIndex(),
    identitiesOf: createIdentities(),
    releasesOf: createReleaseIndex(),
  };
}

function meshOf(parts: ReturnType<typeof createParts>, snapshot: Snapshot, inputs: MeshInputs): Mesh {
  const { pods, services, slices, entries, rules: newest, gateways, virtualServices, telemetries, ...policies } = lists(snapshot);
  const all = parts.servicesOf(services, entries);
  const everyProxy = parts.proxiesOf(pods, services, all);
  const { rootNamespace } = inputs.settings;
  const telemetry = parts.telemetry.settingsOf(everyProxy, { settings: inputs.settings, telemetries });
  const security = parts.securityOf({
    ...policies,
    proxies: everyProxy,
    rootNamespace,
    acknowledged: inputs.mtls ?? noPhases,
    inFlight: inputs.mtlsInFlight,
  });
  const rules = parts.rulesOf(newest, { isWidening: security.isWidening, isInFlight: inputs.mtlsInFlight !== undefined });
  const releases = parts.releasesOf(inputs.releases ?? noReleaseRoutes);
  const directory = parts.directoryOf(all, rules, inputs.settings, releases.structures);
  const behind = parts.securedEndpoints(parts.endpointsOf(all, slices, pods, entries, inputs.resolved), security.phases);
  const traffic = parts.trafficOf({
    directory,
    rules,
    gateways,
    virtualServices,
    proxies: everyProxy,
    endpoints: behind,
    telemetry: telemetry.listeners,
    releases,
    credentials: inputs.credentials ?? noCredentials,
    settled: inputs.settled,
  });
  const counting = inputs.counting?.(traffic.scopes) ?? nobody;
  return {
    settings: inputs.settings,
    services: all,
    endpoints: behind,
    proxies: everyProxy,
    names: parts.namesOf(entries),
    ...traffic,
    security: security.proxies,
    mtls: { phases: security.phases, isMoving: security.isMoving || rules !== newest },
    jwks: inputs.jwks ?? noKeySets,
    telemetry: parts.telemetry.runtimeOf(everyProxy, telemetry, { ...inputs, counting }),
    counting,
    reporting: telemetry.proxies,
    listenerTelemetry: telemetry.listeners,
    identities: parts.identitiesOf(all, services, pods, inputs.settings),
    releases,
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

function namesIn(entries: readonly ServiceEntry[]): readonly string[] {
  return [...new Set(entries.flatMap((entry) => entry.spec.hosts.flatMap((host) => namesToResolve(entry, host.toLowerCase()))))].sort();
}
