// A Release is deleted -> what that means for its Service, for whoever didn't mean it: without a Release a version that had 1 % gets as much as its pods. Pure.

import type { Release } from "../../api/release/release.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { publicPercent } from "../../release/exposure.ts";
import type { ReleaseState } from "../../release/state.ts";
import { isByPods, versionsOf } from "./observed-versions.ts";

/** The sentence; undefined where nothing changes for anybody: one version has pods, another Release takes over, or the Service is gone too. */
export function deletionWords(release: Release, { run, stable }: ReleaseState, snapshot: Snapshot): string | undefined {
  const { metadata, spec } = release;
  const { namespace, name } = metadata;
  const isTakenOver = snapshot
    .list("Release", namespace)
    .some((other) => other.metadata.name !== name && other.spec.service === spec.service);
  if (isTakenOver || isByPods(release) || stable === undefined) return undefined;
  const ready = versionsOf(release, snapshot).filter(({ readyPods }) => readyPods > 0);
  if (ready.length < 2) return undefined;
  const isGoing = run !== undefined && run.stage !== "done";
  const had = isGoing ? ` while ${run.candidate} had ${publicPercent(run.exposure)} %` : "";
  const pods = ready.map((version) => `${version.name}: ${version.readyPods}`).join(", ");
  return `release ${name} was deleted${had}: routes alone decide now, and without subsets every ready pod of ${spec.service} gets requests (${pods})`;
}
