// The weights of a split that releases divide: each written share is divided among its arms, whole numbers whose sums never change, so that
// the boundaries of growing cohorts only move one way.

import { effectiveWeights, weightTotal } from "../weights.ts";

/** One share of a route, and the members that divide it. */
export interface ShareGroup {
  /** Places in the written `route` list whose weights add up to the share. */
  readonly written: readonly number[];
  /** The release whose shares divide it; undefined: the only member has it all. */
  readonly release?: string;
  /** Places in the split's members with the arm each is; members of a chosen arm alone have it all. */
  readonly members: readonly { readonly member: number; readonly arm: number }[];
}

export interface ShareInputs {
  readonly groups: readonly ShareGroup[];
  /** Of the written list. */
  readonly weights: readonly number[];
  /** Of each release by name. */
  readonly shares: ReadonlyMap<string, readonly number[]>;
  /** Of the split's members. */
  readonly usable: readonly boolean[];
}

/** Weights of all members, integers with sum 10,000. A member nobody can answer for gives its part to the others of its share first. */
export function dividedWeights({ groups, weights, shares, usable }: ShareInputs): readonly number[] {
  const divided = groups.map((group) => ({ group, parts: partsOf(group, shares, usable) }));
  const totals = effectiveWeights(
    divided.map(({ group, parts }) => ({
      weight: group.written.reduce((sum, index) => sum + Math.max(0, weights[index] ?? 0), 0),
      usable: parts.some(({ member, part }) => part > 0 && usable[member] === true),
    })),
  );
  const result = usable.map(() => 0);
  for (const [index, { parts }] of divided.entries()) {
    const total = totals[index] ?? 0;
    // By boundaries, not part by part: a boundary moves with the shares and never back.
    let sum = 0;
    for (const { member, part } of parts) {
      const from = Math.round((total * sum) / weightTotal);
      sum += part;
      result[member] = (result[member] ?? 0) + Math.round((total * sum) / weightTotal) - from;
    }
  }
  return result;
}

interface Part {
  readonly member: number;
  readonly part: number;
}

function partsOf({ release, members }: ShareGroup, shares: ShareInputs["shares"], usable: readonly boolean[]): readonly Part[] {
  const given = release === undefined ? undefined : shares.get(release);
  const asked = members.map(({ member, arm }) => ({
    weight: members.length === 1 ? weightTotal : (given?.[arm] ?? (arm === 0 ? weightTotal : 0)),
    usable: usable[member] === true,
  }));
  const parts = effectiveWeights(asked);
  return members.map(({ member }, index) => ({ member, part: parts[index] ?? 0 }));
}
