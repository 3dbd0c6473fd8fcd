// The fabric's side of egress: TCP that pods send to the outside world ends at a listener here, which asks `dial` for a connection to
// the original destination and joins the two. Production's `dial` asks the supervisor over IPC (egress-dialer.ts): only it is on the host's network.

import { createServer, type Server, Socket } from "node:net";
import { z } from "zod";
import { boundPort } from "../../lib/bound-port.ts";
import type { Logger } from "../../lib/log.ts";
import { fabricAddress } from "./addresses.ts";
import type { Channel } from "./ipc.ts";
import { joinSockets } from "./join-sockets.ts";
import { originalDestination } from "./syscalls.ts";

/** Opens a connection outside of the fabric; rejects with a DialError that says why. */
export type Dial = (address: string, port: number) => Promise<Socket>;

/** Why a connection to the outside failed. */
export const dialFailures = ["refused", "timeout", "unreachable", "forbidden", "overloaded"] as const;
export type DialFailure = (typeof dialFailures)[number];

/** A connection that could not be opened. */
export class DialError extends Error {
  readonly reason: DialFailure;

  constructor(reason: DialFailure, message: string) {
    super(message);
    this.name = "DialError";
    this.reason = reason;
  }
}

/** Connections to the outside at the same time; further ones are reset. */
const maxConnections = 4096;
const maxPendingDials = 1024;

export interface Egress {
  /** Port on the fabric's address that the rules redirect to. */
  readonly port: number;
  close(): Promise<void>;
}

const withDescriptor = z.object({ _handle: z.object({ fd: z.number().int().nonnegative() }) });

/** Node shows a socket's descriptor only on its handle. */
export function descriptorOf(socket: Socket): number {
  return withDescriptor.parse(socket)._handle.fd;
}

async function handleConnection(client: Socket, dial: Dial, logger: Logger): Promise<void> {
  client.on("error", () => {});
  try {
    const target = originalDestination(descriptorOf(client));
    // Someone who connects to the listener itself would be dialled in a circle.
    if (target.address === fabricAddress) throw new DialError("forbidden", "the egress listener itself");
    const outside = await dial(target.address, target.port);
    joinSockets(client, outside);
  } catch (error) {
    logger.debug("egress connection failed", { reason: error instanceof DialError ? error.reason : "internal", error: String(error) });
    client.resetAndDestroy();
  }
}

/** Starts the listener on the fabric's address. */
export async function startEgress(dial: Dial, logger: Logger): Promise<Egress> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    open.add(client);
    client.once("close", () => open.delete(client));
    void handleConnection(client, dial, logger);
  });
  server.maxConnections = maxConnections;
  const port = await listen(server);
  const close = (): Promise<void> => {
    for (const socket of open) socket.resetAndDestroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { port, close };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, fabricAddress, 1024, () => resolve(boundPort(server) ?? 0));
  });
}

const answerSchema = z.object({ id: z.number(), failure: z.enum(dialFailures).optional(), detail: z.string().optional() });

/** A `dial` that asks the supervisor at the other end of the channel. */
export function createIpcDial(channel: Channel): Dial {
  const pending = new Map<number, { resolve: (socket: Socket) => void; reject: (error: unknown) => void }>();
  let nextId = 0;
  channel.onMessage((message, handle) => {
    if (message.kind !== "egress.answer") return;
    const answer = answerSchema.safeParse(message);
    const waiting = answer.success ? pending.get(answer.data.id) : undefined;
    if (!answer.success || waiting === undefined) return void (handle instanceof Socket && handle.destroy());
    pending.delete(answer.data.id);
    if (handle instanceof Socket) waiting.resolve(handle);
    else
      waiting.reject(
        new DialError(answer.data.failure ?? "unreachable", answer.data.detail ?? "the connection ended before it was handed over"),
      );
  });
  channel.onClose(() => {
    for (const { reject } of pending.values()) reject(new DialError("unreachable", "the supervisor is gone"));
    pending.clear();
  });
  return (address, port) => {
    if (pending.size >= maxPendingDials)
      return Promise.reject(new DialError("overloaded", `${maxPendingDials} connections are being opened`));
    nextId += 1;
    const id = nextId;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      channel.send({ kind: "egress.dial", id, address, port });
    });
  };
}
