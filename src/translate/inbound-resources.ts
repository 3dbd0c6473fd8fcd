// Mesh and proxy → the proxy's inbound side: its listener and clusters, and apart from them what policies make of it (routes and extensions),
// so that a policy change touches neither. Remembered per proxy.

import { ClusterSchema } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { TypedExtensionConfigSchema } from "#envoy/envoy/config/core/v3/extension_pb.js";
import { ListenerSchema } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { resourceName } from "../api/resource.ts";
import type { EncodedResource, ResourceReference, ResourceSet } from "../envoy/config.ts";
import type { EncodeCache } from "../envoy/encode-cache.ts";
import { blackHoleClusterName, inboundClusterName, inboundPassthroughClusterName, inboundRouteName } from "../envoy/names.ts";
import { KeyedMemo, sameEntries } from "../model/memo.ts";
import type { Mesh, MeshProxy, MeshSettings } from "../model/mesh.ts";
import type { WorkloadMtls, WorkloadPolicies } from "../model/policies.ts";
import { defaultMtlsMode } from "../model/policies.ts";
import { isHttp } from "../model/protocol.ts";
import { listenerSettings } from "../model/telemetry.ts";
import { inboundCluster, inboundPassthroughCluster } from "./cluster/inbound.ts";
import type { RbacOptions } from "./filter/rbac.ts";
import { rbacExtensions, rbacPerRoute } from "./filter/rbac-filters.ts";
import { givesB3 } from "./filter/tracing.ts";
import { extensionReferences } from "./listener/extension-references.ts";
import { virtualInboundListener } from "./listener/inbound.ts";
import { inboundRouteConfigurationHead, inboundVirtualHost } from "./route/inbound-route-configuration.ts";
import { meshSecretReferences } from "./tls-context.ts";

export interface InboundResources {
  readonly clusters: ResourceSet;
  readonly listeners: ResourceSet;
  readonly routes: ResourceSet;
  readonly extensions: ResourceSet;
}

/** Starts it; `startRound` once per mesh. Gateways have extensions only, sidecars without an address nothing yet. */
export function createInboundResources(cache: EncodeCache): {
  startRound(): void;
  resources(mesh: Mesh, proxy: MeshProxy): InboundResources;
} {
  const connections = new KeyedMemo<Pick<InboundResources, "clusters" | "listeners">>();
  const enforced = new KeyedMemo<Pick<InboundResources, "routes" | "extensions">>();
  const together = new KeyedMemo<InboundResources>();
  return {
    startRound: () => {
      for (const memo of [connections, enforced, together]) memo.generation();
    },
    resources: ({ settings, security, listenerTelemetry }, proxy) => {
      if (proxy.kind === "sidecar" && proxy.address === "") return noInbound;
      const { mtls = defaultMtls, policies = noPolicies } = security.get(proxy.id) ?? {};
      const modes = JSON.stringify([mtls.mode, ...mtls.ports]);
      const own = listenerSettings(settings, listenerTelemetry.get(proxy.id));
      const first = connections.get(proxy.id, [proxy, modes, own], () =>
        proxy.kind === "gateway" ? noInbound : connectionResources(cache, proxy, { mtls, settings: own }),
      );
      const second = enforced.get(proxy.id, [proxy, policies, own], () => policyResources(cache, proxy, { policies, settings: own }));
      return together.get(proxy.id, [first, second], () => ({ ...first, ...second }));
    },
  };
}

const noResources: ResourceSet = new Map();
const noInbound: InboundResources = { clusters: noResources, listeners: noResources, routes: noResources, extensions: noResources };
const defaultMtls: WorkloadMtls = { mode: defaultMtlsMode, ports: new Map() };
const noPolicies: WorkloadPolicies = { custom: [], deny: [], allow: [], audit: [] };

function connectionResources(
  cache: EncodeCache,
  proxy: MeshProxy,
  { mtls, settings }: { readonly mtls: WorkloadMtls; readonly settings: MeshSettings },
): Pick<InboundResources, "clusters" | "listeners"> {
  const passthrough = inboundPassthroughCluster(settings);
  const clusters = [
    cache.resource({ type: "cds", name: inboundPassthroughClusterName, schema: ClusterSchema, json: passthrough }),
    ...proxy.inbound.map((inbound) =>
      cache.resource({
        type: "cds",
        name: inboundClusterName(inbound.port),
        schema: ClusterSchema,
        json: inboundCluster(inbound, proxy, settings),
        sources: [inbound.service.source],
      }),
    ),
  ];
  const json = virtualInboundListener({ ports: proxy.inbound, mtls, settings });
  const listener = cache.resource({
    type: "lds",
    name: json.name ?? "",
    schema: ListenerSchema,
    json,
    references: [
      ...[...clusters.map(({ name }) => name), blackHoleClusterName].map((name): ResourceReference => ({ type: "cds", name })),
      ...httpPorts(proxy).map((port): ResourceReference => ({ type: "rds", name: inboundRouteName(port) })),
      ...(json.filterChains?.some(({ transportSocket }) => transportSocket !== undefined) === true ? meshSecretReferences : []),
      ...extensionReferences(json),
    ],
    sources: proxy.inbound.map(({ service }) => service.source),
  });
  return { clusters: byName(clusters), listeners: byName([listener]) };
}

function policyResources(
  cache: EncodeCache,
  proxy: MeshProxy,
  { policies, settings }: { readonly policies: WorkloadPolicies; readonly settings: MeshSettings },
): Pick<InboundResources, "routes" | "extensions"> {
  const options = rbacOptions(settings);
  const b3 = givesB3(settings);
  const perFilter = rbacPerRoute(policies, options);
  const sources = [policies.deny, policies.allow, policies.audit].flat().map(resourceName);
  const routes =
    proxy.kind === "gateway"
      ? []
      : httpPorts(proxy).map((port) => {
          const references: readonly ResourceReference[] = [{ type: "cds", name: inboundClusterName(port) }];
          const part = cache.part(inboundVirtualHost(port, { perFilter, b3 }), { references, sources });
          return cache.routes({ name: inboundRouteName(port), head: inboundRouteConfigurationHead(b3), parts: [part] });
        });
  const extensions = [...rbacExtensions(policies, options)].map(([name, typedConfig]) =>
    cache.resource({ type: "ecds", name, schema: TypedExtensionConfigSchema, json: { name, typedConfig }, sources }),
  );
  return { routes: byName(routes), extensions: sharedSet(byName(extensions)) };
}

/** The first set with these very resources: proxies without policies of their own share theirs, and all that is made of it. */
const sharedSet = ((): ((set: ResourceSet) => ResourceSet) => {
  const known = new WeakMap<EncodedResource, WeakRef<ResourceSet>>();
  return (set) => {
    const [first] = set.values();
    if (first === undefined) return noResources;
    const before = known.get(first)?.deref();
    if (before !== undefined && sameEntries(before, set)) return before;
    known.set(first, new WeakRef(set));
    return set;
  };
})();

/** How AuthorizationPolicies are read in a mesh of these settings. */
export function rbacOptions({ trustDomain, trustDomainAliases }: MeshSettings): RbacOptions {
  return { trustDomains: [trustDomain, ...trustDomainAliases] };
}

/** Ports with a route configuration: HTTP, and those where it may be found. */
function httpPorts({ inbound }: MeshProxy): readonly number[] {
  return inbound.filter(({ servicePort: { protocol } }) => isHttp(protocol) || protocol === "detect").map(({ port }) => port);
}

function byName(resources: readonly EncodedResource[]): ResourceSet {
  return new Map(resources.map((resource) => [resource.name, resource]));
}
