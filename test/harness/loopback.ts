// A test's own server on loopback, at a port that is free.

import type { Server } from "node:net";
import { boundPort } from "../../src/lib/bound-port.ts";

/** Lets a server of node:net, node:http or node:tls listen on 127.0.0.1; resolves with its port. */
export async function listenOnLoopback(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", () => resolve()));
  const port = boundPort(server);
  if (port === undefined) throw new Error("a server on loopback has no port");
  return port;
}
