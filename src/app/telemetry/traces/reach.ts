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
      let read = "";
      const fail = (reason: string): void => {
        socket.destroy();
        reject(new Unavailable(`${address}:${port} can't be reached: ${reason}`));
      };
      // Read without flowing, so that whoever gets the socket begins where the line ended.
      const onReadable = (): void => {
        for (let byte = socket.read(1); byte !== null; byte = socket.read(1)) {
          const letter = String(byte);
          if (letter !== "\n") {
            read += letter;
            continue;
          }
          socket.off("readable", onReadable);
          // From now on `fail` is of no effect: the promise is settled.
          socket.setTimeout(0);
          if (read === "ok") resolve(socket);
          else fail(read);
          return;
        }
      };
      socket.setTimeout(reachMs, () => fail("no answer"));
      socket.once("error", (error) => fail(error.message));
      socket.once("close", () => fail("the node closed the connection"));
      socket.on("readable", onReadable);
      socket.write(`${address} ${port}\n`);
    });
}
