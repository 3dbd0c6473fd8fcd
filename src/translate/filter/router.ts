// Where routers stand: in place at servers; where callers are, by one name in every chain, whose configuration is an extension resource (ECDS) of the
// proxy. A router with any log of its own costs every request, so only proxies that count tries now have one, and no listener changes for it.

import { TypedExtensionConfigSchema } from "#envoy/envoy/config/core/v3/extension_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import type { HttpFilterJson } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any, typeUrl } from "../../envoy/any.ts";
import type { ResourceSet } from "../../envoy/config.ts";
import type { EncodeCache } from "../../envoy/encode-cache.ts";
import { routerExtensionName } from "../../envoy/names.ts";
import { adsConfigSource } from "../config-source.ts";
import { tryStatsLogs } from "./stats-log.ts";

/** The router of a server's chain: nothing of it ever changes. */
export const serverRouter: HttpFilterJson = { name: "envoy.filters.http.router", typedConfig: any(RouterSchema, {}) };

/** The router of a caller's chain. Its listener warms until the extension is there. */
export const callerRouter: HttpFilterJson = {
  name: routerExtensionName,
  configDiscovery: { configSource: adsConfigSource, typeUrls: [typeUrl(RouterSchema)] },
};

/** What a proxy answers that filter's question with; one set for all proxies that count tries, and one for all others. */
export function createRouterResources(cache: EncodeCache): (isCounting: boolean) => ResourceSet {
  const setOf = (upstreamLog: ReturnType<typeof tryStatsLogs>): ResourceSet => {
    const typedConfig = any(RouterSchema, upstreamLog.length === 0 ? {} : { upstreamLog });
    const json = { name: routerExtensionName, typedConfig };
    return new Map([
      [routerExtensionName, cache.resource({ type: "ecds", name: routerExtensionName, schema: TypedExtensionConfigSchema, json })],
    ]);
  };
  const [silent, counting] = [setOf([]), setOf(tryStatsLogs())];
  return (isCounting) => (isCounting ? counting : silent);
}
