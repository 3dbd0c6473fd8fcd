// The routes of one port of the proxy's own application → RouteConfiguration. They only ever change with the workload's policies, which is
// why they travel apart from the listener.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { VirtualHostJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { RouteConfigurationJson } from "#envoy/envoy/config/route/v3/route_pb.js";
import { defined } from "../../envoy/defined.ts";
import { defaultRouteName, inboundClusterName, inboundVirtualHostName } from "../../envoy/names.ts";
import { b3Parent, b3Sampled } from "../filter/b3.ts";

/** Everything of an inbound route configuration but its name and its virtual host; `b3`: whether the application gets B3 headers. */
export function inboundRouteConfigurationHead(b3: boolean): Omit<RouteConfigurationJson, "name" | "virtualHosts"> {
  return b3 ? { validateClusters: false, requestHeadersToAdd: [...b3Parent] } : { validateClusters: false };
}

export interface InboundHost {
  /** What the workload's policies enforce. */
  readonly perFilter: Readonly<Record<string, AnyJson>>;
  readonly b3: boolean;
}

/**
 * Everything to the application, without timeout (the client's proxy has one). A connection the application just closed is tried again
 * as long as nothing of the request was sent (Istio's inbound default).
 */
export function inboundVirtualHost(port: number, { perFilter, b3 }: InboundHost): VirtualHostJson {
  return defined<VirtualHostJson>({
    name: inboundVirtualHostName(port),
    domains: ["*"],
    // Before the configuration's own headers, which read it.
    requestHeadersToAdd: b3 ? [b3Sampled] : undefined,
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
