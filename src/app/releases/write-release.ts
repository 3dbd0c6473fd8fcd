// Writes of the release engine: a Release's status with its state, and the ReleaseRun that stays when the next run begins.

import type { Release } from "../../api/release/release.ts";
import { MeshError } from "../../lib/errors.ts";
import type { Run } from "../../release/state.ts";
import { publicStatusOf, releaseRunOf } from "../../release/status.ts";
import type { Store, Stored } from "../../store/store.ts";
import { createOnce } from "./carry-out.ts";
import type { Sources } from "./observe-release.ts";
import { type StoredRelease, statusOf } from "./stored-release.ts";

interface Clocked {
  readonly store: Store;
  readonly nowMs: () => number;
}

/** Writes what was decided or asked for; the revision that has it. @throws MeshError when it can't be stored. */
export function writeState(stored: Stored<"Release">, next: StoredRelease, { store, nowMs }: Clocked): number {
  const generation = stored.value.metadata.generation ?? 1;
  const shown = publicStatusOf(next.state, { spec: stored.value.spec, now: nowMs(), generation });
  const result = store.updateStatus({ ...stored.raw, status: statusOf(shown, next) });
  if (!result.accepted) throw new MeshError("internal", result.diagnostics[0]?.message ?? "the status was refused");
  return store.revision;
}

/** Writes the run as it stands into its ReleaseRun, which is made when it is new. */
export function writeRun(release: Release, run: Run, { store, samples }: Pick<Sources, "store" | "samples">): void {
  const { name, namespace, uid } = release.metadata;
  const object = releaseRunOf(run, { release: name, namespace, samplesRef: samples.refOf(release, run) });
  const owner = { apiVersion: release.apiVersion, kind: "Release", name, uid: uid ?? "", controller: true };
  createOnce(store, { ...object, metadata: { ...object.metadata, ownerReferences: [owner] } });
  const stored = store.get("ReleaseRun", namespace, run.id);
  if (stored !== undefined) store.updateStatus({ ...stored.raw, status: object.status });
}
