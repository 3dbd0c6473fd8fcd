// Connects two sockets: bytes and half-close in both directions, an error on one side becomes a reset on the other, where there are resets.

import type { Socket } from "node:net";

/** Unix sockets know no reset, and Node throws when asked for one. */
function reset(socket: Socket): void {
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}

function follow(from: Socket, to: Socket): void {
  from.on("error", () => reset(to));
  from.once("close", () => {
    if (!to.destroyed && !(from.readableEnded && from.writableFinished)) reset(to);
  });
  from.pipe(to);
}

/** Joins both sockets until both directions have ended; calls `closed` once when both are gone. */
export function joinSockets(a: Socket, b: Socket, closed: () => void = () => {}): void {
  let open = 2;
  for (const socket of [a, b]) {
    // Half-close: the other direction stays open after one side's FIN. Sockets received over IPC come without it.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.once("close", () => {
      open -= 1;
      if (open === 0) closed();
    });
  }
  if (a.destroyed || b.destroyed) {
    reset(a);
    reset(b);
    return;
  }
  follow(a, b);
  follow(b, a);
}
