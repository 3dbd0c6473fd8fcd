// A Unix socket that forwards to another one, late: makes windows between two messages wide enough for traffic to fall into.

import { createConnection, createServer, type Socket } from "node:net";

/** Forwards both ways in order, each chunk after `delayMs`. */
export async function startSlowRelay(from: string, to: string, delayMs: number): Promise<AsyncDisposable> {
  const open = new Set<Socket>();
  const track = (socket: Socket): Socket => {
    open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => open.delete(socket));
    return socket;
  };
  const forward = (source: Socket, target: Socket): void => {
    source.on("data", (chunk: Buffer) => setTimeout(() => target.write(chunk), delayMs));
    source.on("close", () => setTimeout(() => target.destroy(), delayMs));
  };
  const server = createServer((near) => {
    const far = track(createConnection(to));
    forward(track(near), far);
    forward(far, near);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(from, resolve));
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
