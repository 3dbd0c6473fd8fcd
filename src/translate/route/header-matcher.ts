// `headers` and `withoutHeaders` of an HTTP match (and method, authority, scheme as pseudo headers) → Envoy's HeaderMatcher.

import type { HeaderMatcherJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { HeaderMatch } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";
import { stringMatcher, valueMatch } from "./string-matcher.ts";

/** Matches a request whose header `name` is as `match` says. */
export function headerMatcher(name: string, match: HeaderMatch): HeaderMatcherJson {
  const value = valueMatch(match);
  return defined<HeaderMatcherJson>({
    name,
    presentMatch: value === undefined ? true : undefined,
    stringMatch: value === undefined ? undefined : stringMatcher(value),
  });
}

/** Matches a request whose header `name` is not as `match` says; a missing header counts as an empty one, so it matches. */
export function withoutHeaderMatcher(name: string, match: HeaderMatch): HeaderMatcherJson {
  return defined<HeaderMatcherJson>({
    ...headerMatcher(name, match),
    invertMatch: true,
    // Envoy does not take it together with presentMatch.
    treatMissingHeaderAsEmpty: valueMatch(match) === undefined ? undefined : true,
  });
}
