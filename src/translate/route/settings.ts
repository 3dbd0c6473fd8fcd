// The mesh-wide settings that routes depend on; one object per mesh configuration, shared by all proxies.

import type { HttpRetry } from "../../api/networking/virtual-service.ts";
import { memoObject } from "../../model/memo.ts";
import type { MeshSettings } from "../../model/mesh.ts";

export interface RouteSettings {
  /** For routes without `retries`; undefined is Istio's own default. Source: MeshConfig.defaultHttpRetryPolicy. */
  readonly defaultRetries?: HttpRetry;
  /** Sends x-envoy-attempt-count to the upstream. Source: ProxyConfig.proxyHeaders.attemptCount, on by default. */
  readonly includeRequestAttemptCount: boolean;
}

/** Istio's defaults. */
export const defaultRouteSettings: RouteSettings = { includeRequestAttemptCount: true };

/** The part of the mesh's settings that routes depend on; the same object for the same settings. */
export const routeSettings: (settings: MeshSettings) => RouteSettings = memoObject(({ defaultHttpRetryPolicy }) => ({
  ...defaultRouteSettings,
  defaultRetries: defaultHttpRetryPolicy,
}));
