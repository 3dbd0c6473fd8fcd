// A TCP connection made inside a pod's network namespace that its capture rules let pass: straight to the application, never to its proxy.

import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { Unavailable } from "../../lib/errors.ts";
import { deliveryMark } from "./capture.ts";
import { inNamespaces } from "./namespaces.ts";
import { connectSocket, openSocket, SocketOption, SyscallError, setSocketOption } from "./syscalls.ts";

const pollMs = 5;

export interface PodTarget {
  /** Network namespace of the pod. */
  readonly net: number;
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

function openMarked(net: number): number {
  return inNamespaces({ net }, () => {
    const fd = openSocket("ipv4", "stream");
    try {
      setSocketOption(fd, { level: SocketOption.solSocket, name: SocketOption.mark, value: deliveryMark });
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

/** Connects; rejects with SyscallError (`ECONNREFUSED`) or Unavailable at the deadline. Local connects end within the call; the loop is for full backlogs. */
export async function connectInPod(target: PodTarget): Promise<Socket> {
  const deadline = performance.now() + target.timeoutMs;
  const fd = openMarked(target.net);
  try {
    while (connectSocket(fd, target.address, target.port) === "pending") {
      if (performance.now() > deadline) throw new Unavailable(`no connection within ${target.timeoutMs} ms`);
      await delay(pollMs);
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const socket = new Socket({ fd, readable: true, writable: true });
  socket.on("error", () => {});
  return socket;
}

/** Connects to an application wherever it listens: on the pod's address, on all, or on loopback only. */
export async function connectToApplication(target: PodTarget): Promise<Socket> {
  try {
    return await connectInPod(target);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== "ECONNREFUSED") throw error;
    return await connectInPod({ ...target, address: "127.0.0.1" });
  }
}
