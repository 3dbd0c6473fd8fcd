// The mesh's settings for checks: read from the ConfigMap of the snapshot.

import { meshConfigPlace, parseMeshConfig } from "../api/mesh-config.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { memoObject } from "../model/memo.ts";
import type { MeshSettings } from "../model/mesh.ts";
import { meshSettingsOf } from "../model/settings.ts";

/** The mesh's settings as its ConfigMap has them. */
export const settingsOf = memoObject((snapshot: Snapshot): MeshSettings => {
  const text = snapshot.get("ConfigMap", meshConfigPlace.namespace, meshConfigPlace.name)?.data[meshConfigPlace.key];
  return meshSettingsOf(parseMeshConfig(text ?? "").value);
});
