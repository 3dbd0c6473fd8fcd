// Which users get the new version: a member of the `baggage` header names the user all along the call chain, and each release hashes it with a
// salt of its own, so that the same user stays where they are and two releases choose independently. docs/decisions/018.

import type { Sticky } from "../../api/release/audience.ts";
import { contentHash } from "../../lib/hash.ts";
import type { RouteCondition } from "../routes.ts";

/** The header that applications pass on (W3C Baggage). */
export const baggageHeader = "baggage";

/** Where a request says who the user is, and the release's salt. */
export interface CohortHash {
  readonly header: string;
  /** RE2, matches the whole value; its first group is the user. */
  readonly pattern: string;
  readonly salt: string;
}

/** A way to know the user of a request, and the condition under which a request has it. */
export interface CohortSource {
  readonly condition: RouteCondition;
  readonly hash: CohortHash;
}

/** The member's name for what tells users apart: equal for releases that ask for the same, so they read one value. */
export function cohortMember({ cookie, header, claim }: Sticky): string {
  const [kind, name] =
    cookie !== undefined ? ["cookie", cookie] : header !== undefined ? ["header", header.toLowerCase()] : ["claim", claim];
  return `lateen-${kind}-${contentHash(name ?? "").slice(0, 8)}`;
}

/** What a value is made of: everything that needs no quoting in baggage and cookies. */
const value = '[^,;\\s"\\\\]';

/** The ways to know the user, best first: the member; then, for a request that lacks it, the cookie or header itself. */
export function cohortSources(sticky: Sticky, salt: string): readonly CohortSource[] {
  const sources: CohortSource[] = [source(baggageHeader, `(?:.*[,\\s])?${cohortMember(sticky)}=(${value}+).*`, salt)];
  if (sticky.cookie !== undefined) sources.push(source("cookie", `(?:.*;\\s*)?${quoted(sticky.cookie)}=(${value}+).*`, salt));
  if (sticky.header !== undefined) sources.push(source(sticky.header.toLowerCase(), "(.+)", salt));
  return sources;
}

function source(header: string, pattern: string, salt: string): CohortSource {
  return { condition: { headers: { [header]: { regex: pattern } } }, hash: { header, pattern: `^${pattern}$`, salt } };
}

function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
