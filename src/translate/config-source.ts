// Where Envoy finds dynamic resources: always on the one ADS stream.

import type { ConfigSourceJson } from "#envoy/envoy/config/core/v3/config_source_pb.js";

/**
 * Resources by ADS, waited for without limit: a cluster or listener that became active without its data would answer 503 or 404, and while
 * the control plane is away nothing new becomes active anyway (Istio sets 0s as well).
 */
export const adsConfigSource = {
  ads: {},
  resourceApiVersion: "V3",
  initialFetchTimeout: "0s",
} as const satisfies ConfigSourceJson;

/**
 * Endpoints by ADS, waited for at most 15 s (Envoy's default): no route names a cluster before its endpoints are acknowledged, and a changed
 * cluster whose endpoints a dying control plane no longer sent goes on with those it had, instead of warming for ever.
 */
export const endpointConfigSource = { ...adsConfigSource, initialFetchTimeout: "15s" } as const satisfies ConfigSourceJson;
