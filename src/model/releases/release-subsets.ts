// The subsets that a release divides a service by: a user's own where one selects exactly the version, made ones where none does. They are
// added to what DestinationRules say of the host, so clusters, endpoints and traffic policies follow from them as from any subset.

import type { Subset } from "../../api/networking/destination-rule.ts";
import { memoObject } from "../memo.ts";
import type { DestinationPolicy } from "../mesh.ts";
import type { ReleaseStructure } from "./release-route.ts";

/** A service's subsets under a release, as one client sees them. */
export interface ReleaseSubsets {
  /** The DestinationRules' policy with the made subsets behind its own. */
  readonly policy: DestinationPolicy;
  /**
   * Subset names of all arms for a destination with this subset ("" for none), parallel to the arms; undefined when the destination stays as it
   * is, because it selects by something else than the version.
   */
  arms(subset: string): readonly string[] | undefined;
  /** What destinations with this subset share with others: two of one kind divide one share. Undefined as for `arms`. */
  kind(subset: string): string | undefined;
  /** The arm whose version the subset selects. */
  ownArm(subset: string): number | undefined;
}

const nobodysRules: DestinationPolicy = { rules: [], trafficPolicy: undefined, subsets: [] };

/** Remembered by policy and structure, so that equal questions get the same objects. */
export function releaseSubsets(policy: DestinationPolicy | undefined, release: ReleaseStructure): ReleaseSubsets {
  const known = subsetsOf(release);
  const base = policy ?? nobodysRules;
  const made = known.get(base) ?? divided(base, release);
  known.set(base, made);
  return made;
}

const subsetsOf = memoObject((_: ReleaseStructure) => new WeakMap<DestinationPolicy, ReleaseSubsets>());

interface Division {
  readonly kind: string;
  readonly arms: readonly string[];
  readonly ownArm?: number;
}

function divided(policy: DestinationPolicy, release: ReleaseStructure): ReleaseSubsets {
  const subsets: Subset[] = [...policy.subsets];
  const divisions = new Map<string, Division>();
  const whole: Pick<Subset, "name" | "labels" | "trafficPolicy"> = { name: "", labels: {}, trafficPolicy: undefined };
  for (const subset of [whole, ...policy.subsets]) {
    const { [release.label]: version, ...rest } = subset.labels;
    const own = release.arms.findIndex((arm) => arm.version === version);
    const ownArm = version === undefined || own === -1 ? undefined : own;
    // Any version's subset is divided, also that of a version long gone from the release: what isn't stable gets nothing until a step says so, whatever a
    // route said once. What divides the pods by other labels stays; no labels at all select everything.
    const isDivided = version === undefined ? Object.keys(rest).length === 0 : release.arms[0]?.version !== undefined;
    if (!isDivided) continue;
    // A subset that exists for its policy alone keeps that policy on both sides.
    const keepsOwn = version === undefined ? subset.trafficPolicy !== undefined : Object.keys(rest).length > 0;
    const owner = keepsOwn ? subset : whole;
    const kind = JSON.stringify([sortedPairs(rest), version === undefined ? owner.name : ""]);
    const arms = divisionsOf(divisions, kind) ?? release.arms.map((_, index) => armSubset(index, { release, subsets, rest, owner }));
    divisions.set(subset.name, { kind, arms, ...(ownArm === undefined ? {} : { ownArm }) });
  }
  return {
    policy: { ...policy, subsets },
    arms: (subset) => divisions.get(subset)?.arms,
    kind: (subset) => divisions.get(subset)?.kind,
    ownArm: (subset) => divisions.get(subset)?.ownArm,
  };
}

function divisionsOf(divisions: ReadonlyMap<string, Division>, kind: string): readonly string[] | undefined {
  return [...divisions.values()].find((division) => division.kind === kind)?.arms;
}

/** Finds or makes the subset of one arm; a made one is appended to `subsets` under a name that no other has. */
function armSubset(
  index: number,
  {
    release,
    subsets,
    rest,
    owner,
  }: {
    readonly release: ReleaseStructure;
    readonly subsets: Subset[];
    readonly rest: Readonly<Record<string, string>>;
    readonly owner: Pick<Subset, "name" | "trafficPolicy">;
  },
): string {
  const arm = release.arms[index];
  if (arm === undefined) return "";
  const labels = arm.version === undefined ? rest : { ...rest, [release.label]: arm.version };
  const isFirst = release.arms.findIndex(({ version }) => version === arm.version) === index;
  const isPlain = owner.name === "";
  if (isFirst && arm.version === undefined) return owner.name;
  const wanted = JSON.stringify(sortedPairs(labels));
  const own = subsets.find((subset) => JSON.stringify(sortedPairs(subset.labels)) === wanted);
  if (isFirst && own !== undefined && (isPlain || Object.keys(rest).length > 0)) return own.name;
  const parts = [isPlain ? "" : owner.name, arm.version ?? "", isFirst ? "" : (arm.name ?? `${index}`)];
  const stem = parts.filter((part) => part !== "").join("-");
  const names = new Set(subsets.map(({ name }) => name));
  let name = stem;
  for (let number = 1; names.has(name); number += 1) name = `${stem}-${number}`;
  subsets.push({ name, labels, trafficPolicy: isPlain ? undefined : owner.trafficPolicy });
  return name;
}

function sortedPairs(labels: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
