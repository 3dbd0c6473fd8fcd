// The supervisor's side of egress: connects on the host's network for the fabric and hands the connected socket over IPC.

import { BlockList, isIPv4, Socket } from "node:net";
import { z } from "zod";
import { DialError, type DialFailure } from "./egress.ts";
import type { Channel } from "./ipc.ts";

const connectTimeoutMs = 10_000;

export interface DialerOptions {
  /**
   * Where to connect for an address that a pod asked for; undefined = refused. Default: the address itself, except the fabric's
   * own range, and this machine's loopback, multicast and unspecified addresses, which a pod never means.
   */
  readonly targetOf?: (address: string) => string | undefined;
}

const forbidden = new BlockList();
for (const [network, bits] of [
  ["198.18.0.0", 15],
  ["240.240.0.0", 16],
  ["127.0.0.0", 8],
  ["0.0.0.0", 8],
  ["224.0.0.0", 4],
] as const) {
  forbidden.addSubnet(network, bits, "ipv4");
}

/** The default `targetOf`. */
export function allowedTarget(address: string): string | undefined {
  return isIPv4(address) && !forbidden.check(address) ? address : undefined;
}

function failureOf(code: string | undefined): DialFailure {
  if (code === "ECONNREFUSED" || code === "ECONNRESET") return "refused";
  return code === "ETIMEDOUT" ? "timeout" : "unreachable";
}

/** Opens a connection; the socket is paused, so that no byte of a server that speaks first is read before the hand-over. */
export function dialHost(address: string, port: number): Promise<Socket> {
  const socket = new Socket({ allowHalfOpen: true });
  socket.pause();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new DialError("timeout", `${address}:${port} did not answer within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
    socket.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(new DialError(failureOf(error.code), error.message));
    });
    socket.connect({ host: address, port }, () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

const requestSchema = z.object({ id: z.number(), address: z.string(), port: z.number().int().min(1).max(65535) });

/** Answers the dials of the node process at the other end of the channel. */
export function serveDials(channel: Channel, options: DialerOptions = {}): void {
  const targetOf = options.targetOf ?? allowedTarget;
  const answer = async (id: number, address: string, port: number): Promise<void> => {
    try {
      const target = targetOf(address);
      if (target === undefined) throw new DialError("forbidden", `${address} is not an address of the outside world`);
      const socket = await dialHost(target, port);
      socket.on("error", () => {});
      channel.send({ kind: "egress.answer", id }, socket);
    } catch (error) {
      const failure = error instanceof DialError ? error.reason : "unreachable";
      channel.send({ kind: "egress.answer", id, failure, detail: error instanceof Error ? error.message : String(error) });
    }
  };
  channel.onMessage((message) => {
    if (message.kind !== "egress.dial") return;
    const request = requestSchema.safeParse(message);
    if (request.success) void answer(request.data.id, request.data.address, request.data.port);
  });
}
