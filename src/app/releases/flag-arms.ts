// FeatureFlags of a service -> what they add to its release: a header on every request, and arms of their own for whom a rule gives another variant.
// Pure. One flag decides header and version together.

import type { FeatureFlag } from "../../api/release/feature-flag.ts";
import type { ReleaseArm, ReleaseRoute } from "../../model/releases/release-route.ts";
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
    shares: [10_000],
    matches: [],
  };
}

/**
 * The route with the flags on top, in their order. A rule whose variant leads to a version that no step has released doesn't act: its people have the
 * default. Percentages are taken from the stable version's share; those people stay out of the candidate's.
 */
export function withFlags(route: ReleaseRoute, flags: readonly FeatureFlag[], exposed: Exposure["flags"]): ReleaseRoute {
  return flags.reduce((before, flag) => withFlag(before, flag, exposed), route);
}

function withFlag(route: ReleaseRoute, flag: FeatureFlag, exposed: Exposure["flags"]): ReleaseRoute {
  const { spec, metadata } = flag;
  const header = flagHeader(flag);
  const [stable] = route.arms;
  const isReleased = (variant: string, version: string | undefined) =>
    version === undefined ||
    version === stable?.version ||
    stable?.version === undefined ||
    exposed.some((one) => one.name === metadata.name && one.variant === variant);
  const acting = spec.rules.filter(({ variant }) => variant !== spec.default && isReleased(variant, versionOf(flag, variant)));
  const told = (arm: ReleaseArm, variant: string): ReleaseArm => ({
    ...arm,
    headers: { ...arm.headers, [header]: Object.hasOwn(spec.variants, variant) ? (spec.variants[variant]?.value ?? "") : "" },
  });
  const arms = route.arms.map((arm) => told(arm, spec.default));
  const shares = [...route.shares];
  const matches: ReleaseRoute["matches"][number][] = [];
  let sticky = route.sticky;
  const armOf = new Map<string, number>();
  for (const { variant, match, percent, sticky: own } of acting) {
    const known = armOf.get(variant) ?? arms.length;
    if (known === arms.length) {
      const version = versionOf(flag, variant) ?? stable?.version;
      arms.push(told({ ...(version === undefined ? {} : { version }), name: flagArmName(flag, variant), ...headersOf(stable) }, variant));
      shares.push(0);
      armOf.set(variant, known);
    }
    if (match !== undefined) matches.push({ audience: match, arm: known });
    const share = Math.min(shares[0] ?? 0, Math.round(100 * (percent ?? 0)));
    shares[0] = (shares[0] ?? 0) - share;
    shares[known] = (shares[known] ?? 0) + share;
    if (share > 0) sticky ??= own ?? spec.sticky;
  }
  return { ...route, arms, shares, matches: [...matches, ...route.matches], ...(sticky === undefined ? {} : { sticky }) };
}

function headersOf(arm: ReleaseArm | undefined): Pick<ReleaseArm, "headers"> {
  return arm?.headers === undefined ? {} : { headers: arm.headers };
}

function versionOf({ spec }: FeatureFlag, variant: string): string | undefined {
  return Object.hasOwn(spec.variants, variant) ? spec.variants[variant]?.version : undefined;
}
