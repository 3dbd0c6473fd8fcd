// A process's output: bytes of its pipes -> lines for a callback, and the same lines appended to a bounded log file in CRI format.

import { closeSync, existsSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { StringDecoder } from "node:string_decoder";
import type { LogLine } from "./sandbox.ts";

/** Longer lines are cut into partial ones (Kubernetes' CRI: 16 KiB). */
export const maxLineBytes = 16 * 1024;
const maxFileBytes = 5 * 1024 * 1024;

/** Splits a stream of bytes into lines. */
export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #emit: (text: string, partial: boolean) => void;
  #rest = "";

  constructor(emit: (text: string, partial: boolean) => void) {
    this.#emit = emit;
  }

  push(chunk: Buffer): void {
    const parts = (this.#rest + this.#decoder.write(chunk)).split("\n");
    this.#rest = parts.pop() ?? "";
    for (const part of parts) this.#line(part);
    while (this.#rest.length > maxLineBytes) {
      this.#emit(this.#rest.slice(0, maxLineBytes), true);
      this.#rest = this.#rest.slice(maxLineBytes);
    }
  }

  /** The last line may lack its newline. */
  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (rest !== "") this.#line(rest);
  }

  #line(text: string): void {
    let rest = text;
    while (rest.length > maxLineBytes) {
      this.#emit(rest.slice(0, maxLineBytes), true);
      rest = rest.slice(maxLineBytes);
    }
    this.#emit(rest, false);
  }
}

/** One line as the Container Runtime Interface writes it: `<RFC 3339 time> <stream> <F or P> <text>`. */
export function criLine(line: LogLine): string {
  return `${new Date(line.time).toISOString()} ${line.stream} ${line.partial ? "P" : "F"} ${line.text}\n`;
}

/** An append-only log file that keeps its last 5 to 10 MB: `path` and `path.1`. Opening moves the run before to `path.previous`. */
export class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number;
  #size: number;

  constructor(path: string, maxBytes: number = maxFileBytes) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (existsSync(path)) renameSync(path, `${path}.previous`);
    this.#fd = openSync(path, "a", 0o600);
    this.#size = fstatSync(this.#fd).size;
  }

  write(text: string): void {
    if (this.#fd < 0) return;
    const bytes = Buffer.from(text);
    if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) this.#rotate();
    // A short or failed write (disk full) loses log lines, never the pod.
    try {
      this.#size += writeSync(this.#fd, bytes);
    } catch {
      this.#size += 0;
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #rotate(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#fd = openSync(this.#path, "a", 0o600);
    this.#size = 0;
  }
}

/** Where a process's lines go. */
export interface OutputSink {
  readonly logFile?: string | undefined;
  readonly onLog?: ((line: LogLine) => void) | undefined;
}

/** Receives the bytes of both streams; `close` after the last byte. */
export interface Output {
  readonly stdout: LineSplitter;
  readonly stderr: LineSplitter;
  close(): void;
}

/** Opens the sinks of one run of a process. */
export function openOutput(sink: OutputSink): Output {
  const file = sink.logFile === undefined ? undefined : new LogFile(sink.logFile);
  const emitter = (stream: LogLine["stream"]) => (text: string, partial: boolean) => {
    const line: LogLine = { stream, time: Date.now(), text, partial };
    file?.write(criLine(line));
    sink.onLog?.(line);
  };
  const stdout = new LineSplitter(emitter("stdout"));
  const stderr = new LineSplitter(emitter("stderr"));
  const close = (): void => {
    stdout.end();
    stderr.end();
    file?.close();
  };
  return { stdout, stderr, close };
}
