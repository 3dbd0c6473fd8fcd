// Clusters that lead to the proxy's own application.

import type { ClusterJson } from "#envoy/envoy/config/cluster/v3/cluster_pb.js";
import { defined } from "../../envoy/defined.ts";
import { clusterStatName, inboundClusterName, inboundPassthroughClusterName } from "../../envoy/names.ts";
import { durationMs, protoDuration } from "../../lib/duration.ts";
import type { InboundPort, MeshProxy, MeshSettings } from "../../model/mesh.ts";
import { socketAddress } from "../address.ts";
import { bindConfig, deliveryMark } from "../socket-mark.ts";
import { circuitBreakers } from "./circuit-breakers.ts";
import { httpProtocolOptions } from "./http-protocol-options.ts";

/**
 * Idle connections to the application close before the application closes them: Node.js does so after 5 s, and a request sent in that
 * moment would fail. A new connection costs microseconds, it never leaves the pod.
 */
const inboundIdleTimeout = durationMs(4000);

/** Loopback addresses on which an application may listen instead of the pod's. */
const loopback: readonly string[] = ["127.0.0.1", "::1"];

/**
 * One port of the application. The pod's own address comes first, as the client chose it; when nothing listens there Envoy turns to
 * loopback within the same connection attempt (Happy Eyeballs), so applications bound to either work.
 */
export function inboundCluster({ port, servicePort, service }: InboundPort, proxy: MeshProxy, settings: MeshSettings): ClusterJson {
  const name = inboundClusterName(port);
  const endpoint = {
    address: socketAddress(proxy.address, port),
    additionalAddresses: loopback.map((address) => ({ address: socketAddress(address, port) })),
  };
  return defined<ClusterJson>({
    name,
    altStatName: clusterStatName(name),
    type: "STATIC",
    connectTimeout: protoDuration(settings.connectTimeout),
    loadAssignment: { clusterName: name, endpoints: [{ lbEndpoints: [{ endpoint }] }] },
    circuitBreakers: circuitBreakers({}),
    upstreamBindConfig: bindConfig(deliveryMark),
    metadata: { filterMetadata: { istio: { services: [{ host: service.hostname, name: service.name, namespace: service.namespace }] } } },
    typedExtensionProtocolOptions: httpProtocolOptions({ protocol: servicePort.protocol, idleTimeout: inboundIdleTimeout }),
  });
}

/** Ports that no service declares: to where the connection was going. */
export function inboundPassthroughCluster(settings: MeshSettings): ClusterJson {
  return {
    name: inboundPassthroughClusterName,
    type: "ORIGINAL_DST",
    lbPolicy: "CLUSTER_PROVIDED",
    connectTimeout: protoDuration(settings.connectTimeout),
    circuitBreakers: circuitBreakers({}),
    upstreamBindConfig: bindConfig(deliveryMark),
  };
}
