// Whether a request is of an Audience: the same answer as Envoy's for the routes that releases and flags make of it. Pure.

import { labelsMatch } from "../api/kubernetes/label-selector.ts";
import type { HeaderMatch } from "../api/networking/string-match.ts";
import type { Audience } from "../api/release/audience.ts";
import { compilePattern } from "../lib/re2.ts";

/** A request as routes see it. */
export interface AudienceRequest {
  /** With query string. */
  readonly path: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of a verified token. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The pod that calls. */
export interface AudienceSource {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether all conditions hold. */
export function isOfAudience(audience: Audience, request: AudienceRequest, source: AudienceSource): boolean {
  const { headers, cookies, queryParams, userAgent, claims, sourceLabels, sourceNamespace } = audience;
  const every = <Match>(named: Readonly<Record<string, Match>>, holds: (name: string, match: Match) => boolean): boolean =>
    Object.entries(named).every(([name, match]) => holds(name, match));
  return (
    labelsMatch(sourceLabels, source.labels) &&
    (sourceNamespace === undefined || sourceNamespace === source.namespace) &&
    every(headers, (name, match) => isText(match, own(request.headers, name.toLowerCase()))) &&
    (userAgent === undefined || isText(userAgent, own(request.headers, "user-agent"))) &&
    every(cookies, (name, match) => isText(match, cookieOf(request, name))) &&
    every(queryParams, (name, match) => isText(match, parameterOf(request, name))) &&
    every(claims, (name, match) => isClaim(match, own(request.claims, name)))
  );
}

function own<Value>(named: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(named, name) ? named[name] : undefined;
}

/** The regex "*" is Istio's word for "present" (translate/route/string-matcher.ts). */
function isText(match: HeaderMatch, text: string | undefined): boolean {
  if (text === undefined) return false;
  if ("present" in match) return true;
  if ("exact" in match) return text === match.exact;
  if ("prefix" in match) return text.startsWith(match.prefix);
  if (match.regex === "*") return true;
  const compiled = compilePattern(match.regex);
  return compiled.ok && compiled.pattern.fullMatch(text);
}

/** The claim itself, or one element of a list. */
function isClaim(match: HeaderMatch, claim: unknown): boolean {
  if (Array.isArray(claim)) return claim.some((element: unknown) => typeof element === "string" && isText(match, element));
  return typeof claim === "string" && isText(match, claim);
}

/** The first of that name. */
function cookieOf({ headers }: AudienceRequest, name: string): string | undefined {
  return firstOf((own(headers, "cookie") ?? "").split(";"), name);
}

/** The first of that name, percent signs as they are. */
function parameterOf({ path }: AudienceRequest, name: string): string | undefined {
  const start = path.indexOf("?");
  if (start === -1) return undefined;
  const [query = ""] = path.slice(start + 1).split("#");
  return firstOf(query.split("&"), name);
}

function firstOf(pairs: readonly string[], name: string): string | undefined {
  for (const pair of pairs) {
    const text = pair.trim();
    const at = text.indexOf("=");
    if ((at === -1 ? text : text.slice(0, at)) === name) return at === -1 ? "" : text.slice(at + 1);
  }
  return undefined;
}
