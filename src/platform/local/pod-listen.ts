// A listening socket inside a pod's network namespace whose connections this process handles: for what a pod's agent serves to the network.

import { closeSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { inNamespaces } from "./namespaces.ts";
import { bindSocket, openSocket, SocketOption, setSocketOption } from "./syscalls.ts";

/** More than whoever handles them keeps: the kernel's and our own tables stay small whatever comes. */
const maxConnections = 64;

export interface PodListener {
  close(): void;
}

/** Listens on all of the pod's IPv4 addresses. @throws SyscallError when something in the pod has the port. */
export function listenInPod(net: number, port: number, onConnection: (socket: Socket) => void): PodListener {
  const fd = inNamespaces({ net }, () => openBound(port));
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => open.delete(socket));
    onConnection(socket);
  });
  server.maxConnections = maxConnections;
  server.on("error", () => {});
  server.listen({ fd, exclusive: true });
  return {
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function openBound(port: number): number {
  const fd = openSocket("ipv4", "stream");
  try {
    setSocketOption(fd, { level: SocketOption.solSocket, name: SocketOption.reuseAddress, value: 1 });
    bindSocket(fd, "0.0.0.0", port);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
