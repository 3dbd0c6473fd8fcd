// A FeatureFlag for one user and request: which variant, and why. Decided by the very split that routes are made of, so the answer, the header that
// the application gets and the version that it reaches agree. Pure; the routes' flags are laid in src/app/releases/flag-arms.ts.

import { isJsonObject } from "../api/json.ts";
import type { FeatureFlag } from "../api/release/feature-flag.ts";
import { compilePattern } from "../lib/re2.ts";
import { cohortSources } from "../model/releases/cohort.ts";
import { carriedPoint, cohortPoint } from "../model/releases/cohort-point.ts";
import type { ReleaseArm, ReleaseRoute } from "../model/releases/release-route.ts";
import { effectiveWeights, weightTotal } from "../model/weights.ts";
import { type AudienceSource, isOfAudience } from "./audience-match.ts";
import type { FlagContext } from "./flag-context.ts";

/** A value as OpenFeature's getters want it. */
export type FlagValue = boolean | number | string | Readonly<Record<string, unknown>>;

/** OpenFeature's reasons, those that occur here (openfeature.dev/specification/types#resolution-details). */
export type FlagReason = "STATIC" | "DEFAULT" | "TARGETING_MATCH" | "SPLIT";

export type FlagAnswer =
  | {
      readonly ok: true;
      readonly variant: string;
      readonly value: FlagValue;
      readonly reason: FlagReason;
      /** The version that the service's requests reach with it; undefined where the flag leaves that open. */
      readonly version?: string;
    }
  | { readonly ok: false; readonly errorCode: "TARGETING_KEY_MISSING" | "GENERAL"; readonly message: string };

/** What a flag is decided by besides the request. */
export interface FlagWorld {
  /** What the mesh does with the service's requests, flags included; undefined: nothing yet. */
  readonly route: Pick<ReleaseRoute, "name" | "arms" | "shares" | "matches" | "sticky"> | undefined;
  /** Whether anybody can answer for an arm: the share of one without pods goes to the others. */
  readonly isUsable: (arm: ReleaseArm) => boolean;
  /** Who asks. */
  readonly caller: AudienceSource;
}

/** The header that tells the application a flag's value. */
export function flagHeader({ spec }: FeatureFlag): string {
  return (spec.header ?? `x-flag-${spec.key}`).toLowerCase();
}

/** The name of the arm for those to whom a flag gives another variant than its default. */
export function flagArmName({ metadata }: FeatureFlag, variant: string): string {
  return `${metadata.name}-${variant}`;
}

/** Decides. A share of users needs to know the user, unless all of them have the same variant. */
export function evaluateFlag(flag: FeatureFlag, context: FlagContext, { route, isUsable, caller }: FlagWorld): FlagAnswer {
  const idle = flag.spec.rules.length === 0 ? "STATIC" : "DEFAULT";
  if (route === undefined) return answer(flag, undefined, idle);
  const source = context.source ?? caller;
  const chosen = route.matches.find(({ audience }) => isOfAudience(audience, context.request, source));
  if (chosen !== undefined) {
    const arm = route.arms[chosen.arm];
    return answer(flag, arm, variantOf(flag, arm) === flag.spec.default ? idle : "TARGETING_MATCH");
  }
  const weights = effectiveWeights(route.arms.map((arm, index) => ({ weight: route.shares[index] ?? 0, usable: isUsable(arm) })));
  const reached = route.arms.filter((_, index) => (weights[index] ?? 0) > 0);
  const place = placeOf(route, context);
  if (new Set(reached.map((arm) => variantOf(flag, arm))).size < 2) {
    // Everybody has one variant; which of several versions follows only for a known user.
    const arm = reached.length < 2 ? reached[0] : place === undefined ? undefined : armAt(route.arms, weights, place);
    return answer(flag, arm, variantOf(flag, arm) === flag.spec.default ? idle : "SPLIT");
  }
  if (place !== undefined) return answer(flag, armAt(route.arms, weights, place), "SPLIT");
  return { ok: false, errorCode: "TARGETING_KEY_MISSING", message: "a share of users has another variant, and the context names no user" };
}

/** 0 to 9999: by what the request carries, as proxies inside the mesh go; else as a gateway would put the user. */
function placeOf(
  { name, sticky }: Pick<ReleaseRoute, "name" | "sticky">,
  { request, targetingKey, cookies }: FlagContext,
): number | undefined {
  if (sticky === undefined) return undefined;
  const { headers, claims } = request;
  const isGiven = (cookie: string): boolean => Object.hasOwn(cookies, cookie);
  for (const { hash } of cohortSources(sticky, name)) {
    const text = Object.hasOwn(headers, hash.header) ? headers[hash.header] : undefined;
    // A cookie given by name, and not in a header, is the user's at the edge.
    if (text === undefined || (hash.header === "cookie" && isGiven(sticky.cookie ?? ""))) continue;
    const pattern = compilePattern(hash.pattern);
    const user = pattern.ok ? pattern.pattern.firstGroup(text) : undefined;
    if (user !== undefined) return carriedPoint(hash.salt, user);
  }
  const cookie = sticky.cookie !== undefined && isGiven(sticky.cookie) ? cookies[sticky.cookie] : undefined;
  const claim = sticky.claim !== undefined && Object.hasOwn(claims, sticky.claim) ? claims[sticky.claim] : undefined;
  const user = cookie ?? (typeof claim === "string" || typeof claim === "number" ? String(claim) : undefined) ?? targetingKey;
  return user === undefined ? undefined : cohortPoint(name, user);
}

/** Members of a split take the places from 0 on in their order, each as many as its weight. */
function armAt(arms: readonly ReleaseArm[], weights: readonly number[], place: number): ReleaseArm | undefined {
  let end = 0;
  return arms.find((_, index) => {
    end += weights[index] ?? 0;
    return place < Math.min(end, weightTotal);
  });
}

function variantOf(flag: FeatureFlag, arm: ReleaseArm | undefined): string {
  const { variants } = flag.spec;
  const named = Object.keys(variants).find((variant) => {
    const name = flagArmName(flag, variant);
    return arm?.name === name || arm?.name === `${name}-${arm?.version ?? ""}`;
  });
  const told = arm?.headers?.[flagHeader(flag)];
  return named !== undefined && variants[named]?.value === told ? named : flag.spec.default;
}

function answer(flag: FeatureFlag, arm: ReleaseArm | undefined, reason: FlagReason): FlagAnswer {
  const variant = variantOf(flag, arm);
  const { variants } = flag.spec;
  if (!Object.hasOwn(variants, variant)) return { ok: false, errorCode: "GENERAL", message: `the flag has no variant ${variant}` };
  const version = arm?.version;
  return {
    ok: true,
    variant,
    value: typedValue(flag, variants[variant]?.value ?? ""),
    reason,
    ...(version === undefined ? {} : { version }),
  };
}

/** A value in the type that all variants of the flag have: boolean, number or JSON object; else the text itself. */
function typedValue({ spec }: FeatureFlag, text: string): FlagValue {
  const all = Object.values(spec.variants).map(({ value }) => value);
  if (all.every((value) => value === "true" || value === "false")) return text === "true";
  if (all.every((value) => jsonNumber.test(value) && Number.isFinite(Number(value)))) return Number(text);
  return all.every((value) => objectOf(value) !== undefined) ? (objectOf(text) ?? text) : text;
}

/** RFC 8259: no leading zeros, no plus sign. */
const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
