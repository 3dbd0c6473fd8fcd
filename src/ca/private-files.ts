// Files nobody else may read: the checks on a directory and its files before they are used, and writes that are there as a whole or not at all.

import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { BadInput, codeOf, MeshError, Unavailable, UserError } from "../lib/errors.ts";

/** A file as successive whole contents, each written once and numbered; the highest number counts. */
export interface Generation {
  readonly number: number;
  readonly text: string;
}

/** A leftover of a crashed writer is removed when it is this much older than what is being written. */
const staleTemporaryMs = 60_000;

/**
 * Makes the directory with mode 0700, or checks that it has it and is ours.
 *
 * @throws UserError when others could read or write in it; Unavailable when it can't be made.
 */
export function requirePrivateDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Unavailable(`the directory ${directory} can't be made: ${reasonOf(error)}`, {
      cause: error,
      fix: "name a directory you may write to",
    });
  }
  const stats = statOf(directory);
  requireOwner(directory, stats);
  requireMode(directory, stats, { forbidden: 0o077, wanted: "0700" });
}

/**
 * Reads a file that must be ours and closed to everybody else; `readableBy` "group" allows the group to read, as mounted Secrets need it.
 *
 * @throws UserError for wide permissions, BadInput when it isn't there or can't be read.
 */
export function readPrivateFile(path: string, readableBy: "owner" | "group" = "owner"): string {
  const stats = statOf(path);
  if (readableBy === "owner") requireOwner(path, stats);
  const rule = readableBy === "owner" ? { forbidden: 0o077, wanted: "0600" } : { forbidden: 0o037, wanted: "0640" };
  requireMode(path, stats, rule);
  return readPublicFile(path);
}

/** Reads a file without secrets. @throws BadInput when it isn't there or can't be read. */
export function readPublicFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw missing(path, error);
  }
}

/** The newest generation of `<name>.<number>.json` in the directory; undefined when there is none. */
export function readGeneration(directory: string, name: string): Generation | undefined {
  for (;;) {
    const number = newestOf(directory, name);
    if (number === 0) return undefined;
    try {
      return { number, text: readPrivateFile(fileOf(directory, name, number)) };
    } catch (error) {
      // Another process wrote a newer one and removed this one meanwhile.
      if (newestOf(directory, name) > number) continue;
      throw error;
    }
  }
}

/**
 * Writes the generation after `previous` (0 for the first) and removes the older ones. False when another process was faster: read again.
 * After a crash at any point the newest generation is a whole one.
 *
 * @throws Unavailable when the disk is full or read-only.
 */
export function writeGeneration(directory: string, name: string, { number: previous, text }: Generation): boolean {
  const number = previous + 1;
  const temporary = join(directory, `.${name}.${randomBytes(8).toString("hex")}.tmp`);
  try {
    writeDurably(temporary, text);
    if (!tryLink(temporary, fileOf(directory, name, number))) return false;
    // A writer that read long ago may have found its number free again, below a newer one.
    if (newestOf(directory, name) > number) {
      rmSync(fileOf(directory, name, number), { force: true });
      return false;
    }
    syncDirectory(directory);
    removeOlder(directory, name, { number, newerThanMs: statSync(temporary).mtimeMs - staleTemporaryMs });
    return true;
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw new Unavailable(`${directory} can't be written to: ${reasonOf(error)}`, {
      cause: error,
      fix: "free space on the disk, or make it writable",
    });
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, "wx", 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function syncDirectory(directory: string): void {
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function removeOlder(
  directory: string,
  name: string,
  { number, newerThanMs }: { readonly number: number; readonly newerThanMs: number },
): void {
  for (const file of filesOf(directory)) {
    const path = join(directory, file);
    const generation = numberOf(file, name);
    const isOld = generation > 0 && generation < number;
    const isLeftover =
      file.startsWith(`.${name}.`) &&
      file.endsWith(".tmp") &&
      (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? newerThanMs) < newerThanMs;
    if (isOld || isLeftover) rmSync(path, { force: true });
  }
}

function newestOf(directory: string, name: string): number {
  return Math.max(0, ...filesOf(directory).map((file) => numberOf(file, name)));
}

function filesOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    throw missing(directory, error);
  }
}

function numberOf(file: string, name: string): number {
  if (!file.startsWith(`${name}.`)) return 0;
  const digits = /^(\d{1,9})\.json$/.exec(file.slice(name.length + 1))?.[1];
  return digits === undefined ? 0 : Number(digits);
}

function fileOf(directory: string, name: string, number: number): string {
  return join(directory, `${name}.${number}.json`);
}

function statOf(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw missing(path, error);
  }
}

function requireOwner(path: string, { uid }: Stats): void {
  const self = process.geteuid?.();
  if (self === undefined || uid === self) return;
  throw new UserError(`${path} belongs to another user (uid ${uid}), who could read the authority's keys`, {
    fix: `give it to the user who runs the mesh: chown -R ${self} ${path}`,
  });
}

function requireMode(path: string, { mode }: Stats, { forbidden, wanted }: { readonly forbidden: number; readonly wanted: string }): void {
  if ((mode & forbidden) === 0) return;
  const found = (mode & 0o777).toString(8).padStart(4, "0");
  throw new UserError(`${path} is open to other users (mode ${found}): whoever reads it can be any workload of the mesh`, {
    fix: `close it: chmod ${wanted} ${path}; if others had access, replace the authority's keys`,
  });
}

function missing(path: string, cause: unknown): MeshError {
  return new BadInput(`${path} can't be read: ${reasonOf(cause)}`, {
    cause,
    fix: "check that the file is there and this user may read it",
  });
}

function reasonOf(error: unknown): string {
  return codeOf(error) ?? MeshError.from(error).message;
}
