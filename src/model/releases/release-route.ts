// What a running release asks of the routes: versions in a fixed order with their shares, and who else gets which of them.
// Made by the release engine from its state; the model lays it over users' routes (compose.ts) and never over users' objects.

import { serviceHost } from "../../api/hosts.ts";
import type { Audience, Sticky } from "../../api/release/audience.ts";
import { memoObject, stableMap } from "../memo.ts";
import { hostKey } from "../virtual-addresses.ts";
import { normalizedWeights, weightTotal } from "../weights.ts";

/** One side of a release. Two arms may be of one version and differ in what the application is told (`headers`). */
export interface ReleaseArm {
  /** Value of the version label; undefined takes every pod: a flag of a service that isn't being released. */
  readonly version?: string;
  /** Tells two arms of one version apart: the variant's name. */
  readonly name?: string;
  /** Set on every request that goes to it. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The wish of one release; everything but `shares` is structure, a change of which is a new route. */
export interface ReleaseRoute {
  /** "<namespace>/<name>" of the Release: salt of its cohorts, and who stands behind its routes. */
  readonly name: string;
  readonly namespace: string;
  /** Name of the Kubernetes Service. */
  readonly service: string;
  /** Service ports; empty: all. */
  readonly ports: readonly number[];
  /** Label of pods that names their version. */
  readonly label: string;
  /** The stable version first; the order never changes during a run. */
  readonly arms: readonly ReleaseArm[];
  /** Parallel to `arms`: integers ≥ 0 with sum 10,000. */
  readonly shares: readonly number[];
  /** Requests that get an arm whatever the shares say; the first that holds decides. */
  readonly matches: readonly { readonly audience: Audience; readonly arm: number }[];
  /** Copies of what goes by share; their answers are discarded. Percent may have fractions. */
  readonly mirror?: { readonly arm: number; readonly percent: number };
  /** The same user gets the same arm; undefined: by chance. */
  readonly sticky?: Sticky;
  /** A host that reaches one arm only: a bare name, for the service's namespace, or a full one. */
  readonly preview?: { readonly host: string; readonly arm: number };
}

/** A release without its shares; the same object as long as nothing in it changed. */
export interface ReleaseStructure extends Omit<ReleaseRoute, "shares"> {
  /** Id of the MeshService. */
  readonly serviceId: string;
  /** Equal texts are equal structures. */
  readonly text: string;
}

export interface ReleaseIndex {
  /** By service id; a service has one release. */
  readonly structures: ReadonlyMap<string, ReleaseStructure>;
  /** By the release's name. */
  readonly shares: ReadonlyMap<string, readonly number[]>;
}

/** A mesh without releases. */
const noReleases: ReleaseIndex = { structures: new Map(), shares: new Map() };

/** Keeps structures and shares the same objects while they say the same; of two releases of one service the first by name counts. */
export function createReleaseIndex(): (releases: readonly ReleaseRoute[]) => ReleaseIndex {
  const structureMap = stableMap<string, ReleaseStructure>();
  const shareMap = stableMap<string, readonly number[]>();
  let last: ReleaseIndex = noReleases;
  return (releases) => {
    if (releases.length === 0 && last.structures.size === 0) return noReleases;
    const structures = new Map<string, ReleaseStructure>();
    const shares = new Map<string, readonly number[]>();
    for (const release of releases.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const next = structureOf(release);
      if (structures.has(next.serviceId) || release.arms.length === 0) continue;
      const known = last.structures.get(next.serviceId);
      structures.set(next.serviceId, known?.text === next.text ? known : next);
      shares.set(release.name, keptShares(last.shares.get(release.name), sharesOf(release)));
    }
    const next = { structures: structureMap(structures), shares: shareMap(shares) };
    const isSame = next.structures === last.structures && next.shares === last.shares;
    if (!isSame) last = structures.size === 0 ? noReleases : next;
    return last;
  };
}

const structureOf = memoObject(({ shares: _, ...release }: ReleaseRoute): ReleaseStructure => {
  const serviceId = hostKey(release.namespace, serviceHost(release.service, release.namespace));
  return { ...release, serviceId, text: JSON.stringify(release) };
});

function keptShares(before: readonly number[] | undefined, next: readonly number[]): readonly number[] {
  return before !== undefined && before.length === next.length && before.every((share, index) => share === next[index]) ? before : next;
}

/** As many as arms and with the right sum, whatever was asked: without any share everything stays with the first arm. */
function sharesOf({ arms, shares }: ReleaseRoute): readonly number[] {
  const given = arms.map((_, index) => shares[index] ?? 0);
  const isFit =
    given.every((share) => Number.isInteger(share) && share >= 0) && given.reduce((sum, share) => sum + share, 0) === weightTotal;
  if (isFit) return given;
  return given.some((share) => share > 0) ? normalizedWeights(given) : given.map((_, index) => (index === 0 ? weightTotal : 0));
}
