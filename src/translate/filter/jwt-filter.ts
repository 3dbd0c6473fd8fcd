// Where the JWT filter stands: one filter by name in every inbound and gateway chain, whose configuration is an extension resource (ECDS) of the
// proxy, so that no rule and no key ever touches a listener.

import type { ConfigSourceJson } from "#envoy/envoy/config/core/v3/config_source_pb.js";
import { TypedExtensionConfigSchema } from "#envoy/envoy/config/core/v3/extension_pb.js";
import { ExpressionFilterSchema } from "#envoy/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.js";
import { JwtAuthenticationSchema } from "#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js";
import type {
  HttpFilterJson,
  LocalReplyConfigJson,
} from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { resourceName } from "../../api/resource.ts";
import type { RequestAuthentication } from "../../api/security/request-authentication.ts";
import { any, typeUrl } from "../../envoy/any.ts";
import type { EncodedResource } from "../../envoy/config.ts";
import type { EncodeCache } from "../../envoy/encode-cache.ts";
import { jwtExtensionName } from "../../envoy/names.ts";
import { adsConfigSource } from "../config-source.ts";
import { type JwtOptions, jwtAuthentication } from "./jwt.ts";

/** The filter. It has no default configuration: a proxy that never got one refuses requests instead of letting bad tokens pass. */
export function jwtFilter(configSource: ConfigSourceJson = adsConfigSource): HttpFilterJson {
  return { name: jwtExtensionName, configDiscovery: { configSource, typeUrls: [typeUrl(JwtAuthenticationSchema)] } };
}

/** What a proxy answers the filter's question with; the same resource for all proxies without rules. */
export function jwtExtension(cache: EncodeCache, policies: readonly RequestAuthentication[], options: JwtOptions): EncodedResource {
  return cache.resource({
    type: "ecds",
    name: jwtExtensionName,
    schema: TypedExtensionConfigSchema,
    json: { name: jwtExtensionName, typedConfig: any(JwtAuthenticationSchema, jwtAuthentication(policies, options)) },
    sources: policies.map(resourceName),
  });
}

/** Envoy answers 403 to a token for another audience; it is as invalid as any other bad token (RFC 6750, 3.1: 401). */
export const jwtLocalReply: LocalReplyConfigJson = {
  mappers: [
    {
      filter: {
        extensionFilter: {
          name: "envoy.access_loggers.extension_filters.cel",
          typedConfig: any(ExpressionFilterSchema, { expression: 'response.code_details.startsWith("jwt_authn_access_denied")' }),
        },
      },
      statusCode: 401,
    },
  ],
};
