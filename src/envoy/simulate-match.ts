// Whether a request fulfils an Envoy RouteMatch: Envoy's matching rules in TypeScript, for simulate.ts. Compared with a real Envoy.

import type {
  CookieMatcherJson,
  HeaderMatcherJson,
  QueryParameterMatcherJson,
  RouteMatchJson,
} from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { MetadataMatcherJson } from "#envoy/envoy/type/matcher/v3/metadata_pb.js";
import type { StringMatcherJson } from "#envoy/envoy/type/matcher/v3/string_pb.js";
import type { ValueMatcherJson } from "#envoy/envoy/type/matcher/v3/value_pb.js";
import { compilePattern } from "../lib/re2.ts";

/** A request as Envoy's router sees it. */
export interface SimulatedRequest {
  /** Host or :authority, with or without port. */
  readonly host: string;
  /** Path with query string. */
  readonly path: string;
  /** GET when unset. */
  readonly method?: string;
  /** By name in lower case; repeated headers joined with ",". */
  readonly headers?: Readonly<Record<string, string>>;
  /** "http" when unset. */
  readonly scheme?: string;
  /** The payload of a verified token, as the JWT filter left it. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** Whether all conditions hold. Runtime fractions and TLS conditions are taken as fulfilled. */
export function matches(match: RouteMatchJson, request: SimulatedRequest): boolean {
  return (
    matchesPath(match, pathOf(request.path)) &&
    (match.headers ?? []).every((matcher) => matchesHeader(matcher, request)) &&
    (match.cookies ?? []).every((matcher) => matchesCookie(matcher, request)) &&
    (match.queryParameters ?? []).every((matcher) => matchesParameter(matcher, request.path)) &&
    (match.dynamicMetadata ?? []).every((matcher) => matchesClaim(matcher, request.claims)) &&
    (match.grpc === undefined || (headerOf("content-type", request) ?? "").startsWith("application/grpc"))
  );
}

/** The path without query string and fragment. */
export function pathOf(path: string): string {
  const end = path.search(/[?#]/);
  return end === -1 ? path : path.slice(0, end);
}

function matchesPath(match: RouteMatchJson, path: string): boolean {
  const fold = (text: string): string => (match.caseSensitive === false ? text.toLowerCase() : text);
  if (match.path !== undefined) return fold(path) === fold(match.path);
  if (match.prefix !== undefined) return fold(path).startsWith(fold(match.prefix));
  if (match.safeRegex !== undefined) return fullMatch(match.safeRegex.regex ?? "", path);
  if (match.pathSeparatedPrefix === undefined) return false;
  const prefix = fold(match.pathSeparatedPrefix);
  return fold(path) === prefix || fold(path).startsWith(`${prefix}/`);
}

/** A missing header matches nothing, inverted or not, unless it is to be taken as empty. */
function matchesHeader(matcher: HeaderMatcherJson, request: SimulatedRequest): boolean {
  const value = headerOf((matcher.name ?? "").toLowerCase(), request);
  const inverted = matcher.invertMatch === true;
  if (matcher.stringMatch === undefined) return (value !== undefined) === ((matcher.presentMatch ?? true) !== inverted);
  const text = value ?? (matcher.treatMissingHeaderAsEmpty === true ? "" : undefined);
  return text !== undefined && matchesString(matcher.stringMatch, text) !== inverted;
}

/** The first cookie of that name counts; a missing one matches nothing, unless inverted. */
function matchesCookie(matcher: CookieMatcherJson, request: SimulatedRequest): boolean {
  const pairs = (headerOf("cookie", request) ?? "").split(";").map((pair) => pair.trim().split(/=(.*)/s));
  const value = pairs.find(([name]) => name === matcher.name)?.[1];
  const holds = value !== undefined && matchesString(matcher.stringMatch ?? {}, value);
  return holds !== (matcher.invertMatch === true);
}

function headerOf(name: string, request: SimulatedRequest): string | undefined {
  if (name === ":method") return request.method ?? "GET";
  if (name === ":authority" || name === "host") return request.host;
  if (name === ":path") return request.path;
  if (name === ":scheme") return request.scheme ?? "http";
  const headers = request.headers ?? {};
  return Object.hasOwn(headers, name) ? headers[name] : undefined;
}

/** The first parameter of that name counts, percent signs as they are. */
function matchesParameter(matcher: QueryParameterMatcherJson, path: string): boolean {
  const query = path.includes("?") ? path.slice(path.indexOf("?") + 1).split("#")[0] : "";
  const pairs = (query ?? "").split("&").map((pair) => pair.split(/=(.*)/s));
  const found = pairs.find(([name]) => name === matcher.name);
  if (found === undefined) return matcher.presentMatch === false;
  return matcher.stringMatch === undefined ? matcher.presentMatch !== false : matchesString(matcher.stringMatch, found[1] ?? "");
}

/** The path begins with the key under which the payload stands. */
function matchesClaim({ path = [], value, invert }: MetadataMatcherJson, claims: SimulatedRequest["claims"]): boolean {
  const found = path.slice(1).reduce<unknown>((at, { key = "" }) => {
    return typeof at === "object" && at !== null && !Array.isArray(at) ? Object.getOwnPropertyDescriptor(at, key)?.value : undefined;
  }, claims);
  return (found !== undefined && matchesValue(value ?? {}, found)) !== (invert === true);
}

function matchesValue(matcher: ValueMatcherJson, value: unknown): boolean {
  if (matcher.presentMatch === true) return true;
  if (matcher.stringMatch !== undefined) return typeof value === "string" && matchesString(matcher.stringMatch, value);
  const alternatives = matcher.orMatch?.valueMatchers ?? [];
  if (alternatives.some((alternative) => matchesValue(alternative, value))) return true;
  const element = matcher.listMatch?.oneOf;
  return element !== undefined && Array.isArray(value) && value.some((item: unknown) => matchesValue(element, item));
}

function matchesString(matcher: StringMatcherJson, text: string): boolean {
  const fold = (value: string): string => (matcher.ignoreCase === true ? value.toLowerCase() : value);
  if (matcher.exact !== undefined) return fold(text) === fold(matcher.exact);
  if (matcher.prefix !== undefined) return fold(text).startsWith(fold(matcher.prefix));
  if (matcher.suffix !== undefined) return fold(text).endsWith(fold(matcher.suffix));
  if (matcher.contains !== undefined) return fold(text).includes(fold(matcher.contains));
  return matcher.safeRegex !== undefined && fullMatch(matcher.safeRegex.regex ?? "", text);
}

function fullMatch(regex: string, text: string): boolean {
  const compiled = compilePattern(regex);
  return compiled.ok && compiled.pattern.fullMatch(text);
}
