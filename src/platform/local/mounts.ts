// The file system a container sees: the host's, plus volumes, its own resolv.conf and hosts, and without the mesh's runtime directory.
// Runs synchronously inside the container's fresh mount namespace (isolated-process.ts); nothing here touches the host's mounts or files.

import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { MeshError } from "../../lib/errors.ts";
import type { Volume } from "./sandbox.ts";
import { MountFlag, mount, pivotRoot, SyscallError, setMountReadOnly, unmountDetached } from "./syscalls.ts";

export interface MountPlan {
  /** Hidden from the container. */
  readonly runDir: string;
  /** The pod's own directory below runDir: the only part of it that may be mounted. */
  readonly podDir: string;
  readonly volumes: readonly Volume[];
}

/** True when `path` is `directory` or lies below it. */
export function isWithin(path: string, directory: string): boolean {
  const rest = relative(directory, path);
  return rest !== ".." && !rest.startsWith("../");
}

function invalid(message: string, fix: string): MeshError {
  return new MeshError("invalid", message, { fix });
}

/** Checks one volume against what may be mounted; returns its real host path. Throws MeshError. */
export function checkedHostPath(volume: Volume, plan: MountPlan): string {
  const { mountPath } = volume;
  if (!posix.isAbsolute(mountPath) || posix.normalize(mountPath).replace(/\/$/, "") === "") {
    throw invalid(`the mount path "${mountPath}" is not an absolute path below /`, "Give the volumeMount a mountPath such as /data.");
  }
  if (isWithin(posix.normalize(mountPath), plan.runDir) || isWithin(posix.normalize(mountPath), "/proc")) {
    throw invalid(`the mount path "${mountPath}" is reserved`, "Mount the volume elsewhere.");
  }
  if (!existsSync(volume.hostPath)) {
    throw invalid(`the volume's path ${volume.hostPath} does not exist on this machine`, "Create it, or correct hostPath.path.");
  }
  const hostPath = realpathSync(volume.hostPath);
  if (isWithin(hostPath, plan.runDir) && !isWithin(hostPath, plan.podDir)) {
    throw invalid(`the volume's path ${volume.hostPath} lies in the mesh's own runtime directory`, "Use another directory.");
  }
  if (isWithin(hostPath, "/proc"))
    throw invalid(`the volume's path ${volume.hostPath} lies in /proc, which shows the node's processes`, "Use the container's own /proc.");
  return hostPath;
}

function bind(source: string, target: string): void {
  mount(source, target, { flags: MountFlag.bind | MountFlag.rec });
}

/** Puts at `staging` a tmpfs that shows every entry of `directory`. */
function mirror(directory: string, staging: string): void {
  mount("tmpfs", staging, { type: "tmpfs", flags: MountFlag.noSuid | MountFlag.noDev, data: "mode=0755,size=16m" });
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const source = join(directory, entry.name);
    const target = join(staging, entry.name);
    if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
    else {
      if (entry.isDirectory()) mkdirSync(target);
      else writeFileSync(target, "");
      bind(source, target);
    }
  }
}

/** Makes it possible to create entries in `directory` without the host seeing them. */
function makeWritable(directory: string, plan: MountPlan): void {
  const staging = mkdtempSync(join(plan.podDir, "root-"));
  mirror(directory, staging);
  if (directory !== "/") {
    bind(staging, directory);
    unmountDetached(staging);
    return;
  }
  const old = mkdtempSync(join(staging, ".old-"));
  pivotRoot(staging, old);
  process.chdir("/");
  const oldInside = join("/", old.slice(staging.length));
  unmountDetached(oldInside);
  rmdirSync(oldInside);
}

function nearestExisting(path: string): string {
  let current = path;
  while (!existsSync(current)) current = dirname(current);
  return realpathSync(current);
}

/** What was mounted so far, to know where a mount point may be created without touching the host. */
interface Mounted {
  /** Device numbers of the tmpfs made by `makeWritable`: everything on them is the container's own. */
  readonly devices: Set<number>;
  readonly volumes: { readonly target: string; readonly isWritablePodVolume: boolean }[];
}

/** On our own tmpfs, or in a volume that belongs to the pod (there Kubernetes too creates the directory). */
function mayCreateIn(directory: string, mounted: Mounted): boolean {
  if (mounted.devices.has(statSync(directory).dev)) return true;
  const around = mounted.volumes.filter(({ target }) => isWithin(directory, target));
  return around.sort((a, b) => b.target.length - a.target.length)[0]?.isWritablePodVolume === true;
}

interface MountPoint {
  readonly path: string;
  readonly directory: boolean;
}

function ensureMountPoint({ path, directory }: MountPoint, plan: MountPlan, mounted: Mounted): string {
  if (existsSync(path)) {
    if (statSync(path).isDirectory() === directory) return realpathSync(path);
    throw invalid(
      `${path} is a ${directory ? "file" : "directory"} on this machine, the volume is a ${directory ? "directory" : "file"}`,
      "Choose another mountPath.",
    );
  }
  const parent = nearestExisting(dirname(path));
  if (!mayCreateIn(parent, mounted)) {
    makeWritable(parent, plan);
    mounted.devices.add(statSync(parent).dev);
  }
  mkdirSync(directory ? path : dirname(path), { recursive: true });
  if (!directory) writeFileSync(path, "");
  return realpathSync(path);
}

/** A directory above runDir or the node's /proc that is mounted elsewhere would show it there: cover it. */
function coverHidden(hostPath: string, mountPath: string, runDir: string): void {
  for (const hidden of [runDir, "/proc"]) if (isWithin(hidden, hostPath)) hide(join(mountPath, relative(hostPath, hidden)));
}

function hide(directory: string): void {
  if (!existsSync(directory)) return;
  mount("tmpfs", directory, { type: "tmpfs", flags: MountFlag.readOnly | MountFlag.noSuid | MountFlag.noDev, data: "mode=0555,size=4k" });
}

/** /etc/resolv.conf is often a symbolic link, sometimes to nothing. */
function configFilePath(path: string): string {
  try {
    return lstatSync(path).isSymbolicLink() && !existsSync(path) ? posix.resolve(dirname(path), readlinkSync(path)) : path;
  } catch {
    return path;
  }
}

function mountVolume(volume: Volume, plan: MountPlan, mounted: Mounted): void {
  const hostPath = checkedHostPath(volume, plan);
  const point = { path: posix.normalize(volume.mountPath), directory: statSync(hostPath).isDirectory() };
  const target = ensureMountPoint(point, plan, mounted);
  // A symbolic link may have led the mount path there.
  if (isWithin(target, plan.runDir)) throw invalid(`the mount path "${volume.mountPath}" is reserved`, "Mount the volume elsewhere.");
  bind(hostPath, target);
  coverHidden(hostPath, target, plan.runDir);
  if (volume.readOnly === true) setMountReadOnly(target);
  mounted.volumes.push({ target, isWritablePodVolume: volume.readOnly !== true && isWithin(hostPath, plan.podDir) });
}

/** Devices and control groups are the host's: the container's root may look only. Volumes bound from there later inherit it. */
function protectSys(): void {
  try {
    setMountReadOnly("/sys");
  } catch (error) {
    // EINVAL: nothing is mounted there, so there is nothing to protect.
    if (!(error instanceof SyscallError && error.code === "EINVAL")) throw error;
  }
}

/** Mounts everything of a container; throws MeshError naming the volume that can't be mounted. */
export function mountContainerFiles(plan: MountPlan): void {
  protectSys();
  const mounted: Mounted = { devices: new Set(), volumes: [] };
  const files: readonly Volume[] = ["resolv.conf", "hosts"].map((name) => ({
    hostPath: join(plan.podDir, name),
    mountPath: configFilePath(join("/etc", name)),
  }));
  const depth = (volume: Volume): number => posix.normalize(volume.mountPath).split("/").length;
  for (const volume of [...files, ...plan.volumes].sort((a, b) => depth(a) - depth(b))) {
    try {
      mountVolume(volume, plan, mounted);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      throw new MeshError("invalid", `cannot mount ${volume.hostPath} at ${volume.mountPath}: ${error.message}`, {
        cause: error,
        fix: "Use a mountPath whose parent directory exists on this machine.",
      });
    }
  }
  hide(plan.runDir);
}
