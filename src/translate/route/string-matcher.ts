// StringMatch of Istio → Envoy's StringMatcher, for headers, query parameters and CORS origins.

import type { StringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";
import type { HeaderMatch, StringMatch } from "../../api/networking/virtual-service.ts";

/** Envoy's StringMatcher; a regex must match the whole text (RE2), as Istio's. */
export function stringMatcher(match: StringMatch): StringMatcherJson {
  if ("exact" in match) return { exact: match.exact };
  // Every text begins with nothing, but Envoy takes no empty prefix.
  if ("prefix" in match) return match.prefix === "" ? { safeRegex: { regex: ".*" } } : { prefix: match.prefix };
  return { safeRegex: { regex: match.regex } };
}

/**
 * The text to match, or undefined when presence alone is asked for: by an empty match, or by the regex "*", which is no RE2
 * expression but which Istio has always read as "present".
 */
export function valueMatch(match: HeaderMatch): StringMatch | undefined {
  if ("present" in match) return undefined;
  return "regex" in match && match.regex === "*" ? undefined : match;
}
