// What a decision looks at: the store's pods and versions, the seconds since the last decision, what proxies acknowledged, what was carried out.

import type { Release } from "../../api/release/release.ts";
import type { Observation, SampleSecond } from "../../release/observation.ts";
import type { Run } from "../../release/state.ts";
import type { Store } from "../../store/store.ts";
import type { AdsServer } from "../../xds/ads-server.ts";
import type { RevisionProgress } from "../../xds/revision-progress.ts";
import { samplesByVersion, seenOf } from "./observe-versions.ts";
import { versionsOf } from "./observed-versions.ts";
import { routedVersion } from "./routed-version.ts";
import type { Running } from "./running-release.ts";
import { storedReleaseOf } from "./stored-release.ts";

/** Where seconds of samples come from. */
export interface ReleaseSamples {
  /** Complete seconds after `afterSecond` (Unix time), oldest first: of the service's versions as callers saw them. A gap has no entry. */
  secondsOf(release: Release, afterSecond: number, run: Run): readonly SampleSecond[];
  /** Metrics whose provider is down, each with the reason; none unless given. */
  problemsOf?(release: Release): Readonly<Record<string, string>>;
  /** What makes the run's shares other than it says; nothing unless given. */
  findingsOf?(release: Release, run: Run): Observation["findings"];
  /** Keeps what a run was judged by. */
  record(release: Release, run: Run, samples: readonly SampleSecond[]): void;
  /** Where a run's samples are kept. */
  refOf(release: Release, run: Run): string;
}

/** Who is asked. */
export interface Sources {
  readonly store: Store;
  readonly ads: Pick<AdsServer, "revisionProgress">;
  /** Whether a proxy runs, also without a stream, as all do when the control plane has just come back: it acts upon something older. */
  readonly runs: (proxyId: string) => boolean;
  readonly samples: ReleaseSamples;
}

/** All that is new of a Release since its last decision. */
export function observationOf(release: Release, running: Running, { ads, runs, samples, store }: Sources): Observation {
  const { inputs } = storedReleaseOf(release);
  const { run } = running.state;
  const snapshot = store.snapshot();
  const versions = versionsOf(release, snapshot);
  const { moved } = running;
  const routed = running.state.stable === undefined ? routedVersion(release, snapshot) : undefined;
  const progress = moved === undefined ? undefined : ads.revisionProgress(moved.revision);
  const seconds = run === undefined || run.stage === "done" ? [] : samples.secondsOf(release, run.evidence.lastSecond, run);
  return {
    ...seenOf({ release, versions, run, direction: running.direction, snapshot }),
    ...(routed === undefined ? {} : { routed }),
    samples: samplesByVersion(seconds, { release, versions, run }),
    providers: samples.problemsOf?.(release) ?? {},
    findings: run === undefined || run.stage === "done" ? [] : (samples.findingsOf?.(release, run) ?? []),
    ...(moved === undefined || progress === undefined
      ? {}
      : { acknowledged: { move: moved.move, acknowledged: progress.acknowledged, total: affected(progress, runs) } }),
    inputs,
    done: [...running.done],
    checks: Object.fromEntries(running.checks),
  };
}

function affected({ connected, disconnected }: RevisionProgress, runs: Sources["runs"]): number {
  return connected + disconnected.filter(runs).length;
}
