// What a run sees of its versions besides samples: the Deployment's own update, pods that can't be told apart, configuration; and samples under the
// names that versions have. Pure.

import type { Release } from "../../api/release/release.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { ArmSecond, Observation, RolloutProgress, SampleSecond } from "../../release/observation.ts";
import type { Run } from "../../release/state.ts";
import { parseTemplateArm } from "../../telemetry/samples/try-seconds.ts";
import { isByPods, rolloutOf, type VersionFacts } from "./observed-versions.ts";
import { trafficUnitOf } from "./traffic-unit.ts";
import { configsOf } from "./version-configs.ts";

type Seen = Pick<Observation, "unit" | "versions" | "rollout" | "indistinct" | "configs">;

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
  const unit = trafficUnitOf(release, snapshot);
  if (run === undefined || run.stage === "done") return { versions: observed, unit };
  const own = versions.filter(({ name }) => name === run.candidate || name === run.stable);
  const specs = own.map(({ set }) => set.spec.template.spec);
  const indistinct = indistinctOf(own);
  const rollout = run.stepAction === undefined ? undefined : progressOf(own, run, direction);
  return {
    versions: observed,
    unit,
    configs: configsOf(specs, release.metadata.namespace, snapshot),
    ...(indistinct === undefined ? {} : { indistinct }),
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

/** Callers know pods by the templates of Deployments, where these made them, else by the version label, as everybody else does. */
function indistinctOf(own: readonly VersionFacts[]): Seen["indistinct"] {
  const [one, other] = own;
  if (one === undefined || other === undefined || one.label !== other.label) return undefined;
  return one.hash === undefined || other.hash === undefined || one.hash === other.hash ? "all" : "queries";
}

/**
 * Samples count by template where there is one, else by the version label; versions of templates have names of their own. What only bears a label that both
 * have counts as the candidate's: it has nothing to be compared with then, and limits see all that there is. But not requests to other pods beside those
 * of the two templates: they are neither's.
 */
export function samplesByVersion(
  samples: readonly SampleSecond[],
  { release, versions, run }: Pick<SeenBy, "release" | "versions" | "run">,
): readonly SampleSecond[] {
  if (run === undefined || !isByPods(release)) return samples;
  const own = versions.filter(({ name }) => name === run.candidate || name === run.stable);
  const ofHash = new Map(versions.flatMap(({ hash, name }) => (hash === undefined ? [] : [[hash, name] as const])));
  const labelOf = (wanted: string) => own.find(({ name }) => name === wanted)?.label ?? wanted;
  const ofLabel = new Map([
    [labelOf(run.stable), run.stable],
    [labelOf(run.candidate), run.candidate],
  ]);
  const isShared = indistinctOf(own) === "queries";
  const named = (arm: string, counts: ArmSecond): readonly [name: string, counts: ArmSecond] => {
    const { version, template } = parseTemplateArm(arm);
    if (template !== undefined) return [ofHash.get(template) ?? arm, counts];
    const name = ofLabel.get(version);
    if (!isShared || name === undefined) return [name ?? version, counts];
    return [name, { requests: 0, errors: 0, ...(counts.metrics === undefined ? {} : { metrics: counts.metrics }) }];
  };
  return samples.map(({ second, arms }) => ({ second, arms: joinedArms(Object.entries(arms).map(([arm, counts]) => named(arm, counts))) }));
}

function joinedArms(arms: readonly (readonly [name: string, counts: ArmSecond])[]): SampleSecond["arms"] {
  const joined = new Map<string, ArmSecond>();
  for (const [name, counts] of arms) {
    const known = joined.get(name);
    joined.set(name, known === undefined ? counts : joinedArm(known, counts));
  }
  return Object.fromEntries(joined);
}

/** Both counts of one version: of its template, and of its label. */
function joinedArm(one: ArmSecond, other: ArmSecond): ArmSecond {
  const metrics = { ...one.metrics, ...other.metrics };
  const latency = one.latency?.map((count, bucket) => count + (other.latency?.[bucket] ?? 0)) ?? other.latency;
  const clientErrors = (one.clientErrors ?? 0) + (other.clientErrors ?? 0);
  return {
    requests: one.requests + other.requests,
    errors: one.errors + other.errors,
    ...(one.clientErrors === undefined && other.clientErrors === undefined ? {} : { clientErrors }),
    ...(latency === undefined ? {} : { latency }),
    ...(Object.keys(metrics).length === 0 ? {} : { metrics }),
    ...(one.connections === undefined && other.connections === undefined
      ? {}
      : { connections: connectionsOf(one.connections, other.connections) }),
  };
}

const noConnections = { opened: 0, tried: 0, failed: 0 };

function connectionsOf(one = noConnections, other = noConnections): NonNullable<ArmSecond["connections"]> {
  return { opened: one.opened + other.opened, tried: one.tried + other.tried, failed: one.failed + other.failed };
}
