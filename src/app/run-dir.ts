// The runtime directory of a mesh: taken by one supervisor at a time, and gone when that one is gone, however it ended.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { codeOf, UserError } from "../lib/errors.ts";
import { type MeshConfig, meshNameOf, runFiles } from "./config.ts";

const lockSchema = z.object({ pid: z.number().int(), startTime: z.string(), runId: z.string() });

export type SupervisorLock = z.infer<typeof lockSchema>;

export interface RunDirectory {
  readonly path: string;
  /** Removes the directory and everything in it. Idempotent. */
  remove(): void;
}

/**
 * Takes the mesh's runtime directory for this process; leftovers of a dead supervisor are removed first.
 *
 * @throws UserError when a living supervisor holds it.
 */
export function takeRunDirectory(config: MeshConfig, runId: string): RunDirectory {
  const path = config.runDir;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  requireOwn(dirname(path));
  if (!tryMake(path)) {
    const holder = supervisorOf(config);
    if (holder !== undefined) {
      throw new UserError(`the mesh "${config.mesh}" is already running (process ${holder.pid})`, {
        fix: `stop it with \`lateen down --mesh ${config.mesh}\`, or start another one with \`--mesh <name>\``,
      });
    }
    removeTree(path);
    if (!tryMake(path)) throw new UserError(`another process is just starting the mesh "${config.mesh}"`, { fix: "try again in a moment" });
  }
  const lock: SupervisorLock = { pid: process.pid, startTime: startTimeOf(process.pid) ?? "", runId };
  writeFileSync(runFiles.lock(path), JSON.stringify(lock), { mode: 0o600 });
  for (const folder of [runFiles.xdsDir(path), runFiles.logsDir(path), `${path}/pods`]) mkdirSync(folder, { mode: 0o700 });
  rmSync(runFiles.sharedDir(path), { recursive: true, force: true });
  mkdirSync(runFiles.sharedDir(path), { mode: 0o700 });
  const janitor = startJanitor(path, runId);
  return {
    path,
    remove: () => {
      removeTree(path);
      rmSync(runFiles.sharedDir(path), { recursive: true, force: true });
      janitor.stdin?.destroy();
    },
  };
}

/** In a shared temporary directory somebody else may have made the folder first. */
function requireOwn(folder: string): void {
  const { uid, mode } = statSync(folder);
  if (uid === process.getuid?.() && (mode & 0o022) === 0) return;
  throw new UserError(`the folder ${folder} belongs to somebody else or others may write to it`, {
    fix: "remove it, or set XDG_RUNTIME_DIR to a folder of your own",
  });
}

function tryMake(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw new UserError(`the runtime directory ${path} can't be made: ${error instanceof Error ? error.message : String(error)}`, {
      fix: "set XDG_RUNTIME_DIR to a folder you may write to",
    });
  }
}

/** Renames first, so that a process still writing there can't bring half of it back. */
function removeTree(path: string): void {
  const dead = `${path}.${process.pid}.old`;
  try {
    renameSync(path, dead);
  } catch {
    return;
  }
  rmSync(dead, { recursive: true, force: true, maxRetries: 3 });
}

/** The mesh that a command without `--mesh` means: the folder's own when it runs, else the only one that does. */
export function runningMesh(config: MeshConfig): MeshConfig {
  if (config.isNamed || supervisorOf(config) !== undefined) return config;
  const root = dirname(config.runDir);
  const names = readdirSafely(root).filter((name) => meshNameOf(name) === name);
  const running = names.map((mesh) => ({ ...config, mesh, runDir: join(root, mesh) })).filter((other) => supervisorOf(other) !== undefined);
  const [only, ...others] = running;
  return only !== undefined && others.length === 0 ? only : config;
}

function readdirSafely(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The living supervisor of a mesh; undefined when it isn't running. */
export function supervisorOf(config: MeshConfig): SupervisorLock | undefined {
  let lock: SupervisorLock;
  try {
    lock = lockSchema.parse(JSON.parse(readFileSync(runFiles.lock(config.runDir), "utf8")));
  } catch {
    return undefined;
  }
  return startTimeOf(lock.pid) === lock.startTime ? lock : undefined;
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it names one process for ever. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** A detached shell that wakes when this process is gone and removes the directory, if it is still this run's. */
function startJanitor(path: string, runId: string): ChildProcess {
  const script = 'read -r _; grep -q "$2" "$1/supervisor.json" 2>/dev/null || exit 0; mv "$1" "$1.$$.old" && rm -rf "$1.$$.old" "$3"';
  const janitor = spawn("sh", ["-c", script, "lateen-janitor", path, runId, runFiles.sharedDir(path)], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
  });
  janitor.unref();
  const { stdin } = janitor;
  if ("unref" in stdin && typeof stdin.unref === "function") stdin.unref();
  return janitor;
}
