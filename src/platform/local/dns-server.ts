// The pods' DNS: one server in the node process with sockets inside every pod's network namespace (127.0.0.1 and ::1, UDP and TCP, port 15053).
// Bound to loopback, not the wildcard: else replies leave from the pod's address, miss the NAT entry, and look-ups time out.

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { closeSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { sidecarPorts } from "./capture.ts";
import { type DnsHost, type DnsTable, decideDnsReply, dnsTableOf } from "./dns-answer.ts";
import { serveDnsConnection } from "./dns-connection.ts";
import { encodeDnsReply, fitUdp, parseDnsQuery, ResponseCode, serverFailure } from "./dns-message.ts";
import { inNamespaces } from "./namespaces.ts";
import { bindSocket, openSocket, SocketOption, setSocketOption } from "./syscalls.ts";

/** Asks the host's resolver: query bytes in, answer bytes out. */
export type ForwardDns = (query: Uint8Array) => Promise<Uint8Array>;

/** The server's sockets in one pod. */
export interface PodDns {
  close(): void;
}

const forwardTimeoutMs = 2000;
const receiveBufferBytes = 4 * 1024 * 1024;
const maxForwards = 1000;
const maxTcpConnectionsPerPod = 64;

interface PodSockets {
  readonly udp: readonly { readonly fd: number; readonly type: "udp4" | "udp6" }[];
  readonly tcp: readonly number[];
}

/** Room for bursts of queries. Beyond the system's limit only with rights over the whole machine, hence the second try. */
function growReceiveBuffer(fd: number): void {
  for (const name of [SocketOption.receiveBufferForce, SocketOption.receiveBuffer]) {
    try {
      setSocketOption(fd, { level: SocketOption.solSocket, name, value: receiveBufferBytes });
      return;
    } catch {
      // An ordinary user: take what the system allows.
    }
  }
}

function openBound(address: string, type: "stream" | "dgram"): number {
  const fd = openSocket(address.includes(":") ? "ipv6" : "ipv4", type);
  try {
    setSocketOption(fd, { level: SocketOption.solSocket, name: SocketOption.reuseAddress, value: 1 });
    if (type === "dgram") growReceiveBuffer(fd);
    bindSocket(fd, address, sidecarPorts.dns);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Machines without IPv6 have no ::1. */
function tryOpenBound(type: "stream" | "dgram"): readonly number[] {
  try {
    return [openBound("::1", type)];
  } catch {
    return [];
  }
}

function openPodSockets(net: number): PodSockets {
  return inNamespaces({ net }, () => ({
    udp: [
      { fd: openBound("127.0.0.1", "dgram"), type: "udp4" as const },
      ...tryOpenBound("dgram").map((fd) => ({ fd, type: "udp6" as const })),
    ],
    tcp: [openBound("127.0.0.1", "stream"), ...tryOpenBound("stream")],
  }));
}

/** Answers the DNS queries of all pods. */
export class DnsServer {
  readonly #forward: ForwardDns | undefined;
  #table: DnsTable = dnsTableOf([]);
  #forwarding = 0;

  constructor(forward: ForwardDns | undefined) {
    this.#forward = forward;
  }

  /** Replaces what the mesh knows; the next query sees it. */
  update(hosts: readonly DnsHost[]): void {
    this.#table = dnsTableOf(hosts);
  }

  /** Opens the sockets in a pod's namespace. */
  serve(net: number, namespace: string): PodDns {
    const sockets = openPodSockets(net);
    const udp = sockets.udp.map(({ fd, type }) => this.#serveUdp(createSocket(type), fd, namespace));
    const tcp = sockets.tcp.map((fd) => this.#serveTcp(fd, namespace));
    const close = (): void => {
      for (const socket of udp) socket.close();
      for (const { server, connections } of tcp) {
        server.close();
        for (const connection of connections) connection.destroy();
      }
    };
    return { close };
  }

  #serveUdp(socket: UdpSocket, fd: number, namespace: string): UdpSocket {
    socket.on("error", () => {});
    socket.on("message", async (message, from) => {
      const query = parseDnsQuery(message);
      if (query === undefined) return;
      // The pod may have gone meanwhile.
      try {
        socket.send(fitUdp(message, await this.answer(message, namespace), query.udpSizeBytes), from.port, from.address, () => {});
      } catch {
        return;
      }
    });
    socket.bind({ fd, exclusive: true });
    return socket;
  }

  #serveTcp(fd: number, namespace: string): { server: Server; connections: Set<Socket> } {
    const connections = new Set<Socket>();
    const server = createServer((connection) => {
      connections.add(connection);
      connection.once("close", () => connections.delete(connection));
      serveDnsConnection(connection, (query) => this.answer(query, namespace));
    });
    server.maxConnections = maxTcpConnectionsPerPod;
    server.on("error", () => {});
    server.listen({ fd, exclusive: true });
    return { server, connections };
  }

  /** The answer to a query of a pod in a namespace; a failure is an answer too. */
  async answer(message: Uint8Array, namespace: string): Promise<Uint8Array> {
    try {
      return await this.#reply(message, namespace);
    } catch {
      // A name that can be read and not written again, for one.
      return serverFailure(message);
    }
  }

  async #reply(message: Uint8Array, namespace: string): Promise<Uint8Array> {
    const query = parseDnsQuery(message);
    if (query === undefined) return serverFailure(message);
    const ours = decideDnsReply(this.#table, query.question, namespace);
    if (ours !== undefined) return encodeDnsReply(message, query, ours);
    if (this.#forward === undefined)
      return encodeDnsReply(message, query, { responseCode: ResponseCode.nameError, answers: [], additionals: [] });
    return await this.#forwarded(message, this.#forward);
  }

  async #forwarded(message: Uint8Array, forward: ForwardDns): Promise<Uint8Array> {
    if (this.#forwarding >= maxForwards) return serverFailure(message);
    this.#forwarding += 1;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Uint8Array>((resolve) => {
      timer = setTimeout(() => resolve(serverFailure(message)), forwardTimeoutMs);
    });
    try {
      return await Promise.race([forward(message), timeout]);
    } catch {
      return serverFailure(message);
    } finally {
      clearTimeout(timer);
      this.#forwarding -= 1;
    }
  }
}
