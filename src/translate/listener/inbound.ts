// The listener that all connections to a pod reach: a chain per port of its application, and one for ports nobody declares.

import type { FilterChainJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import { defined } from "../../envoy/defined.ts";
import {
  blackHoleClusterName,
  defaultRouteName,
  inboundCapturePort,
  inboundClusterName,
  inboundPassthroughClusterName,
  inboundRouteName,
  inboundVirtualHostName,
  virtualInboundListenerName,
} from "../../envoy/names.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { InboundPort, MeshSettings } from "../../model/mesh.ts";
import { isHttp } from "../../model/protocol.ts";
import { socketAddress } from "../address.ts";
import { httpConnectionManagerFilter } from "../filter/http-connection-manager.ts";
import { tcpProxyFilter } from "../filter/tcp-proxy.ts";
import { httpApplicationProtocols, httpInspector, originalDestination } from "./listener-filters.ts";

/** Port 15006. Only ports of undeclared protocol are waited on, so servers that speak first work everywhere else. */
export function virtualInboundListener(ports: readonly InboundPort[], settings: MeshSettings): ListenerJson {
  const detected = ports.filter(({ servicePort }) => servicePort.protocol === "detect").map(({ port }) => port);
  const waits = detected.length > 0;
  return defined<ListenerJson>({
    name: virtualInboundListenerName,
    address: socketAddress("0.0.0.0", inboundCapturePort),
    trafficDirection: "INBOUND",
    listenerFilters: [originalDestination, ...(waits ? [httpInspector(detected)] : [])],
    listenerFiltersTimeout: waits ? protoDuration(settings.protocolDetectionTimeout) : undefined,
    continueOnListenerFiltersTimeout: waits ? true : undefined,
    filterChains: [
      {
        // A connection to the port itself was never captured: passing it through would come back here for ever.
        name: "virtualInbound-blackhole",
        filterChainMatch: { destinationPort: inboundCapturePort },
        filters: [tcpProxyFilter({ cluster: blackHoleClusterName, settings })],
      },
      ...ports.flatMap((port) => portChains(port, settings)),
    ],
    defaultFilterChain: {
      name: "virtualInbound-catchall-tcp",
      filters: [tcpProxyFilter({ cluster: inboundPassthroughClusterName, settings })],
    },
  });
}

function portChains(inbound: InboundPort, settings: MeshSettings): readonly FilterChainJson[] {
  const { port, servicePort } = inbound;
  const { protocol } = servicePort;
  const http: FilterChainJson = {
    name: `inbound_${port}_http`,
    filterChainMatch: { destinationPort: port },
    filters: [
      httpConnectionManagerFilter({
        direction: "inbound",
        protocol,
        statPrefix: `inbound_${port}`,
        routes: inboundRoutes(port),
        settings,
      }),
    ],
  };
  const tcp: FilterChainJson = {
    name: `inbound_${port}_tcp`,
    filterChainMatch: { destinationPort: port },
    filters: [tcpProxyFilter({ cluster: inboundClusterName(port), settings })],
  };
  if (isHttp(protocol)) return [http];
  if (protocol !== "detect") return [tcp];
  return [{ ...http, filterChainMatch: { destinationPort: port, applicationProtocols: [...httpApplicationProtocols] } }, tcp];
}

/**
 * Everything to the application, without timeout (the client's proxy has one). A connection the application just closed is tried again
 * as long as nothing of the request was sent (Istio's inbound default).
 */
function inboundRoutes(port: number): RouteConfigurationJson {
  return {
    name: inboundRouteName(port),
    validateClusters: false,
    virtualHosts: [
      {
        name: inboundVirtualHostName(port),
        domains: ["*"],
        routes: [
          {
            name: defaultRouteName,
            match: { prefix: "/" },
            route: {
              cluster: inboundClusterName(port),
              timeout: "0s",
              maxStreamDuration: { maxStreamDuration: "0s", grpcTimeoutHeaderMax: "0s" },
              retryPolicy: { retryOn: "reset-before-request", numRetries: 2 },
            },
          },
        ],
      },
    ],
  };
}
