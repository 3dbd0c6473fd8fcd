// The routes of one port of the proxy's own application → RouteConfiguration. They only ever change with the workload's policies, which is
// why they travel apart from the listener.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import { defined } from "../../envoy/defined.ts";
import { defaultRouteName, inboundClusterName, inboundVirtualHostName } from "../../envoy/names.ts";
import { b3Parent, b3Sampled } from "../filter/b3.ts";

/** Everything of an inbound route configuration but its name and its virtual host. */
export const inboundRouteConfigurationHead: Omit<RouteConfigurationJson, "name" | "virtualHosts"> = {
  validateClusters: false,
  requestHeadersToAdd: [...b3Parent],
};

/**
 * Everything to the application, without timeout (the client's proxy has one). A connection the application just closed is tried again
 * as long as nothing of the request was sent (Istio's inbound default). `perFilter` is what the workload's policies enforce.
 */
export function inboundVirtualHost(port: number, perFilter: Readonly<Record<string, AnyJson>>): VirtualHostJson {
  return defined<VirtualHostJson>({
    name: inboundVirtualHostName(port),
    domains: ["*"],
    // Before the configuration's own headers, which read it.
    requestHeadersToAdd: [b3Sampled],
    typedPerFilterConfig: Object.keys(perFilter).length === 0 ? undefined : { ...perFilter },
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
  });
}
