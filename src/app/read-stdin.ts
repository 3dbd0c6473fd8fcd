// Standard input to its end, synchronously: files, pipes and sockets, also those whose other end made them non-blocking.

import { readSync } from "node:fs";
import { codeOf } from "../lib/errors.ts";

const chunkBytes = 64 * 1024;
const retryMs = 5;

/** Everything on standard input. @throws what read(2) says, but waits at EAGAIN: a large pipe from another Node process has pauses. */
export function readStdin(): Uint8Array {
  const chunks: Buffer[] = [];
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const chunk = Buffer.allocUnsafe(chunkBytes);
    const size = readOrWait(chunk);
    if (size === 0) return Buffer.concat(chunks);
    if (size === undefined) Atomics.wait(pause, 0, 0, retryMs);
    else chunks.push(chunk.subarray(0, size));
  }
}

/** Bytes read, 0 at the end, undefined when there are none yet. */
function readOrWait(chunk: Buffer): number | undefined {
  try {
    return readSync(0, chunk);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EAGAIN") return undefined;
    if (code === "EOF") return 0;
    throw error;
  }
}
