// Mesh and proxy → the proxy's whole configuration, encoded. Proxies of one class share everything but their inbound side; what did not
// change since the last mesh is the same object.

import { ClusterLoadAssignmentSchema } from "#envoy/envoy/config/endpoint/v3/endpoint_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import type { EncodedResource, ProxyConfig, ResourceReference, ResourceSet, RuntimeLayer } from "../envoy/config.ts";
import { EncodeCache } from "../envoy/encode-cache.ts";
import { blackHoleClusterName } from "../envoy/names.ts";
import type { DurationMs } from "../lib/duration.ts";
import { durationMs } from "../lib/duration.ts";
import { MeshError } from "../lib/errors.ts";
import type { ListenerRelation } from "../model/listeners.ts";
import { KeyedMemo, memoLast, memoObject, stableMap } from "../model/memo.ts";
import type { Endpoint, Mesh, MeshProxy, MeshSettings, Scope } from "../model/mesh.ts";
import { subsetEndpoints } from "../model/splits.ts";
import { listenerSettings, withRuntimeKeys } from "../model/telemetry.ts";
import { createPlaintextPorts } from "./cluster/plaintext-ports.ts";
import type { ClusterPlan, ClusterPlanner, EndpointSource } from "./cluster/plan.ts";
import { createClusterPlanner } from "./cluster/plan.ts";
import { clusterLoadAssignment, splitLoadAssignment } from "./endpoint/cluster-load-assignment.ts";
import { createJwtResources } from "./filter/jwt-resources.ts";
import { createRouterResources } from "./filter/router.ts";
import { createInboundResources, rbacOptions } from "./inbound-resources.ts";
import { extensionReferences } from "./listener/extension-references.ts";
import { terminatedChainReferences } from "./listener/gateway.ts";
import { trafficListener, unknownCluster, virtualOutboundListener } from "./listener/outbound.ts";
import { createGatewayPolicies } from "./route/gateway-policies.ts";
import { RouteEncoder } from "./route/route-configuration.ts";
import type { RouteSettings } from "./route/settings.ts";

/** The configuration of one of the mesh's proxies. Throws MeshError "internal" for a proxy of another mesh. */
export type Translator = (mesh: Mesh, proxy: MeshProxy) => ProxyConfig;

const noResources: ResourceSet = new Map();
const noRuntimeKeys: RuntimeLayer = new Map();

/** Starts a translator; keep one per control plane, because it remembers. */
export function createTranslator(cache: EncodeCache = new EncodeCache()): Translator {
  const encoderOf = memoLast((settings: MeshSettings) => new RouteEncoder(cache, routeSettings(settings)));
  const inboundSide = createInboundResources(cache);
  const gatewayPoliciesOf = memoLast((settings: MeshSettings) => createGatewayPolicies(rbacOptions(settings)));
  const plannerOf = createClusterPlanner(cache);
  const plaintextOf = createPlaintextPorts();
  const tokens = createJwtResources(cache);
  const routerOf = createRouterResources(cache);
  const classes = new Map<string, ClassTranslator>();
  const configs = new KeyedMemo<ProxyConfig>();
  let round: Mesh | undefined;
  const startRound = (mesh: Mesh) => {
    if (round === mesh) return;
    round = mesh;
    configs.generation();
    inboundSide.startRound();
    tokens.startRound();
    const keys = new Set([...mesh.scopes.values()].map(({ key }) => key));
    for (const key of classes.keys()) if (!keys.has(key)) classes.delete(key);
  };
  return (mesh, proxy) => {
    const scope = mesh.scopes.get(proxy.id);
    if (scope === undefined) throw new MeshError("internal", `proxy ${proxy.id} is not in the mesh`);
    startRound(mesh);
    const translate = classes.get(scope.key) ?? createClassTranslator(cache, { plannerOf, plaintextOf });
    classes.set(scope.key, translate);
    const shared = translate(mesh, scope, encoderOf(mesh.settings));
    const inbound = inboundSide.resources(mesh, proxy);
    const extensions = joined(tokens.resources(mesh, proxy), routerOf(mesh.counting.has(proxy.id)));
    const policies = proxy.kind === "gateway" ? mesh.security.get(proxy.id)?.policies : undefined;
    const routes = policies === undefined ? shared.routes : gatewayPoliciesOf(mesh.settings)(shared.routes, policies);
    const runtime = withRuntimeKeys(shared.runtime)(mesh.telemetry.get(proxy.id) ?? noRuntimeKeys);
    return configs.get(proxy.id, [shared, inbound, extensions, routes, runtime], () => ({
      ...shared,
      clusters: joined(shared.clusters, inbound.clusters),
      listeners: joined(shared.listeners, inbound.listeners),
      routes: joined(routes, inbound.routes),
      extensions: joined(extensions, inbound.extensions),
      runtime,
    }));
  };
}

function routeSettings({ defaultHttpRetryPolicy }: MeshSettings): RouteSettings {
  return { defaultRetries: defaultHttpRetryPolicy, includeRequestAttemptCount: true };
}

/** Joined sets are remembered by both parts, so a proxy's set changes only when one of them does. */
const joined = ((): ((shared: ResourceSet, own: ResourceSet) => ResourceSet) => {
  const known = new WeakMap<ResourceSet, WeakMap<ResourceSet, ResourceSet>>();
  return (shared, own) => {
    if (own.size === 0) return shared;
    const bySecond = known.get(shared) ?? new WeakMap<ResourceSet, ResourceSet>();
    known.set(shared, bySecond);
    const set = bySecond.get(own) ?? new Map([...shared, ...own]);
    bySecond.set(own, set);
    return set;
  };
})();

type ClassTranslator = (mesh: Mesh, scope: Scope, encoder: RouteEncoder) => ProxyConfig;

/** Everything that a class of proxies shares. */
function createClassTranslator(
  cache: EncodeCache,
  { plannerOf, plaintextOf }: { readonly plannerOf: ClusterPlanner; readonly plaintextOf: ReturnType<typeof createPlaintextPorts> },
): ClassTranslator {
  const clusterSet = stableMap<string, EncodedResource>();
  const listenerSet = stableMap<string, EncodedResource>();
  const routeSet = stableMap<string, EncodedResource>();
  const runtimeSet = stableMap<string, number>();
  const planOf = memoLast((scope: Scope, identities: Mesh["identities"], plaintext: ReadonlySet<string>) =>
    plannerOf(scope, { identities, plaintext }),
  );
  const clustersOf = memoLast((plan: ClusterPlan) => clusterSet(plan.clusters));
  const endpointsOf = createEndpointTranslator(cache);
  const listenersOf = memoLast((relations: Scope["listeners"], kind: Scope["kind"], settings: MeshSettings) =>
    listenerSet(listenerResources(cache, relations.listeners, { kind, settings })),
  );
  const routesOf = memoLast((encoder: RouteEncoder, tables: Scope["tables"], client: Scope["client"]) =>
    routeSet(new Map(tables.map((table) => [table.name, encoder.routeConfiguration(table, client)]))),
  );
  const runtimeOf = memoLast((tables: Scope["tables"], runtime: Mesh["runtime"]) => runtimeSet(runtimeOfTables(tables, runtime)));
  const graceOf = memoLast(removalGrace);
  const configOf = createAssembly();
  return (mesh, scope, encoder) => {
    const plan = planOf(scope, mesh.identities, plaintextOf(mesh.services, mesh.endpoints));
    return configOf(
      clustersOf(plan),
      endpointsOf(plan, mesh.endpoints, mesh.releases.shares),
      listenersOf(scope.listeners, scope.kind, listenerSettings(mesh.settings, scope.telemetry)),
      routesOf(encoder, scope.tables, scope.client),
      runtimeOf(scope.tables, mesh.runtime),
      graceOf(scope.tables),
    );
  };
}

/** The parts as one configuration, the same object while no part changed; secrets and extensions are each proxy's own. */
function createAssembly() {
  return memoLast(
    (
      clusters: ResourceSet,
      endpoints: ResourceSet,
      listeners: ResourceSet,
      routes: ResourceSet,
      runtime: RuntimeLayer,
      removalGrace: DurationMs,
    ): ProxyConfig => ({
      clusters,
      endpoints,
      listeners,
      routes,
      secrets: noResources,
      extensions: noResources,
      runtime,
      removalGrace,
    }),
  );
}

type Shares = Mesh["releases"]["shares"];

function createEndpointTranslator(cache: EncodeCache): (plan: ClusterPlan, endpoints: Mesh["endpoints"], shares: Shares) => ResourceSet {
  const memo = new KeyedMemo<EncodedResource>();
  const set = stableMap<string, EncodedResource>();
  return memoLast((plan: ClusterPlan, endpoints: Mesh["endpoints"], shares: Shares) => {
    memo.generation();
    return set(new Map(plan.endpoints.map((source) => [source.cluster, endpointResource(cache, memo, { source, endpoints, shares })])));
  });
}

const noEndpoints: readonly Endpoint[] = [];

function endpointResource(
  cache: EncodeCache,
  memo: KeyedMemo<EncodedResource>,
  { source, endpoints, shares }: { readonly source: EndpointSource; readonly endpoints: Mesh["endpoints"]; readonly shares: Shares },
): EncodedResource {
  const encode = (json: ReturnType<typeof splitLoadAssignment>, from: string) =>
    cache.resource({ type: "eds", name: source.cluster, schema: ClusterLoadAssignmentSchema, json, sources: [from] });
  if ("split" in source) {
    const { split } = source;
    const behind = split.members.map(({ destination }) =>
      destination.service === undefined ? undefined : endpoints.get(destination.service.id),
    );
    const dividing = (split.divided?.groups ?? []).map(({ release }) => (release === undefined ? undefined : shares.get(release)));
    return memo.get(source.cluster, [split, ...behind, ...dividing], () =>
      encode(splitLoadAssignment(split, endpoints, shares), split.source),
    );
  }
  const all = endpoints.get(source.serviceId) ?? noEndpoints;
  return memo.get(source.cluster, [all, source.labels], () =>
    encode(clusterLoadAssignment(source, subsetEndpoints(all, source)), source.source),
  );
}

function listenerResources(
  cache: EncodeCache,
  relations: readonly ListenerRelation[],
  place: { readonly kind: Scope["kind"]; readonly settings: MeshSettings },
): ResourceSet {
  const unknown = { type: "cds", name: unknownCluster(place.settings) } as const;
  const resources = relations.map((relation) =>
    listenerResource(cache, trafficListener(relation, place), {
      references: [
        ...(place.kind === "sidecar" ? [unknown] : []),
        ...(relation.routes === undefined ? [] : [{ type: "rds", name: relation.routes } as const]),
        ...relation.chains.map(({ cluster }) => ({ type: "cds", name: cluster }) as const),
        ...relation.terminated.flatMap(terminatedChainReferences),
      ],
      sources: relation.sources,
    }),
  );
  const capture =
    place.kind === "sidecar"
      ? [
          listenerResource(cache, virtualOutboundListener(place.settings), {
            references: [unknown, { type: "cds", name: blackHoleClusterName }],
            sources: [],
          }),
        ]
      : [];
  return new Map([...resources, ...capture].map((resource) => [resource.name, resource]));
}

function listenerResource(
  cache: EncodeCache,
  json: ListenerJson,
  relations: { readonly references: readonly ResourceReference[]; readonly sources: readonly string[] },
): EncodedResource {
  const references = [...relations.references, ...extensionReferences(json)];
  return cache.resource({ type: "lds", name: json.name ?? "", schema: ListenerSchema, json, ...relations, references });
}

const prefixesOf = memoObject(
  (tables: Scope["tables"]): ReadonlySet<string> =>
    new Set(
      tables.flatMap(({ hosts }) =>
        hosts.flatMap(({ rules, defaultRules = [] }) => [...rules, ...defaultRules].flatMap(({ split }) => split?.runtimeKeyPrefix ?? [])),
      ),
    ),
);

/** Only the keys of splits that these routes have; a key is "<prefix>.<cluster>" and prefixes have one dot. */
function runtimeOfTables(tables: Scope["tables"], runtime: Mesh["runtime"]): RuntimeLayer {
  if (runtime.size === 0) return runtime;
  const prefixes = prefixesOf(tables);
  return new Map([...runtime].filter(([key]) => prefixes.has(key.split(".", 2).join("."))));
}

const shortestGrace = durationMs(5000);
const longestGrace = durationMs(60_000);

/** The longest timeout of any route (it includes retries), between 5 s and 1 min; routes without one count as the shortest. */
function removalGrace(tables: Scope["tables"]): DurationMs {
  const timeouts = tables.flatMap(({ hosts }) => hosts.flatMap(({ rules }) => rules.flatMap(({ route }) => route.timeout ?? [])));
  const longest = Math.max(shortestGrace, ...timeouts);
  return durationMs(Math.min(longest, longestGrace));
}
