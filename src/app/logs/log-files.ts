// The log folder of a mesh: which pods and containers have logs, and the lines of one container across rotation and restarts.

import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { LineJoiner, type LogEntry } from "./cri.ts";

/** The sidecar's container name, as Istio's. */
export const proxyContainer = "istio-proxy";

/** One container's log: `<namespace>_<pod>_<container>.log`, and beside it `.1` (rotated) and `.previous` (the run before). */
export interface ContainerLog {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly path: string;
}

/** All container logs of the folder, by name; empty when there is no folder. */
export function containerLogs(logsDir: string): readonly ContainerLog[] {
  if (!existsSync(logsDir)) return [];
  return readdirSync(logsDir)
    .toSorted()
    .flatMap((file) => {
      const [namespace, pod, container, ...more] = file.endsWith(".log") ? file.slice(0, -".log".length).split("_") : [];
      if (namespace === undefined || pod === undefined || container === undefined || more.length > 0) return [];
      return [{ namespace, pod, container, path: join(logsDir, file) }];
    });
}

/** Logs of the mesh's own processes: the supervisor's and the node's in one, and the control plane's. */
export function ownLogs(logsDir: string): readonly ContainerLog[] {
  return ["mesh", "control-plane"]
    .map((name) => ({ namespace: "", pod: "", container: name, path: join(logsDir, `${name}.log`) }))
    .filter(({ path }) => existsSync(path));
}

/** What the container's present run wrote, as far as it is kept (5 to 10 MB); `previous` reads the run before, of which the newest file is kept. */
export function readLog({ path }: ContainerLog, { previous }: { readonly previous: boolean }): readonly LogEntry[] {
  const joiner = new LineJoiner();
  const entries = joiner.push(previous ? linesOf(`${path}.previous`) : [...linesOf(`${path}.1`), ...linesOf(path)]);
  return [...entries, ...joiner.flush()];
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

/** The end of what a container wrote, at most `bytes` of it and from a whole line on. */
export function readLogEnd(path: string, bytes: number): readonly LogEntry[] {
  try {
    const fd = openSync(path, "r");
    try {
      const { size } = fstatSync(fd);
      const from = Math.max(0, size - bytes);
      const buffer = Buffer.alloc(size - from);
      const length = readSync(fd, buffer, 0, buffer.length, from);
      const lines = buffer.subarray(0, length).toString("utf8").split("\n");
      return new LineJoiner().push(from === 0 ? lines : lines.slice(1));
    } finally {
      closeSync(fd);
    }
  } catch {
    return [];
  }
}

const chunkBytes = 256 * 1024;

/** Reads a log as it grows, through rotations and restarts, which rename the file and begin another one. */
export class LogFollower {
  readonly #path: string;
  readonly #joiner = new LineJoiner();
  #fd: number | undefined;
  #inode = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor({ path }: ContainerLog) {
    this.#path = path;
    this.#open();
  }

  /** What is there already: the rotated file first. */
  first(): readonly LogEntry[] {
    const rotated = `${this.#path}.1`;
    // Rotated since it was opened: then it is the file that poll() reads.
    const isOurs = statSync(rotated, { throwIfNoEntry: false })?.ino === this.#inode;
    return [...(isOurs ? [] : this.#joiner.push(linesOf(rotated))), ...this.poll()];
  }

  /** What was written since the last call. */
  poll(): readonly LogEntry[] {
    const entries = [...this.#joiner.push(this.#read())];
    const inode = statSync(this.#path, { throwIfNoEntry: false })?.ino;
    if (inode === undefined || inode === this.#inode) return entries;
    // The old file gets no more lines once the new one is there; these came between reading and looking.
    entries.push(...this.#joiner.push(this.#read()));
    this.close();
    this.#open();
    return [...entries, ...this.#joiner.push(this.#read())];
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): void {
    this.#rest = Buffer.alloc(0);
    try {
      this.#fd = openSync(this.#path, "r");
      this.#inode = fstatSync(this.#fd).ino;
    } catch {
      this.#fd = undefined;
      this.#inode = 0;
    }
  }

  /** Whole lines only; what lacks its line end waits. */
  #read(): readonly string[] {
    if (this.#fd === undefined) return [];
    const chunks = [this.#rest];
    for (;;) {
      const chunk = Buffer.alloc(chunkBytes);
      const length = readSync(this.#fd, chunk);
      if (length === 0) break;
      chunks.push(chunk.subarray(0, length));
    }
    const bytes = Buffer.concat(chunks);
    const end = bytes.lastIndexOf("\n") + 1;
    this.#rest = bytes.subarray(end);
    return end === 0
      ? []
      : bytes
          .subarray(0, end - 1)
          .toString("utf8")
          .split("\n");
  }
}
