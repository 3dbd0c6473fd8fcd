// Sends many writes as few batches: each small enough for the server, in order, and every answer or error at its write's place.

import type { MeshError } from "../lib/errors.ts";
import { type BatchAnswer, type BatchReply, type BatchWrite, maxBatchWrites } from "./contract.ts";
import { errorOf, type Transport } from "./transport.ts";

/** Half of the largest body that the server takes. */
const maxBatchBytes = 1.5 * 1024 * 1024;

/** One answer or error per write. @throws Unavailable when the control plane doesn't answer. */
export async function sendBatch(transport: Transport, writes: readonly BatchWrite[]): Promise<readonly (BatchAnswer | MeshError)[]> {
  const answers: (BatchAnswer | MeshError)[] = [];
  for (const batch of batchesOf(writes)) {
    const { text } = await transport.send({ method: "POST", path: "/lateen/v1/batch", body: { writes: batch } });
    const reply: BatchReply = JSON.parse(text);
    answers.push(...reply.answers.map((answer) => (answer.code >= 400 ? errorOf(answer.code, answer.body) : answer)));
  }
  return answers;
}

function batchesOf(writes: readonly BatchWrite[]): readonly (readonly BatchWrite[])[] {
  const batches: BatchWrite[][] = [];
  let size = 0;
  for (const write of writes) {
    const bytes = Buffer.byteLength(JSON.stringify(write));
    const last = batches.at(-1);
    if (last === undefined || last.length === maxBatchWrites || size + bytes > maxBatchBytes) {
      batches.push([write]);
      size = bytes;
    } else {
      last.push(write);
      size += bytes;
    }
  }
  return batches;
}
