// A service as telemetry names it: one text in the metadata of clusters and virtual hosts, and in tags of server-side chains.

import { blackHoleClusterName, parseOutboundClusterName } from "../envoy/names.ts";
import type { MeshService } from "../model/mesh.ts";
import { joinParts } from "../telemetry/composite-tags.ts";

/** Key of the metadata, in namespace "istio". */
export const serviceKey = "service";
/** Key of endpoints' metadata, in the same namespace: service and workload in one text, since each look costs each request. */
export const targetKey = "target";
/** Another: which template their pod was made of (label `pod-template-hash`); missing where none was. */
export const templateKey = "template";

/** host;name;namespace;port. A ServiceEntry's name is its host, as in Istio. */
export function serviceText({ kind, hostname, name, namespace }: MeshService, port: number): string {
  return joinParts([hostname, kind === "ServiceEntry" ? hostname : name, namespace, String(port)]);
}

/** Of what has no service: a cluster's name stands for it (Istio: PassthroughCluster, BlackHoleCluster, InboundPassthroughCluster). */
export function clusterServiceText(cluster: string): string {
  const outbound = parseOutboundClusterName(cluster);
  if (outbound === undefined) return joinParts(["", cluster]);
  return joinParts([outbound.host, outbound.host, "", String(outbound.port)]);
}

/** Metadata of a cluster. */
export function serviceMetadata(text: string) {
  return { istio: { [serviceKey]: text } } as const;
}

/** Requests to hosts that nobody declared, where those are refused; Istio's name for them. */
export const refusedService = clusterServiceText(blackHoleClusterName);
