// A hostPath volume: checks that the path is what its type says, or makes it, as the kubelet does.

import { mkdir, open, stat } from "node:fs/promises";
import type { Volume } from "../../../api/kubernetes/pod.ts";
import { UserError } from "../../../lib/errors.ts";

type HostPath = NonNullable<Volume["hostPath"]>;
type Stats = Awaited<ReturnType<typeof stat>>;

/** What each type asks for (Kubernetes' HostPathType); "" and unset ask for nothing but that it exists. */
const kinds: Readonly<Record<string, { readonly what: string; readonly holds: (found: Stats) => boolean }>> = {
  DirectoryOrCreate: { what: "a directory", holds: (found) => found.isDirectory() },
  Directory: { what: "a directory", holds: (found) => found.isDirectory() },
  FileOrCreate: { what: "a file", holds: (found) => found.isFile() },
  File: { what: "a file", holds: (found) => found.isFile() },
  Socket: { what: "a socket", holds: (found) => found.isSocket() },
  CharDevice: { what: "a character device", holds: (found) => found.isCharacterDevice() },
  BlockDevice: { what: "a block device", holds: (found) => found.isBlockDevice() },
};

/** The path itself, which exists and is of its type. @throws UserError when not. */
export async function hostPathOf(volume: string, { path, type = "" }: HostPath): Promise<string> {
  try {
    await createMissing(path, type);
    const found = await stat(path);
    const kind = kinds[type];
    if (kind === undefined || kind.holds(found)) return path;
    throw new UserError(`volume ${volume}: ${path} on this machine is not ${kind.what}`, { fix: "correct hostPath.path or hostPath.type" });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`volume ${volume}: ${path} can't be used: ${reason}`, {
      cause: error,
      fix: "create it on this machine, correct hostPath.path, or set hostPath.type to DirectoryOrCreate",
    });
  }
}

async function createMissing(path: string, type: string): Promise<void> {
  if (type === "DirectoryOrCreate") await mkdir(path, { recursive: true, mode: 0o755 });
  if (type === "FileOrCreate") await (await open(path, "a", 0o644)).close();
}
