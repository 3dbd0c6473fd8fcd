// The xDS types we serve: their type URLs, their part of a ProxyConfig, and the order of a push.

import type { ProxyConfig, ResourceSet, ResourceType } from "../envoy/config.ts";

/**
 * All types in push order: weights first (they wait for nothing), then what others name before what names it.
 * Source: xDS protocol, "Eventual consistency considerations" (CDS, EDS, LDS, RDS).
 */
export const resourceTypes = ["rtds", "cds", "eds", "sds", "ecds", "lds", "rds"] as const satisfies readonly ResourceType[];

/** Type URL of the resources, which is also the type URL of requests and responses. */
export const typeUrls: Readonly<Record<ResourceType, string>> = {
  rtds: "type.googleapis.com/envoy.service.runtime.v3.Runtime",
  cds: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
  eds: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
  sds: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
  ecds: "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
  lds: "type.googleapis.com/envoy.config.listener.v3.Listener",
  rds: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
};

const typeByUrl = new Map(resourceTypes.map((type) => [typeUrls[type], type]));

/** The type of a type URL, undefined when we do not serve it. */
export function resourceTypeOf(url: string): ResourceType | undefined {
  return typeByUrl.get(url);
}

const noResources: ResourceSet = new Map();

/** The desired resources of one type; RTDS has none here, its one resource is made from the runtime layer. */
export function resourceSetOf(config: ProxyConfig, type: ResourceType): ResourceSet {
  switch (type) {
    case "cds":
      return config.clusters;
    case "eds":
      return config.endpoints;
    case "lds":
      return config.listeners;
    case "rds":
      return config.routes;
    case "sds":
      return config.secrets;
    case "ecds":
      return config.extensions;
    case "rtds":
      return noResources;
  }
}

/** Types whose first request without names means "all": the legacy wildcard of the xDS protocol. */
export function hasWildcard(type: ResourceType): boolean {
  return type === "cds" || type === "lds";
}
