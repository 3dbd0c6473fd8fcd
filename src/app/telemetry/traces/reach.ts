// Connections from the control plane into the fabric, through the node's socket (platform/local/node/span-bridge.ts).

import { connect, type Socket } from "node:net";
import { Unavailable } from "../../../lib/errors.ts";
import type { Connect } from "./destination.ts";

const reachMs = 5000;

/** Connects to pods by their addresses. */
export function reachThrough(socketPath: string): Connect {
  return (address, port) =>
    new Promise((resolve, reject) => {
      const socket: Socket = connect({ path: socketPath });
      let read = Buffer.alloc(0);
      const fail = (reason: string): void => {
        socket.destroy();
        reject(new Unavailable(`${address}:${port} can't be reached: ${reason}`));
      };
      const onData = (chunk: Buffer): void => {
        read = Buffer.concat([read, chunk]);
        const end = read.indexOf("\n");
        if (end === -1) return;
        socket.off("data", onData);
        const answer = read.subarray(0, end).toString("utf8");
        if (answer !== "ok") {
          fail(answer);
          return;
        }
        socket.pause();
        socket.setTimeout(0);
        socket.unshift(read.subarray(end + 1));
        resolve(socket);
      };
      socket.setTimeout(reachMs, () => fail("no answer"));
      socket.once("error", (error) => fail(error.message));
      socket.once("close", () => fail("the node closed the connection"));
      socket.on("data", onData);
      socket.write(`${address} ${port}\n`);
    });
}
