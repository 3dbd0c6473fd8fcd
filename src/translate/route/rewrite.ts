// `rewrite` of an http route → the rewriting fields of Envoy's RouteAction.

import type { RouteActionJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { HttpRewrite } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";

export type PathRewrite = Pick<RouteActionJson, "prefixRewrite" | "regexRewrite">;

/**
 * The new path. With a prefix match `uri` replaces exactly the matched prefix, text by text, so prefix "/a" with uri "/" turns
 * "/a/b" into "//b" as in Istio (users write a second match "/a/"); with an exact or regex match it replaces the whole path.
 * The query string stays. `uriRegexRewrite` has precedence; its substitution knows \0 to \9 (RE2).
 */
export function pathRewrite(rewrite: HttpRewrite | undefined): PathRewrite {
  const regex = rewrite?.uriRegexRewrite;
  return defined<PathRewrite>({
    prefixRewrite: regex === undefined && rewrite?.uri ? rewrite.uri : undefined,
    regexRewrite: regex === undefined ? undefined : { pattern: { regex: regex.match }, substitution: regex.rewrite },
  });
}
