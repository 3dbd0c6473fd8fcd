// Traffic shares as integers: normalising what users write to a fixed sum, and deciding which weights a route carries ("settled")
// and which travel by RTDS. Pure; architecture.md §3 states the rules.

import { contentHash } from "../lib/hash.ts";

/** The sum of every split's weights; cohorts by hash stay stable only while it never changes. */
export const weightTotal = 10_000;

/** A share in percent as a weight: whole, so exact to 0.01 %; less than nothing is none, more than everything is all. */
export function weightOf(percent: number): number {
  return Math.min(weightTotal, Math.max(0, Math.round((weightTotal / 100) * percent)));
}

/** Above this many keys in motion every split is settled again: a route table costs about as much as such a runtime layer. */
export const maxKeysInMotion = 200;

/**
 * Integers ≥ 0 with sum 10,000 in the proportions of `weights` (largest remainder, ties to the earlier one).
 *
 * Without any positive weight all get the same share; weights that are negative or not finite count as 0. Empty in, empty out.
 */
export function normalizedWeights(weights: readonly number[]): readonly number[] {
  const finite = weights.map((weight) => (Number.isFinite(weight) && weight > 0 ? weight : 0));
  // Dividing by the largest first: the sum of huge weights must not become infinite.
  const largest = Math.max(...finite, 0);
  const usable = largest === 0 ? finite.map(() => 1) : finite.map((weight) => weight / largest);
  const sum = usable.reduce((total, weight) => total + weight, 0);
  const exact = usable.map((weight) => (weight / sum) * weightTotal);
  const floors = exact.map(Math.floor);
  const missing = weightTotal - floors.reduce((total, weight) => total + weight, 0);
  const byRemainder = exact
    .map((share, index) => ({ index, remainder: share - Math.floor(share), positive: share > 0 }))
    .filter(({ positive }) => positive)
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  const lifted = new Set(byRemainder.slice(0, missing).map(({ index }) => index));
  return floors.map((weight, index) => (lifted.has(index) ? weight + 1 : weight));
}

/**
 * The weights of a split whose members may have no endpoints: those get nothing and the others share it in their proportions.
 * When no member with a weight has endpoints, the weights stay as written (all requests fail either way, and the logs say why).
 */
export function effectiveWeights(members: readonly { readonly weight: number; readonly usable: boolean }[]): readonly number[] {
  const written = members.map(({ weight }) => weight);
  const anyUsable = members.some(({ weight, usable }) => usable && weight > 0);
  return normalizedWeights(anyUsable ? members.map(({ weight, usable }) => (usable ? weight : 0)) : written);
}

/**
 * The prefix of a split's RTDS keys: a new member set or another order is another split, so no proxy ever mixes the weights of two.
 * Starts with "w." so that the keys are recognisable in the admin's runtime dump.
 */
export function splitKeyPrefix(split: { readonly uid: string; readonly route: string; readonly members: readonly string[] }): string {
  return `w.${contentHash(JSON.stringify([split.uid, split.route, split.members]))}`;
}

/** One split as it should be now. */
export interface CurrentSplit {
  /** Normalised, parallel to the members. */
  readonly weights: readonly number[];
  /** The clusters in order. */
  readonly members: readonly string[];
  /** Changes when anything but weights changes in the object the split comes from: then its routes are sent anyway. */
  readonly structure: string;
}

/** What routes carry: per runtime key prefix the weights of the last stable state. Stored, so that a restart regenerates identical bytes. */
export type SettledWeights = ReadonlyMap<string, SettledSplit>;

export interface SettledSplit {
  readonly weights: readonly number[];
  readonly structure: string;
  /**
   * Whether the split has been in motion since it settled. Its keys stay in the layer then, also when the weights are back at the
   * settled ones: keys leave only together with a route, so that no weight ever rises by a key's disappearance.
   */
  readonly moving?: boolean | undefined;
}

/** Whether two weight lists are the same. */
export function sameWeights(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((weight, index) => weight === b[index]);
}

/**
 * The next settled weights: first-seen splits settle at once, as do those whose object changed otherwise; with `structural` (the
 * whole table is sent anyway), or with more than 200 keys in motion, all do. The same map as `previous` when nothing changed.
 */
export function settle(
  previous: SettledWeights,
  current: ReadonlyMap<string, CurrentSplit>,
  options: { readonly structural: boolean },
): SettledWeights {
  const kept = new Map(
    [...current].map(([prefix, split]) => [prefix, settledOf(previous.get(prefix), split, options.structural)] as const),
  );
  const inMotion = [...current].filter(([prefix]) => kept.get(prefix)?.moving === true);
  const keys = inMotion.reduce((total, [, split]) => total + split.members.length, 0);
  const next =
    keys > maxKeysInMotion ? new Map([...current].map(([prefix, split]) => [prefix, settledOf(undefined, split, true)] as const)) : kept;
  const unchanged = next.size === previous.size && [...next].every(([prefix, settled]) => previous.get(prefix) === settled);
  return unchanged ? previous : next;
}

function settledOf(previous: SettledSplit | undefined, split: CurrentSplit, structural: boolean): SettledSplit {
  const fresh = { weights: split.weights, structure: split.structure };
  if (previous === undefined || previous.structure !== split.structure) return fresh;
  const same = sameWeights(previous.weights, split.weights);
  if (structural) return same && previous.moving !== true ? previous : fresh;
  return same || previous.moving === true ? previous : { ...previous, moving: true };
}

/** The RTDS keys of all splits in motion: all members of each, `<prefix>.<cluster>`, sum 10,000. */
export function runtimeKeys(settled: SettledWeights, current: ReadonlyMap<string, CurrentSplit>): ReadonlyMap<string, number> {
  const moving = [...current].filter(([prefix, { weights }]) => {
    const split = settled.get(prefix);
    return split !== undefined && (split.moving === true || !sameWeights(split.weights, weights));
  });
  return new Map(
    moving
      .flatMap(([prefix, { members, weights }]) => members.map((member, index) => [`${prefix}.${member}`, weights[index] ?? 0] as const))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}
