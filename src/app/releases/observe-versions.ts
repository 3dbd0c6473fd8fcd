// What a run sees of its versions besides samples: the Deployment's own update, pods that can't be told apart, configuration; and samples under the
// names that versions have. Pure.

import type { Release } from "../../api/release/release.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { Observation, RolloutProgress, SampleSecond } from "../../release/observation.ts";
import type { Run } from "../../release/state.ts";
import { isByPods, rolloutOf, type VersionFacts } from "./observed-versions.ts";
import { configsOf } from "./version-configs.ts";

type Seen = Pick<Observation, "versions" | "rollout" | "isIndistinct" | "configs">;

export interface SeenBy {
  readonly release: Release;
  readonly versions: readonly VersionFacts[];
  readonly run: Run | undefined;
  readonly direction: "forward" | "undo";
  readonly snapshot: Snapshot;
}

/** What the versions show now. */
export function seenOf({ release, versions, run, direction, snapshot }: SeenBy): Seen {
  const observed = versions.map(({ name, since, readyPods, scaleManaged, deployed }) => ({
    name,
    since,
    readyPods,
    ...(scaleManaged === undefined ? {} : { scaleManaged }),
    ...(deployed === undefined ? {} : { deployed }),
  }));
  if (run === undefined || run.stage === "done") return { versions: observed };
  const own = versions.filter(({ name }) => name === run.candidate || name === run.stable);
  const specs = own.map(({ set }) => set.spec.template.spec);
  const rollout = run.stepAction === undefined ? undefined : progressOf(own, run, direction);
  return {
    versions: observed,
    configs: configsOf(specs, release.metadata.namespace, snapshot),
    ...(isIndistinct(own) ? { isIndistinct: true } : {}),
    ...(rollout === undefined ? {} : { rollout }),
  };
}

function progressOf(own: readonly VersionFacts[], run: Run, direction: "forward" | "undo"): RolloutProgress | undefined {
  const of = (wanted: string) => own.find(({ name }) => name === wanted);
  const [candidate, stable] = [of(run.candidate), of(run.stable)];
  const progress = rolloutOf(direction === "forward" ? candidate : stable, direction);
  if (progress !== undefined || direction === "undo") return progress;
  // Somebody took the new template back while it was on its way.
  if (candidate?.deployed !== false || stable?.deployed !== true) return undefined;
  return { direction, updatedReady: 0, total: 0, failed: `its template is that of ${run.stable} again` };
}

/** Whether two of them have the same value of the version label. */
function isIndistinct(own: readonly VersionFacts[]): boolean {
  return new Set(own.map(({ label }) => label)).size < own.length;
}

/**
 * Samples count by the version label; versions of templates have names of their own. What can't be told apart counts as the candidate's: it has
 * nothing to be compared with then, and limits see all that callers see.
 */
export function samplesByVersion(
  samples: readonly SampleSecond[],
  { release, versions, run }: Pick<SeenBy, "release" | "versions" | "run">,
): readonly SampleSecond[] {
  if (run === undefined || !isByPods(release)) return samples;
  const labelOf = (wanted: string) => versions.find(({ name }) => name === wanted)?.label ?? wanted;
  const names = new Map([
    [labelOf(run.stable), run.stable],
    [labelOf(run.candidate), run.candidate],
  ]);
  return samples.map(({ second, arms }) => ({
    second,
    arms: Object.fromEntries(Object.entries(arms).map(([label, arm]) => [names.get(label) ?? label, arm])),
  }));
}
