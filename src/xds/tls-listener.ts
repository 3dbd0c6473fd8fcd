// A TLS port for proxies that come over a network: connections in, decrypted connections out to the gRPC server. Bounded before anybody is known:
// connections per address and in all, time for a handshake. Its certificate changes for new connections; open ones go on.

import { createServer as createTcpServer, type Socket } from "node:net";
import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { z } from "zod";
import { MeshError } from "../lib/errors.ts";

/** What the server shows: its chain, leaf first, and the leaf's key (PKCS #8), both PEM. */
export interface ServerCertificate {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface TlsListenerOptions {
  /** Address to listen at. */
  readonly host: string;
  /** 0 is any free one. */
  readonly port: number;
  readonly certificate: ServerCertificate;
  /** Most connections of one address at the same time; default 128. */
  readonly maxPerAddress?: number;
  /** Most connections at the same time; default 10,000. */
  readonly maxConnections?: number;
}

/** A listening TLS port. */
export interface TlsListener {
  readonly port: number;
  /** Shows another certificate from now on. @throws MeshError bad_request when it is none; the one before stays. */
  rotate(certificate: ServerCertificate): void;
  /** Stops listening and ends its connections. */
  close(): Promise<void>;
}

/** A client that takes longer for its handshake is not a proxy. */
const handshakeTimeoutMs = 10_000;
const addressSchema = z.object({ port: z.number() });

/** Listens; `accept` gets each connection after its handshake. @throws MeshError when it can't listen or the certificate is none. */
export async function startTlsListener(options: TlsListenerOptions, accept: (connection: TLSSocket) => void): Promise<TlsListener> {
  const { host, port, certificate, maxPerAddress = 128, maxConnections = 10_000 } = options;
  const tls = createTlsServer({ handshakeTimeout: handshakeTimeoutMs, ALPNProtocols: ["h2"] });
  rotate(tls, certificate);
  tls.on("tlsClientError", (_error, socket) => socket.destroy());
  tls.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    if (socket.alpnProtocol === "h2") accept(socket);
    else socket.destroy();
  });
  const open = new Connections(maxPerAddress);
  const tcp = createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (open.add(socket)) tls.emit("connection", socket);
    else socket.destroy();
  });
  tcp.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    tcp.once("error", (cause) => reject(new MeshError("unavailable", `cannot listen on ${host}:${port}: ${cause.message}`, { cause })));
    tcp.listen({ host, port }, () => resolve());
  });
  return {
    port: addressSchema.parse(tcp.address()).port,
    rotate: (next) => rotate(tls, next),
    close: async () => {
      const closed = new Promise((resolve) => tcp.close(resolve));
      open.destroyAll();
      await closed;
    },
  };
}

/** The open connections and how many each address has. */
class Connections {
  readonly #maxPerAddress: number;
  readonly #sockets = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();

  constructor(maxPerAddress: number) {
    this.#maxPerAddress = maxPerAddress;
  }

  /** False when its address has as many as it may. */
  add(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const count = this.#byAddress.get(address) ?? 0;
    if (count >= this.#maxPerAddress) return false;
    this.#byAddress.set(address, count + 1);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
    return true;
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** TLS 1.3 alone: every Envoy and gRPC library speaks it, and it has no renegotiation to abuse. */
function rotate(server: { setSecureContext(options: SecureContextOptions): void }, { chainPem, keyPem }: ServerCertificate): void {
  try {
    server.setSecureContext({ cert: chainPem, key: keyPem, minVersion: "TLSv1.3" });
  } catch (cause) {
    throw new MeshError("bad_request", "the server's certificate and key can't be used", { cause });
  }
}
