// The IPC channel between supervisor and node process as one interface for both ends; messages are objects with a `kind`.

import type { ChildProcess } from "node:child_process";
import { Server, Socket } from "node:net";
import { z } from "zod";

/** What travels beside a message. */
export type Handle = Socket | Server;

/** One end of the channel. */
export interface Channel {
  /** Calls `sent` once the message is on its way (or the other end is gone): handles wait for each other, so close a server's own copy only then. */
  send(message: Message, handle?: Handle, sent?: () => void): void;
  /** Calls back for every message; `kind` tells whose it is. */
  onMessage(listener: (message: Message, handle: Handle | undefined) => void): void;
  onClose(listener: () => void): void;
}

const messageSchema = z.looseObject({ kind: z.string() });
/** `kind` names the protocol and the message: `egress.dial`. */
export type Message = z.infer<typeof messageSchema>;

function receiver(listener: (message: Message, handle: Handle | undefined) => void) {
  return (raw: unknown, handle: unknown): void => {
    const message = messageSchema.safeParse(raw);
    if (!message.success) return;
    listener(message.data, handle instanceof Socket || handle instanceof Server ? handle : undefined);
  };
}

/** The supervisor's end. */
export function childChannel(child: ChildProcess): Channel {
  return {
    send: (message, handle, sent = () => {}) => {
      if (child.connected) child.send(message, handle, {}, sent);
      else sent();
    },
    onMessage: (listener) => void child.on("message", receiver(listener)),
    onClose: (listener) => void child.once("disconnect", listener),
  };
}

/** The node process's end. */
export function parentChannel(): Channel {
  return {
    send: (message, handle, sent = () => {}) => {
      if (process.connected && process.send !== undefined) process.send(message, handle, {}, sent);
      else sent();
    },
    onMessage: (listener) => void process.on("message", receiver(listener)),
    onClose: (listener) => void process.once("disconnect", listener),
  };
}

/** Tells the supervisor that the node process is up. */
export function announceReady(channel: Channel): void {
  channel.send({ kind: readyKind });
}

/** The first message of a node process. */
export const readyKind = "ready";
