// `queryParams` of an HTTP match → Envoy's QueryParameterMatcher.

import type { QueryParameterMatcherJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { HeaderMatch } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";
import { stringMatcher, valueMatch } from "./string-matcher.ts";

/** Matches a request whose first query parameter `name` is as `match` says. */
export function queryParameterMatcher(name: string, match: HeaderMatch): QueryParameterMatcherJson {
  const value = valueMatch(match);
  return defined<QueryParameterMatcherJson>({
    name,
    presentMatch: value === undefined ? true : undefined,
    stringMatch: value === undefined ? undefined : stringMatcher(value),
  });
}
