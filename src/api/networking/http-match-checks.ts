// Checks of one http match block: patterns, header names, and matches that can never hold.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isHeaderName } from "../names.ts";
import { claimsOf, isClaimKey } from "./claim-key.ts";
import { checkPattern } from "./common-checks.ts";
import type { HeaderMatch, HttpMatchRequest, StringMatch } from "./virtual-service.ts";

/** Everything of one match block. */
export function checkHttpMatch(match: HttpMatchRequest, path: FieldPath): readonly Finding[] {
  const single = (["uri", "scheme", "method", "authority"] as const).flatMap((field) => checkStringMatch(match[field], [...path, field]));
  return [
    ...single,
    ...(["headers", "withoutHeaders"] as const).flatMap((field) => checkHeaderMatches(match[field], [...path, field])),
    ...Object.entries(match.queryParams).flatMap(([name, value]) => checkStringMatch(value, [...path, "queryParams", name])),
    ...checkUri(match, path),
    ...checkMethod(match, path),
    ...checkPort(match, path),
  ];
}

function checkStringMatch(match: HeaderMatch | StringMatch | undefined, path: FieldPath): readonly Finding[] {
  return match !== undefined && "regex" in match ? checkPattern(match.regex, [...path, "regex"]) : [];
}

function checkHeaderMatches(matches: Readonly<Record<string, HeaderMatch>>, path: FieldPath): readonly Finding[] {
  return Object.entries(matches).flatMap(([name, match]) => [
    ...checkName(name, [...path, name]),
    ...checkStringMatch(match, [...path, name]),
  ]);
}

function checkName(name: string, path: FieldPath): readonly Finding[] {
  if (isClaimKey(name)) {
    if (claimsOf(name) !== undefined) return [];
    const message = `\`${printPath(path)}\`: ${JSON.stringify(name.slice(0, 80))} names no claim`;
    return [
      { code: "LTN0213", path, message, fix: 'Write "@request.auth.claims.group", or "@request.auth.claims[a.b][c]" for names with dots.' },
    ];
  }
  if (isHeaderName(name) || (name.startsWith(":") && isHeaderName(name.slice(1)))) return [];
  const message = `\`${printPath(path)}\`: ${JSON.stringify(name.slice(0, 80))} is not a header name`;
  return [{ code: "LTN0213", path, message, fix: "Use letters, digits and '-'." }];
}

function checkUri({ uri, ignoreUriCase }: HttpMatchRequest, path: FieldPath): readonly Finding[] {
  const at = [...path, "uri"];
  const text = uri !== undefined && "exact" in uri ? uri.exact : uri !== undefined && "prefix" in uri ? uri.prefix : undefined;
  if (text !== undefined && !text.startsWith("/") && text !== "*") {
    const message = `\`${printPath(at)}\` is ${JSON.stringify(text.slice(0, 80))}, but every path begins with "/"`;
    return [{ code: "LTN0226", path: at, message, fix: `Write "/${text.slice(0, 80)}".` }];
  }
  if (ignoreUriCase !== true || uri === undefined || !("regex" in uri)) return [];
  const message = `\`${printPath([...path, "ignoreUriCase"])}\` doesn't act on a regex`;
  return [{ code: "LTN0217", path: [...path, "ignoreUriCase"], message, fix: 'Begin the regex with "(?i)" instead.' }];
}

function checkMethod({ method }: HttpMatchRequest, path: FieldPath): readonly Finding[] {
  if (method === undefined || !("exact" in method) || method.exact === method.exact.toUpperCase()) return [];
  const at = [...path, "method"];
  const message = `\`${printPath(at)}\` is ${JSON.stringify(method.exact.slice(0, 40))}, but methods are upper-case`;
  return [{ code: "LTN0226", path: at, message, fix: `Write ${method.exact.toUpperCase().slice(0, 40)}.` }];
}

function checkPort({ port }: HttpMatchRequest, path: FieldPath): readonly Finding[] {
  if (port === undefined || (port >= 1 && port <= 65_535)) return [];
  const at = [...path, "port"];
  return [{ code: "LTN0105", path: at, message: `\`${printPath(at)}\` is ${port}`, fix: "Use a port of 1 to 65535." }];
}
