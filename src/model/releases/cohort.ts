// Which users get the new version: a member of the `baggage` header names the user all along the call chain, and each release hashes it with a
// salt of its own, so that the same user stays where they are and two releases choose independently. docs/decisions/018.

import type { Sticky } from "../../api/release/audience.ts";
import { contentHash } from "../../lib/hash.ts";
import { memoObject } from "../memo.ts";
import type { ReleaseStructure } from "./release-route.ts";
import type { RouteCondition } from "./route-condition.ts";

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

/** One thing that tells users apart, and the baggage member that carries it on. */
export interface CohortMember {
  readonly kind: "cookie" | "header" | "claim";
  readonly name: string;
  readonly member: string;
}

/** The member for what tells users apart: equal for releases that ask for the same, so they read one value. */
export function cohortMember({ cookie, header, claim }: Sticky): CohortMember {
  const [kind, name] =
    cookie !== undefined
      ? (["cookie", cookie] as const)
      : header !== undefined
        ? (["header", header.toLowerCase()] as const)
        : (["claim", claim ?? ""] as const);
  return { kind, name, member: `lateen-${kind}-${contentHash(name).slice(0, 8)}` };
}

/** The members of all releases, sorted: what gateways add to requests. */
export const cohortMembers = memoObject((releases: ReadonlyMap<string, ReleaseStructure>): readonly CohortMember[] => {
  const members = [...releases.values()].flatMap(({ sticky }) => (sticky === undefined ? [] : [cohortMember(sticky)]));
  const byName = new Map(members.map((member) => [member.member, member]));
  return [...byName].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, member]) => member);
});

/** The ways to know the user, best first: the member; then, for a request that lacks it, the cookie or header itself. */
export function cohortSources(sticky: Sticky, salt: string): readonly CohortSource[] {
  const { kind, name, member } = cohortMember(sticky);
  const carried = source(baggageHeader, `(?:.*[,\\s])?${member}=([0-9a-f]+).*`, salt);
  if (kind === "cookie") return [carried, source("cookie", `(?:.*;\\s*)?${quoted(name)}=([^;]+).*`, salt)];
  return kind === "header" ? [carried, source(name, "(.+)", salt)] : [carried];
}

function source(header: string, pattern: string, salt: string): CohortSource {
  return { condition: { headers: { [header]: { regex: pattern } } }, hash: { header, pattern: `^${pattern}$`, salt } };
}

function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/**
 * What the baggage carries in place of a cookie, header or claim: 16 hex digits, so that no session and no name travels with every request. The
 * gateways' script computes the same (translate/filter/cohort-filter.ts); both sums fit a double exactly.
 */
export function cohortValue(user: string): string {
  let one = 7;
  let two = 11;
  for (const byte of new TextEncoder().encode(user)) {
    one = (one * 257 + byte) % 4_294_967_291;
    two = (two * 263 + byte) % 4_294_967_279;
  }
  return one.toString(16).padStart(8, "0") + two.toString(16).padStart(8, "0");
}
