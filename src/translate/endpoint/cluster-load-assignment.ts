// Endpoints → Envoy's ClusterLoadAssignment. An empty one is an answer too: a cluster without any never becomes active.

import type { LbEndpointJson, LocalityLbEndpointsJson } from "#envoy/envoy/config/endpoint/v3/endpoint_components_pb.js";
import type { ClusterLoadAssignmentJson } from "#envoy/envoy/config/endpoint/v3/endpoint_pb.js";
import { defined } from "../../envoy/defined.ts";
import type { L4Split } from "../../model/l4-routes.ts";
import type { Endpoint, Workload } from "../../model/mesh.ts";
import { mtlsModeOf } from "../../model/policies.ts";
import { dividedWeights } from "../../model/releases/shares.ts";
import { destinationEndpoints } from "../../model/splits.ts";
import { effectiveWeights } from "../../model/weights.ts";
import { joinTarget } from "../../telemetry/composite-tags.ts";
import { socketAddress } from "../address.ts";
import { mutualTlsEndpoint, socketMatchNamespace } from "../cluster/mesh-tls.ts";
import { targetKey, templateKey } from "../service-text.ts";

export interface ServicePortCluster {
  readonly cluster: string;
  readonly port: number;
  /** What telemetry calls the service (`serviceText`). */
  readonly service: string;
}

/** The endpoints of one cluster at a service port; those that do not serve the port are left out. */
export function clusterLoadAssignment(
  { cluster, port, service }: ServicePortCluster,
  endpoints: readonly Endpoint[],
): ClusterLoadAssignmentJson {
  const lbEndpoints = endpoints.flatMap((endpoint) => lbEndpoint(endpoint, port, service));
  return {
    clusterName: cluster,
    endpoints: lbEndpoints.length === 0 ? [] : [{ locality: {}, lbEndpoints, loadBalancingWeight: weightOf(endpoints) }],
  };
}

/**
 * The endpoints of a weighted route, a locality per member. Members without a share stay in it, without a weight: they get no new
 * connection, and those they have live on.
 */
export function splitLoadAssignment(
  split: L4Split,
  endpoints: ReadonlyMap<string, readonly Endpoint[]>,
  shares: ReadonlyMap<string, readonly number[]>,
): ClusterLoadAssignmentJson {
  const members = split.members.map(({ destination, weight }) => ({
    destination,
    weight,
    endpoints: destinationEndpoints(destination, endpoints),
  }));
  const usable = members.map((member) => member.endpoints.length > 0);
  const weights =
    split.divided === undefined
      ? effectiveWeights(members.map(({ weight }, index) => ({ weight, usable: usable[index] === true })))
      : dividedWeights({ groups: split.divided.groups, weights: split.divided.written, shares, usable });
  return {
    clusterName: split.name,
    endpoints: members.flatMap((member, index) => {
      const lbEndpoints = member.endpoints.flatMap((endpoint) => lbEndpoint(endpoint, member.destination.port));
      const weight = weights[index] ?? 0;
      if (lbEndpoints.length === 0) return [];
      return [
        defined<LocalityLbEndpointsJson>({
          locality: { region: member.destination.cluster, zone: `${index}` },
          lbEndpoints,
          loadBalancingWeight: weight === 0 ? undefined : weight,
        }),
      ];
    }),
  };
}

/** `service` where requests are counted by it. */
function lbEndpoint(endpoint: Endpoint, port: number, service?: string): readonly LbEndpointJson[] {
  const number = endpoint.ports[port];
  if (number === undefined) return [];
  const { workload } = endpoint;
  return [
    defined<LbEndpointJson>({
      endpoint: { address: socketAddress(endpoint.address, number) },
      loadBalancingWeight: endpoint.weight,
      metadata: workload === undefined ? undefined : { filterMetadata: endpointMetadata(endpoint, number, { workload, service }) },
    }),
  ];
}

interface Served {
  readonly workload: Workload;
  readonly service: string | undefined;
}

/** Whose workload it is and by which service, made from which template, and whether connections to it use mutual TLS. */
function endpointMetadata({ mtls }: Endpoint, port: number, { workload, service }: Served) {
  const template = label(workload.labels, "pod-template-hash");
  const text = workloadText(workload);
  const istio = {
    workload: text,
    ...(service === undefined ? {} : { [targetKey]: joinTarget({ service, workload: text }) }),
    ...(template === undefined ? {} : { [templateKey]: template }),
  };
  const isEncrypted = mtls !== undefined && mtlsModeOf(mtls, port) !== "DISABLE";
  return isEncrypted ? { istio, [socketMatchNamespace]: mutualTlsEndpoint } : { istio };
}

/** Istio's short form: workload;namespace;canonical name;canonical revision;cluster. Telemetry reads it as the destination's labels. */
export function workloadText({ name, namespace, labels }: Workload): string {
  const app = label(labels, "service.istio.io/canonical-name") ?? label(labels, "app.kubernetes.io/name") ?? label(labels, "app") ?? name;
  const revision =
    label(labels, "service.istio.io/canonical-revision") ??
    label(labels, "app.kubernetes.io/version") ??
    label(labels, "version") ??
    "latest";
  return [name, namespace, app, revision, "Kubernetes"].join(";");
}

function label(labels: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(labels, name) ? labels[name] : undefined;
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return Math.max(
    1,
    endpoints.reduce((sum, { weight }) => sum + weight, 0),
  );
}
