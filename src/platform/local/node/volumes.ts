// A pod's volumes as files of the host: ConfigMaps and Secrets written out, empty folders made, the host's own folders as they are.

import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join, normalize } from "node:path";
import type { ConfigMap } from "../../../api/kubernetes/config-map.ts";
import type { Container, Pod, Volume as PodVolume } from "../../../api/kubernetes/pod.ts";
import type { Secret } from "../../../api/kubernetes/secret.ts";
import { UserError } from "../../../lib/errors.ts";
import type { Volume } from "../sandbox.ts";
import type { PodSources } from "./environment.ts";
import { hostPathOf } from "./host-path.ts";

/**
 * Makes every volume of the pod under `<podDir>/volumes` (a hostPath stays where it is) and returns the host path of each by name.
 *
 * @throws UserError when a ConfigMap or Secret that is not optional does not exist, or a hostPath is not of its type.
 */
export async function makeVolumes(pod: Pod, podDir: string, sources: PodSources): Promise<ReadonlyMap<string, string>> {
  const folders = new Map<string, string>();
  for (const volume of pod.spec.volumes) folders.set(volume.name, await makeVolume(volume, join(podDir, "volumes"), sources));
  return folders;
}

/** The mounts of one container, subPath resolved. */
export function mountsOf(container: Container, folders: ReadonlyMap<string, string>): readonly Volume[] {
  return container.volumeMounts.map((mount) => {
    const folder = folders.get(mount.name);
    if (folder === undefined) {
      throw new UserError(`volumeMount "${mount.name}" of container ${container.name} names no volume of the pod`, {
        fix: `declare it under spec.volumes; there are ${[...folders.keys()].join(", ") || "none"}`,
      });
    }
    const hostPath = mount.subPath === undefined ? folder : inside(folder, mount.subPath);
    return { hostPath, mountPath: mount.mountPath, readOnly: mount.readOnly === true };
  });
}

async function makeVolume(volume: PodVolume, root: string, sources: PodSources): Promise<string> {
  if (volume.hostPath !== undefined) return await hostPathOf(volume.name, volume.hostPath);
  const folder = join(root, volume.name);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  // As Kubernetes': whoever a container runs as may write there. Past the umask only chmod comes.
  if (volume.emptyDir !== undefined) await chmod(folder, 0o777);
  for (const [name, content] of contentsOf(volume, sources)) {
    const file = inside(folder, name);
    await mkdir(join(file, ".."), { recursive: true });
    // Kubernetes' defaultMode: a container may run as another user; nobody else gets into the pod's folder.
    await writeFile(file, content, { mode: 0o644 });
  }
  return folder;
}

function contentsOf(volume: PodVolume, sources: PodSources): readonly (readonly [string, string | Uint8Array])[] {
  if (volume.configMap !== undefined) {
    const { name, optional, items } = volume.configMap;
    const found = sources.configMap(name);
    if (found === undefined && optional !== true) throw missing(volume.name, "ConfigMap", name);
    return selected(found === undefined ? {} : configMapFiles(found), { items, optional, from: `ConfigMap "${name}"` });
  }
  if (volume.secret !== undefined) {
    const { secretName, optional, items } = volume.secret;
    const found = sources.secret(secretName);
    if (found === undefined && optional !== true) throw missing(volume.name, "Secret", secretName);
    return selected(found === undefined ? {} : secretFiles(found), { items, optional, from: `Secret "${secretName}"` });
  }
  return [];
}

function configMapFiles(configMap: ConfigMap): Readonly<Record<string, string | Uint8Array>> {
  const binary = Object.entries(configMap.binaryData).map(([key, value]) => [key, Buffer.from(value, "base64")] as const);
  return Object.fromEntries<string | Uint8Array>([...Object.entries(configMap.data), ...binary]);
}

/** `data` as the bytes it is, which need not be text; `stringData` wins as in Kubernetes. */
function secretFiles(secret: Secret): Readonly<Record<string, string | Uint8Array>> {
  const data = Object.entries(secret.data).map(([key, value]) => [key, Buffer.from(value, "base64")] as const);
  return Object.fromEntries<string | Uint8Array>([...data, ...Object.entries(secret.stringData)]);
}

interface Selection {
  readonly items: readonly { readonly key: string; readonly path: string }[];
  readonly optional: boolean;
  /** For messages. */
  readonly from: string;
}

function selected(
  files: Readonly<Record<string, string | Uint8Array>>,
  { items, optional, from }: Selection,
): readonly (readonly [string, string | Uint8Array])[] {
  if (items.length === 0) return Object.entries(files);
  const known = new Map(Object.entries(files));
  return items.flatMap(({ key, path }) => {
    const content = known.get(key);
    if (content !== undefined) return [[path, content] as const];
    if (optional) return [];
    throw new UserError(`${from} has no key "${key}", which a volume names`, {
      fix: `add the key, or set optional: true; it has ${[...known.keys()].join(", ") || "none"}`,
    });
  });
}

function missing(volume: string, kind: string, name: string): UserError {
  return new UserError(`volume ${volume} needs ${kind} "${name}", which does not exist`, {
    fix: `apply the ${kind} in the pod's namespace; the pod starts then`,
  });
}

/** A path below the folder; `..` never leads out of it. */
function inside(folder: string, path: string): string {
  return join(folder, normalize(`/${path}`));
}
