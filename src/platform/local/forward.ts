// Host ports into the fabric: the supervisor opens a loopback port on the host and hands the listening socket over IPC;
// the node process accepts there and joins each connection with one to a pod.

import { connect, createServer, Server, type Socket } from "node:net";
import { z } from "zod";
import { boundPort } from "../../lib/bound-port.ts";
import { UserError } from "../../lib/errors.ts";
import type { Channel } from "./ipc.ts";
import { joinSockets } from "./join-sockets.ts";
import type { Forward, ForwardTarget } from "./sandbox.ts";

const defaultMaxConnections = 1024;
const backlog = 1024;

/** Forwards what `server` accepts (node process). Call it in the turn in which the server was received: it accepts already. */
export function startForward(server: Server, first: ForwardTarget): Forward {
  let target = first;
  const open = new Set<Socket>();
  const accept = (client: Socket): void => {
    client.on("error", () => {});
    if (open.size >= (target.maxConnections ?? defaultMaxConnections)) return void client.resetAndDestroy();
    open.add(client);
    const upstream = connect({ host: target.address, port: target.port, allowHalfOpen: true });
    client.once("close", () => open.delete(client));
    joinSockets(client, upstream);
  };
  server.on("connection", accept);
  server.on("error", () => {});
  const close = (): Promise<void> => {
    for (const socket of open) socket.resetAndDestroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return {
    retarget: (next) => {
      target = next;
    },
    close,
  };
}

/** Opens a port on the host (supervisor); `port` 0 = any free one. Throws UserError when it is taken. */
export async function openHostPort(port: number, address: string = "127.0.0.1"): Promise<{ server: Server; port: number }> {
  // Until the port is handed over, a connection can only be refused: it must not hang.
  const server = createServer((socket) => socket.resetAndDestroy());
  return await new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "is in use by another program" : `can't be opened: ${error.message}`;
      reject(
        new UserError(`port ${port} of ${address} ${reason}`, {
          cause: error,
          fix: "Choose another port in lateen.yaml (gateway.ports), or 0 for any.",
        }),
      );
    });
    server.listen({ port, host: address, backlog }, () => resolve({ server, port: boundPort(server) ?? port }));
  });
}

/** Hands a host port to the node process under a name; resolves when the supervisor has given it up. Announce the port after that. */
export function sendHostPort(channel: Channel, name: string, server: Server): Promise<void> {
  return new Promise((resolve) => {
    channel.send({ kind: "forward.port", name }, server, () => {
      server.close();
      resolve();
    });
  });
}

const portSchema = z.object({ name: z.string() });

/** Receives host ports (node process). */
export function onHostPort(channel: Channel, listener: (name: string, server: Server) => void): void {
  channel.onMessage((message, handle) => {
    if (message.kind !== "forward.port" || !(handle instanceof Server)) return;
    const port = portSchema.safeParse(message);
    if (port.success) listener(port.data.name, handle);
  });
}
