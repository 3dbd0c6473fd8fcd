// DNS over one TCP connection: messages with two bytes of length in front (RFC 1035 §4.2.2), answered one after the other. Nothing more is read
// while an answer waits to be taken, so a client that only asks costs one answer.

import type { Socket } from "node:net";
import { parseDnsQuery } from "./dns-message.ts";

const idleMs = 10_000;

/** Serves until the client ends, says nothing for ten seconds, or something that is no query. `answer` must not reject. */
export function serveDnsConnection(connection: Socket, answer: (query: Uint8Array) => Promise<Uint8Array>): void {
  let received: Buffer = Buffer.alloc(0);
  connection.setTimeout(idleMs, () => connection.destroy());
  connection.on("error", () => connection.destroy());
  connection.on("data", async (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    connection.pause();
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      received = received.subarray(2 + message.length);
      if (parseDnsQuery(message) === undefined) connection.destroy();
      if (connection.destroyed) return;
      await send(connection, await answer(message));
    }
    connection.resume();
  });
}

async function send(connection: Socket, reply: Uint8Array): Promise<void> {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(reply.length);
  if (!connection.writable || connection.write(Buffer.concat([length, reply]))) return;
  await new Promise<void>((resolve) => {
    connection.once("drain", resolve);
    connection.once("close", () => resolve());
  });
}
