// RequestAuthentications of one workload → Envoy's JwtAuthentication. A request without a token passes, one with a token passes when some
// rule takes it. Source: Istio pilot/pkg/security/authn/policy_applier.go.

import type {
  JwtAuthenticationJson,
  JwtProviderJson,
  JwtRequirementJson,
} from "#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js";
import { parseKeySet } from "../../api/security/key-set.ts";
import { type JwtRule, keySourceOf, type RequestAuthentication } from "../../api/security/request-authentication.ts";
import { defined } from "../../envoy/defined.ts";
import { jwtPayloadKey } from "./rbac-metadata.ts";

/**
 * No keys: Envoy refuses every token of such a rule with 401, and the other rules go on (jwt-behaviour.test.ts). An empty key set or none at all
 * would make it refuse the whole configuration.
 */
const noKeys = "";

/** Claims that are lists with spaces whatever the rule says (RFC 8693, 4.2; Istio). */
const spaceDelimitedClaims = ["permission", "scope"] as const;

/**
 * Where Istio looks when a rule names no place (security/v1 JWTRule), and Envoy by itself; but Envoy compares the scheme letter by letter, and
 * servers don't (RFC 9110, 11.1): what the usual spellings lead to the server must have been verified.
 */
const defaultPlaces = {
  fromHeaders: ["Bearer ", "bearer ", "BEARER "].map((valuePrefix) => ({ name: "Authorization", valuePrefix })),
  fromParams: ["access_token"],
};

export interface JwtOptions {
  /** Fetched key sets by `KeySource.uri`; a missing one has no keys. */
  readonly keySets: ReadonlyMap<string, string>;
  /** Gateways choose the route again once the token is verified, because their routes may ask for claims. */
  readonly clearRouteCache: boolean;
}

interface NamedProvider {
  readonly name: string;
  readonly provider: JwtProviderJson;
}

/** The filter's configuration; without rules it lets everything pass. */
export function jwtAuthentication(policies: readonly RequestAuthentication[], options: JwtOptions): JwtAuthenticationJson {
  const providers = policies.flatMap(({ metadata, spec }) =>
    spec.jwtRules.map((rule, index) => ({
      name: `${metadata.namespace}/${metadata.name}/${index}`,
      provider: jwtProvider(rule, options),
    })),
  );
  if (providers.length === 0) return {};
  return {
    providers: Object.fromEntries(providers.map(({ name, provider }) => [name, provider])),
    rules: [{ match: { prefix: "/" }, requires: requirement(providers) }],
    // A browser sends no token with a preflight.
    bypassCorsPreflight: true,
  };
}

/** One rule. */
export function jwtProvider(rule: JwtRule, { keySets, clearRouteCache }: JwtOptions): JwtProviderJson {
  const { issuer, audiences, outputClaimToHeaders } = rule;
  return defined<JwtProviderJson>({
    issuer: issuer || undefined,
    audiences: some(audiences),
    localJwks: { inlineString: keysOf(rule, keySets) },
    forward: rule.forwardOriginalToken,
    ...placesFor(rule),
    forwardPayloadHeader: rule.outputPayloadToHeader || undefined,
    claimToHeaders: some(outputClaimToHeaders.map(({ header, claim }) => ({ headerName: header, claimName: claim }))),
    payloadInMetadata: jwtPayloadKey,
    normalizePayloadInMetadata: { spaceDelimitedClaims: [...new Set([...rule.spaceDelimitedClaims, ...spaceDelimitedClaims])].sort() },
    clearRouteCache: clearRouteCache ? true : undefined,
  });
}

function placesFor({ fromHeaders, fromParams, fromCookies }: JwtRule): Pick<JwtProviderJson, "fromHeaders" | "fromParams" | "fromCookies"> {
  if (fromHeaders.length + fromParams.length + fromCookies.length === 0) return defaultPlaces;
  return defined({
    fromHeaders: some(fromHeaders.map(({ name, prefix }) => defined({ name, valuePrefix: prefix || undefined }))),
    fromParams: some(fromParams),
    fromCookies: some(fromCookies),
  });
}

/** Never a default key: with a known one anybody could make tokens (CVE-2026-31837). */
function keysOf(rule: JwtRule, keySets: ReadonlyMap<string, string>): string {
  const source = keySourceOf(rule);
  if (source === undefined) return noKeys;
  return ("inline" in source ? parseKeySet(source.inline).keySet : keySets.get(source.uri)) ?? noKeys;
}

function some<Item>(items: readonly Item[]): Item[] | undefined {
  return items.length === 0 ? undefined : [...items];
}

/**
 * Every place that a rule looks at has a good token or none. Istio lets one good token make up for bad ones anywhere else, which the application
 * would then get for good (forwardOriginalToken); so only rules that share a place are alternatives.
 */
function requirement(providers: readonly NamedProvider[]): JwtRequirementJson {
  const all = groupsOf(providers).map(groupRequirement);
  const [only] = all;
  return only !== undefined && all.length === 1 ? only : { requiresAll: { requirements: all } };
}

/**
 * Some rule takes the token, or no rule finds one. The list of alternatives ends with "each rule finds nothing or a good token", for requests
 * without a token.
 */
function groupRequirement(providers: readonly NamedProvider[]): JwtRequirementJson {
  const [only] = providers;
  if (only !== undefined && providers.length === 1) return goodOrMissing(only);
  return {
    requiresAny: {
      requirements: [
        ...providers.map(({ name }) => ({ providerName: name })),
        { requiresAll: { requirements: providers.map(goodOrMissing) } },
      ],
    },
  };
}

function goodOrMissing({ name }: NamedProvider): JwtRequirementJson {
  return { requiresAny: { requirements: [{ providerName: name }, { allowMissing: {} }] } };
}

/** Rules that share a place, directly or through others, together; groups and rules in their order. */
function groupsOf(providers: readonly NamedProvider[]): readonly (readonly NamedProvider[])[] {
  const groups: { readonly places: readonly string[]; readonly members: readonly NamedProvider[] }[] = [];
  for (const provider of providers) {
    const places = placesOf(provider);
    const sharing = groups.filter((group) => group.places.some((place) => places.includes(place)));
    const merged = {
      places: [...places, ...sharing.flatMap((group) => group.places)],
      members: [...sharing.flatMap(({ members }) => members), provider],
    };
    const [first] = sharing;
    const at = first === undefined ? groups.length : groups.indexOf(first);
    groups.splice(at, 1, merged);
    for (const other of sharing.slice(1)) groups.splice(groups.indexOf(other), 1);
  }
  return groups.map(({ members }) => members);
}

/** "header x-jwt", "parameter token", "cookie session". */
function placesOf({ provider }: NamedProvider): readonly string[] {
  return [
    ...(provider.fromHeaders ?? []).map(({ name = "" }) => `header ${name.toLowerCase()}`),
    ...(provider.fromParams ?? []).map((name) => `parameter ${name}`),
    ...(provider.fromCookies ?? []).map((name) => `cookie ${name}`),
  ];
}
