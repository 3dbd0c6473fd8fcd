// MeshConfig's ConfigMap, and what pods stand in for → the mesh's settings; the same object as long as neither changed.

import type { Diagnostic } from "../api/diagnostic.ts";
import { meshConfigPlace, parseMeshConfig } from "../api/mesh-config.ts";
import type { Snapshot } from "../api/snapshot.ts";
import type { MeshSettings } from "../model/mesh.ts";
import { meshSettingsOf } from "../model/settings.ts";
import { standInHosts } from "./external-roots.ts";

/** What a snapshot says of the mesh as a whole, and what is wrong with it. */
export interface ReadSettings {
  readonly settings: MeshSettings;
  readonly diagnostics: readonly Diagnostic[];
}

/** Starts a reader that remembers what it read last. */
export function createSettingsReader(): (snapshot: Snapshot) => ReadSettings {
  let last: (ReadSettings & { readonly content: string }) | undefined;
  return (snapshot) => {
    const text = snapshot.get("ConfigMap", meshConfigPlace.namespace, meshConfigPlace.name)?.data[meshConfigPlace.key];
    const standIns = standInHosts(snapshot.list("Pod"));
    const content = JSON.stringify([text, standIns]);
    if (content === last?.content) return last;
    const { value, diagnostics } = parseMeshConfig(text ?? "");
    last = { content, settings: { ...meshSettingsOf(value), standInHosts: new Set(standIns) }, diagnostics };
    return last;
  };
}
