// Releases and their stored states -> what the model lays over users' routes. Pure; remembered per object, so an unchanged Release costs a look-up.

import type { Release } from "../../api/release/release.ts";
import { rulingRelease } from "../../api/release/ruling.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { memoObject } from "../../model/memo.ts";
import type { ReleaseArm, ReleaseRoute } from "../../model/releases/release-route.ts";
import { weightOf, weightTotal } from "../../model/weights.ts";
import type { Exposure } from "../../release/exposure.ts";
import { type Wish, wishOf } from "../../release/status.ts";
import { unreleased, withFlags } from "./flag-arms.ts";
import { isByPods } from "./observed-versions.ts";
import { storedReleaseOf } from "./stored-release.ts";

/** What all Releases and FeatureFlags ask of the routes, sorted by name. */
export function releaseRoutesOf(snapshot: Snapshot): readonly ReleaseRoute[] {
  const releases = rulingReleases(snapshot);
  const flags = snapshot.list("FeatureFlag");
  if (flags.length === 0) return releases.flatMap((release) => routeOf(release) ?? []);
  const flagsOf = Map.groupBy(flags, ({ metadata, spec }) => `${metadata.namespace}/${spec.service}`);
  const released = releases.flatMap((release): readonly ReleaseRoute[] => {
    const route = routeOf(release);
    const key = `${release.metadata.namespace}/${release.spec.service}`;
    const own = flagsOf.get(key) ?? [];
    if (route !== undefined) flagsOf.delete(key);
    return route === undefined ? [] : [withFlags(route, own, wishOf(storedReleaseOf(release).state)?.exposure.flags ?? [])];
  });
  const alone = [...flagsOf.values()].flatMap((own) => own.slice(0, 1).map((first) => withFlags(unreleased(first), own, [])));
  return [...released, ...alone];
}

/** Without those whose Service is another Release's already. */
function rulingReleases(snapshot: Snapshot): readonly Release[] {
  const releases = snapshot.list("Release");
  const groups = Map.groupBy(releases, ({ metadata, spec }) => `${metadata.namespace}/${spec.service}`);
  if (groups.size === releases.length) return releases;
  return [...groups.values()].flatMap((all) => all.slice(0, 1).map((first) => rulingRelease(first, all)));
}

const routeOf = memoObject((release: Release): ReleaseRoute | undefined => {
  const wish = wishOf(storedReleaseOf(release).state);
  // Where the Deployment moves the traffic, the old version's pods go: its label must never be all that routes allow.
  if (wish === undefined || wish.exposure.byPods || isByPods(release)) return undefined;
  const { metadata, spec } = release;
  const { arms, shares } = sidesOf(wish);
  const { exposure } = wish;
  const candidate = Math.max(
    0,
    arms.findIndex(({ version }) => version === wish.candidate),
  );
  const matches = exposure.matches.map((audience) => ({ audience, arm: candidate }));
  return {
    name: `${metadata.namespace}/${metadata.name}`,
    namespace: metadata.namespace,
    service: spec.service,
    ports: spec.ports,
    label: spec.versions.label,
    arms,
    shares,
    matches: [...variantMatches(exposure), ...matches],
    ...(exposure.mirrorPercent > 0 ? { mirror: { arm: candidate, percent: exposure.mirrorPercent } } : {}),
    ...(spec.sticky === undefined ? {} : { sticky: spec.sticky }),
    ...(exposure.previewHost === undefined ? {} : { preview: { host: exposure.previewHost, arm: candidate } }),
  };
});

interface Sides {
  readonly arms: readonly ReleaseArm[];
  readonly shares: readonly number[];
}

function sidesOf({ stable, candidate, exposure }: Wish): Sides {
  if (candidate === undefined) return { arms: [{ version: stable }], shares: [weightTotal] };
  if (exposure.variants.length === 0) {
    const share = weightOf(Math.max(exposure.weightPercent, exposure.usersPercent));
    return { arms: [{ version: stable }, { version: candidate }], shares: [weightTotal - share, share] };
  }
  // A comparison's variants beside the rest, who get the stable version.
  const percents = exposure.variants.map(({ percent = 0 }) => weightOf(percent));
  const rest = Math.max(0, weightTotal - percents.reduce((sum, percent) => sum + percent, 0));
  return {
    arms: [{ version: stable }, ...exposure.variants.map(({ name, version = stable }) => ({ version, name }))],
    shares: [rest, ...percents],
  };
}

function variantMatches({ variants }: Exposure): ReleaseRoute["matches"] {
  return variants.flatMap(({ match }, index) => (match === undefined ? [] : [{ audience: match, arm: index + 1 }]));
}
