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
