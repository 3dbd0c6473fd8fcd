// Which requests a step, ring, variant or flag rule is for: conditions on one request, and how a user is told from others.

import { z } from "zod";
import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isHeaderName } from "../names.ts";
import { checkPattern } from "../networking/common-checks.ts";
import { type HeaderMatch, headerMatch, stringMatch } from "../networking/string-match.ts";
import { stringMap } from "../scalars.ts";

/** Conditions that a request meets all of. */
export const audienceFields = {
  headers: z.record(z.string(), headerMatch).default({}),
  cookies: z.record(z.string(), stringMatch).default({}),
  queryParams: z.record(z.string(), headerMatch).default({}),
  userAgent: stringMatch.optional(),
  /** Claims of a verified JWT, by name; of a list any element. */
  claims: z.record(z.string(), stringMatch).default({}),
  /** Labels of the calling pod. */
  sourceLabels: stringMap,
  sourceNamespace: z.string().optional(),
};

export const audienceSchema = z.strictObject(audienceFields);

export type Audience = z.output<typeof audienceSchema>;

const exact = z.object({ exact: z.string() }).readonly();
const prefix = z.object({ prefix: z.string() }).readonly();
const regex = z.object({ regex: z.string() }).readonly();
const present = z.object({ present: z.literal(true) }).readonly();
const storedMatches = z.record(z.string(), z.union([exact, prefix, regex]));
const storedHeaders = z.record(z.string(), z.union([exact, prefix, regex, present]));

/** An Audience as it is kept in a run: already parsed, so an empty match has become {present: true}. */
export const storedAudienceSchema = z.object({
  headers: storedHeaders,
  cookies: storedMatches,
  queryParams: storedHeaders,
  userAgent: z.union([exact, prefix, regex]).optional(),
  claims: storedMatches,
  sourceLabels: z.record(z.string(), z.string()),
  sourceNamespace: z.string().optional(),
});

/** What tells users apart, exactly one of the three; the same user gets the same version. */
export const stickySchema = z.strictObject({
  /** Name of the cookie that carries the user's cohort; made at the edge when a request has none. */
  cookie: z.string().optional(),
  header: z.string().optional(),
  claim: z.string().optional(),
});

export type Sticky = z.output<typeof stickySchema>;

/** Names, patterns, and that there is a condition at all: an empty audience would be everybody. */
export function checkAudience(audience: Audience, path: FieldPath): readonly Finding[] {
  const maps = [audience.headers, audience.cookies, audience.queryParams, audience.claims, audience.sourceLabels];
  const isEmpty = maps.every((map) => Object.keys(map).length === 0);
  const nobody = isEmpty && audience.userAgent === undefined && audience.sourceNamespace === undefined;
  const empty: readonly Finding[] = nobody ? [{ code: "LTN1103", path, message: `\`${printPath(path)}\` says nobody in particular` }] : [];
  const names = Object.keys(audience.headers).filter((name) => !isHeaderName(name));
  return [
    ...empty,
    ...names.map((name): Finding => {
      const at = [...path, "headers", name];
      return { code: "LTN0213", path: at, message: `\`${printPath(at)}\` is not a header name`, fix: "Use letters, digits and '-'." };
    }),
    ...(["headers", "cookies", "queryParams", "claims"] as const).flatMap((field) =>
      Object.entries(audience[field]).flatMap(([name, match]) => checkMatch(match, [...path, field, name])),
    ),
    ...checkMatch(audience.userAgent, [...path, "userAgent"]),
  ];
}

/** Exactly one of cookie, header and claim. */
export function checkSticky(sticky: Sticky, path: FieldPath): readonly Finding[] {
  const given = [sticky.cookie, sticky.header, sticky.claim].filter((name) => name !== undefined);
  if (given.length === 1 && given[0] !== "") return [];
  return [
    { code: "LTN1109", path, message: `\`${printPath(path)}\` names ${given.length === 1 ? "nothing" : given.length} to tell users by` },
  ];
}

function checkMatch(match: HeaderMatch | undefined, path: FieldPath): readonly Finding[] {
  return match !== undefined && "regex" in match ? checkPattern(match.regex, [...path, "regex"]) : [];
}
