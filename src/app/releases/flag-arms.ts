// FeatureFlags of a service -> what they add to its release: a header on every request, and arms of their own for whom a rule gives another variant.
// Pure. One flag decides header and version together.

import type { FeatureFlag } from "../../api/release/feature-flag.ts";
import type { ReleaseArm, ReleaseRoute } from "../../model/releases/release-route.ts";
import { weightOf, weightTotal } from "../../model/weights.ts";
import type { Exposure } from "../../release/exposure.ts";
import { flagArmName, flagHeader } from "../../release/flags.ts";

/** A service that isn't being released, so that its flags have something to stand on: every pod, whatever its version. */
export function unreleased({ metadata, spec }: FeatureFlag): ReleaseRoute {
  const name = `${metadata.namespace}/${metadata.name}`;
  return {
    name,
    namespace: metadata.namespace,
    service: spec.service,
    ports: [],
    label: "version",
    arms: [{}],
    shares: [weightTotal],
    matches: [],
  };
}

/**
 * The route with the flags on top, in their order. A rule whose variant leads to a version that no step has released doesn't act: its people have the
 * default. Percentages are taken from the stable version's share, and from the candidate's where that isn't enough, so that whoever has a variant keeps
 * it while the candidate's share grows to all of it.
 */
export function withFlags(route: ReleaseRoute, flags: readonly FeatureFlag[], exposed: Exposure["flags"]): ReleaseRoute {
  const whole = route.shares.indexOf(weightTotal);
  const base = { arms: route.arms, main: Math.max(0, whole), isWhole: whole !== -1, exposed };
  return flags.reduce((before, flag) => withFlag(before, flag, base), route);
}

/** The route before any flag. */
interface Base {
  readonly arms: readonly ReleaseArm[];
  /** The arm that everybody has; the stable one where there is none. */
  readonly main: number;
  readonly isWhole: boolean;
  readonly exposed: Exposure["flags"];
}

function withFlag(route: ReleaseRoute, flag: FeatureFlag, base: Base): ReleaseRoute {
  const { spec } = flag;
  const header = flagHeader(flag);
  const told = (arm: ReleaseArm, variant: string): ReleaseArm => ({
    ...arm,
    headers: { ...arm.headers, [header]: Object.hasOwn(spec.variants, variant) ? (spec.variants[variant]?.value ?? "") : "" },
  });
  const arms = route.arms.map((arm) => told(arm, spec.default));
  const shares = [...route.shares];
  const matches: ReleaseRoute["matches"][number][] = [];
  let { sticky } = route;
  const armOf = new Map<string, number>();
  const seen = new Set<string>();
  /** The arm of a variant, made when it is new; a variant without a version has one for each version that its people come from. */
  const armFor = (variant: string, from: number): number => {
    const version = versionOf(flag, variant) ?? base.arms[from]?.version;
    const key = JSON.stringify([variant, version]);
    const known = armOf.get(key);
    if (known !== undefined) return known;
    const name = seen.has(variant) ? `${flagArmName(flag, variant)}-${version ?? ""}` : flagArmName(flag, variant);
    seen.add(variant);
    const made = { ...(version === undefined ? {} : { version }), name, ...headersOf(route.arms[base.main]) };
    armOf.set(key, arms.length);
    shares.push(0);
    return arms.push(told(made, variant)) - 1;
  };
  for (const { variant, match, percent, sticky: own } of actingRules(flag, base)) {
    if (match !== undefined) {
      matches.push({ audience: match, arm: armFor(variant, base.main) });
      continue;
    }
    let left = weightOf(percent ?? 0);
    if (left > 0) sticky ??= own ?? spec.sticky;
    // The variants of a comparison keep their shares.
    for (const [from] of [...base.arms.entries()].filter(([, arm]) => arm.name === undefined)) {
      const part = Math.min(shares[from] ?? 0, left);
      const arm = armFor(variant, from);
      shares[from] = (shares[from] ?? 0) - part;
      shares[arm] = (shares[arm] ?? 0) + part;
      left -= part;
    }
  }
  return { ...route, arms, shares, matches: [...matches, ...route.matches], ...(sticky === undefined ? {} : { sticky }) };
}

/** Those whose variant isn't the default one, and whose version may be reached. */
function actingRules(flag: FeatureFlag, { arms, main, isWhole, exposed }: Base): FeatureFlag["spec"]["rules"] {
  const { spec, metadata } = flag;
  const [stable] = arms;
  const isReleased = (variant: string, version: string | undefined): boolean =>
    version === undefined ||
    stable?.version === undefined ||
    version === stable.version ||
    (isWhole && version === arms[main]?.version) ||
    exposed.some((one) => one.name === metadata.name && one.variant === variant);
  return spec.rules.filter(({ variant }) => variant !== spec.default && isReleased(variant, versionOf(flag, variant)));
}

function headersOf(arm: ReleaseArm | undefined): Pick<ReleaseArm, "headers"> {
  return arm?.headers === undefined ? {} : { headers: arm.headers };
}

function versionOf({ spec }: FeatureFlag, variant: string): string | undefined {
  return Object.hasOwn(spec.variants, variant) ? spec.variants[variant]?.version : undefined;
}
