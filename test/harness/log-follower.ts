// The access logs of a mesh from now on, line by line: also those that have left the bounded log files by the time somebody looks at the whole.

import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

export interface FollowedLine {
  /** "<namespace>_<pod>_istio-proxy.log". */
  readonly file: string;
  readonly line: string;
}

interface Followed {
  readonly descriptor: number;
  readonly inode: number;
  position: number;
}

/** Follows every proxy's log, new pods' too. A log moves aside when it is full; whoever reads every few seconds misses nothing. */
export class LogFollower {
  readonly #folder: string;
  readonly #files = new Map<string, Followed>();

  constructor(folder: string) {
    this.#folder = folder;
    for (const name of this.#names()) {
      const file = this.#open(name);
      if (file !== undefined) file.position = fstatSync(file.descriptor).size;
    }
  }

  /** What was written since the last time. */
  read(): readonly FollowedLine[] {
    return this.#names().flatMap((name) => this.#linesOf(name));
  }

  [Symbol.dispose](): void {
    for (const { descriptor } of this.#files.values()) closeSync(descriptor);
    this.#files.clear();
  }

  #names(): readonly string[] {
    return readdirSync(this.#folder).filter((name) => name.endsWith("_istio-proxy.log"));
  }

  #linesOf(name: string): readonly FollowedLine[] {
    const file = this.#files.get(name) ?? this.#open(name);
    if (file === undefined) return [];
    const inode = inodeOf(join(this.#folder, name));
    // Once another file has the name, nothing is added to this one.
    let text = rest(file);
    if (inode !== undefined && inode !== file.inode) {
      closeSync(file.descriptor);
      const next = this.#open(name);
      if (next !== undefined) text += rest(next);
    }
    return text.split("\n").flatMap((line) => (line === "" ? [] : [{ file: name, line }]));
  }

  #open(name: string): Followed | undefined {
    this.#files.delete(name);
    try {
      const descriptor = openSync(join(this.#folder, name), "r");
      const file = { descriptor, inode: fstatSync(descriptor).ino, position: 0 };
      this.#files.set(name, file);
      return file;
    } catch {
      // It is just being moved aside; the next one comes at once.
      return undefined;
    }
  }
}

/** Everything from where the last reading ended. */
function rest(file: Followed): string {
  const size = fstatSync(file.descriptor).size;
  const bytes = Buffer.alloc(size - file.position);
  const read = readSync(file.descriptor, bytes, 0, bytes.length, file.position);
  file.position += read;
  return bytes.toString("utf8", 0, read);
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
