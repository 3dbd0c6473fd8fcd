// The mesh-wide settings that routes depend on; one object per mesh configuration, shared by all proxies.

import type { HttpRetry } from "../../api/networking/virtual-service.ts";

export interface RouteSettings {
  /** For routes without `retries`; undefined is Istio's own default. Source: MeshConfig.defaultHttpRetryPolicy. */
  readonly defaultRetries?: HttpRetry;
  /** Sends x-envoy-attempt-count to the upstream. Source: ProxyConfig.proxyHeaders.attemptCount, on by default. */
  readonly includeRequestAttemptCount: boolean;
}

/** Istio's defaults. */
export const defaultRouteSettings: RouteSettings = { includeRequestAttemptCount: true };
