// One block of an http route's `match` → Envoy's RouteMatch. What depends on the proxy (port, sourceLabels, gateways) is in applies.ts.

import type { HeaderMatcherJson, RouteMatchJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { MetadataMatcherJson } from "#envoy/envoy/type/matcher/v3/metadata_pb.js";
import { claimsOf } from "../../api/networking/claim-key.ts";
import type { HeaderMatch, HttpMatchRequest, StringMatch } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";
import { claimMatcher, withoutClaimMatcher } from "./claim-matcher.ts";
import { headerMatcher, withoutHeaderMatcher } from "./header-matcher.ts";
import { queryParameterMatcher } from "./query-parameter-matcher.ts";

/** Everything: what a route without `match` stands for. */
export const anyRequest: RouteMatchJson = { prefix: "/" };

/** The conditions of one block, all of which must hold; undefined matches every request. */
export function routeMatch(match: HttpMatchRequest | undefined): RouteMatchJson {
  if (match === undefined) return anyRequest;
  const headers = headerMatchers(match);
  const claims = claimMatchers(match);
  const parameters = sorted(match.queryParams).map(([name, value]) => queryParameterMatcher(name, value));
  return defined<RouteMatchJson>({
    ...pathSpecifier(match.uri),
    caseSensitive: match.ignoreUriCase === true ? false : undefined,
    headers: headers.length === 0 ? undefined : headers,
    queryParameters: parameters.length === 0 ? undefined : parameters,
    dynamicMetadata: claims.length === 0 ? undefined : claims,
  });
}

/** Whether no later route can be reached: everything matches, whatever its headers and parameters. */
export function isCatchAll(match: RouteMatchJson): boolean {
  const everyPath = match.prefix === "/" || match.safeRegex?.regex === ".*";
  return everyPath && match.headers === undefined && match.queryParameters === undefined && match.dynamicMetadata === undefined;
}

/** The path without the query string; a regex must match it whole. */
function pathSpecifier(uri: StringMatch | undefined): RouteMatchJson {
  if (uri === undefined) return anyRequest;
  if ("exact" in uri) return { path: uri.exact };
  if ("prefix" in uri) return { prefix: uri.prefix };
  return { safeRegex: { regex: uri.regex } };
}

function headerMatchers(match: HttpMatchRequest): HeaderMatcherJson[] {
  const isHeader = ([name]: [string, HeaderMatch]): boolean => claimsOf(name) === undefined;
  const named = [
    ...sorted(match.headers)
      .filter(isHeader)
      .map(([name, value]) => headerMatcher(name, value)),
    ...sorted(match.withoutHeaders)
      .filter(isHeader)
      .map(([name, value]) => withoutHeaderMatcher(name, value)),
  ];
  const pseudo: readonly (readonly [string, StringMatch | undefined])[] = [
    [":method", match.method],
    [":authority", match.authority],
    [":scheme", match.scheme],
  ];
  return [...named, ...pseudo.flatMap(([name, value]) => (value === undefined ? [] : [headerMatcher(name, value)]))];
}

function claimMatchers(match: HttpMatchRequest): MetadataMatcherJson[] {
  const matchers = (matches: Readonly<Record<string, HeaderMatch>>, matcher: typeof claimMatcher): MetadataMatcherJson[] =>
    sorted(matches).flatMap(([name, value]) => {
      const claims = claimsOf(name);
      return claims === undefined ? [] : [matcher(claims, value)];
    });
  return [...matchers(match.headers, claimMatcher), ...matchers(match.withoutHeaders, withoutClaimMatcher)];
}

function sorted(matches: Readonly<Record<string, HeaderMatch>>): [string, HeaderMatch][] {
  return Object.entries(matches).sort(([a], [b]) => (a < b ? -1 : 1));
}
