// `corsPolicy` of an http route → Envoy's CorsPolicy, which travels as the route's per-filter configuration.

import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { CorsPolicyJson } from "#envoy/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import { CorsPolicySchema } from "#envoy/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import type { CorsPolicy } from "../../api/networking/virtual-service.ts";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import { stringMatcher } from "./string-matcher.ts";

/** The filter's name in the HTTP filter chain. */
export const corsFilterName = "envoy.filters.http.cors";

/** Per-filter configuration of the CORS filter; preflights that match no origin reach the upstream unless IGNORE is said. */
export function corsPolicy(policy: CorsPolicy | undefined): AnyJson | undefined {
  if (policy === undefined) return undefined;
  const origins = policy.allowOrigins.length > 0 ? policy.allowOrigins : policy.allowOrigin.map((exact) => ({ exact }));
  return any(
    CorsPolicySchema,
    defined<CorsPolicyJson>({
      allowOriginStringMatch: origins.map(stringMatcher),
      allowMethods: joined(policy.allowMethods),
      allowHeaders: joined(policy.allowHeaders),
      exposeHeaders: joined(policy.exposeHeaders),
      // The header wants whole seconds.
      maxAge: policy.maxAge === undefined ? undefined : String(Math.floor(policy.maxAge / 1000)),
      allowCredentials: policy.allowCredentials,
      forwardNotMatchingPreflights: policy.unmatchedPreflights !== "IGNORE",
      filterEnabled: { defaultValue: { numerator: 100 } },
    }),
  );
}

function joined(list: readonly string[]): string | undefined {
  return list.length === 0 ? undefined : list.join(",");
}
