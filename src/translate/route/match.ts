// One block of an http route's `match` → Envoy's RouteMatch. What depends on the proxy (port, sourceLabels, gateways) is in applies.ts.

import type { CookieMatcherJson, HeaderMatcherJson, RouteMatchJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { MetadataMatcherJson } from "#envoy/envoy/type/matcher/v3/metadata_pb.js";
import { claimsOf } from "../../api/networking/claim-key.ts";
import type { HeaderMatch, HttpMatchRequest, StringMatch } from "../../api/networking/virtual-service.ts";
import { defined } from "../../envoy/defined.ts";
import type { RouteCondition } from "../../model/releases/route-condition.ts";
import { claimMatcher, withoutClaimMatcher } from "./claim-matcher.ts";
import { headerMatcher, withoutHeaderMatcher } from "./header-matcher.ts";
import { queryParameterMatcher } from "./query-parameter-matcher.ts";
import { stringMatcher } from "./string-matcher.ts";

/** Everything: what a route without `match` stands for. */
export const anyRequest: RouteMatchJson = { prefix: "/" };

/** The conditions of one block and those that a release adds, all of which must hold; undefined matches every request. */
export function routeMatch(match: HttpMatchRequest | undefined, conditions: readonly RouteCondition[] = []): RouteMatchJson {
  if (match === undefined && conditions.length === 0) return anyRequest;
  const headers = [...(match === undefined ? [] : headerMatchers(match)), ...conditions.flatMap(conditionHeaders)];
  const claims = [...(match === undefined ? [] : claimMatchers(match)), ...conditions.flatMap(conditionClaims)];
  const parameters = [match?.queryParams ?? {}, ...conditions.map(({ queryParams = {} }) => queryParams)].flatMap((named) =>
    sorted(named).map(([name, value]) => queryParameterMatcher(name, value)),
  );
  const cookies = conditions.flatMap(conditionCookies);
  return defined<RouteMatchJson>({
    ...pathSpecifier(match?.uri),
    caseSensitive: match?.ignoreUriCase === true ? false : undefined,
    headers: headers.length === 0 ? undefined : headers,
    queryParameters: parameters.length === 0 ? undefined : parameters,
    dynamicMetadata: claims.length === 0 ? undefined : claims,
    cookies: cookies.length === 0 ? undefined : cookies,
  });
}

function conditionHeaders({ headers = {}, userAgent }: RouteCondition): HeaderMatcherJson[] {
  const named = sorted(headers).map(([name, value]) => headerMatcher(name, value));
  return userAgent === undefined ? named : [...named, headerMatcher("user-agent", userAgent)];
}

function conditionClaims({ claims = {} }: RouteCondition): MetadataMatcherJson[] {
  return sorted(claims).map(([name, value]) => claimMatcher([name], value));
}

function conditionCookies({ cookies = {} }: RouteCondition): CookieMatcherJson[] {
  return Object.entries(cookies)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({ name, stringMatch: stringMatcher(value) }));
}

/** Whether no later route can be reached: everything matches, whatever its headers and parameters. */
export function isCatchAll(match: RouteMatchJson): boolean {
  const everyPath = match.prefix === "/" || match.safeRegex?.regex === ".*";
  const conditions = [match.headers, match.queryParameters, match.dynamicMetadata, match.cookies];
  return everyPath && conditions.every((condition) => condition === undefined);
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
