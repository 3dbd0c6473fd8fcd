// One Unix socket per proxy: whoever connects to it is that proxy. Connections are handed to one gRPC server with the proxy's
// id as their peer address, which a Unix socket does not have.

import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { MeshError } from "../lib/errors.ts";

export class ProxySockets {
  readonly #accept: (connection: Socket) => void;
  readonly #servers = new Map<string, { readonly server: Server; readonly connections: Set<Socket> }>();

  /** @param accept takes each connection; its `remoteAddress` is the proxy's id. */
  constructor(accept: (connection: Socket) => void) {
    this.#accept = accept;
  }

  /** Listens at `path` (at most 107 bytes), in place of whatever a process that died left there. */
  async open(proxyId: string, path: string): Promise<void> {
    if (this.#servers.has(proxyId)) throw new MeshError("already_exists", `proxy ${proxyId} has a socket already`);
    const connections = new Set<Socket>();
    const server = createServer((connection) => {
      connections.add(connection);
      connection.once("close", () => connections.delete(connection));
      Object.defineProperty(connection, "remoteAddress", { value: proxyId });
      this.#accept(connection);
    });
    this.#servers.set(proxyId, { server, connections });
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rm(path, { force: true });
      await listening(server, path);
      await chmod(path, 0o600);
    } catch (cause) {
      this.#servers.delete(proxyId);
      throw new MeshError("unavailable", `cannot listen on ${path}: ${MeshError.from(cause).message}`, { cause });
    }
  }

  /** Stops listening, removes the file and ends the proxy's connections. */
  async close(proxyId: string): Promise<void> {
    const entry = this.#servers.get(proxyId);
    if (entry === undefined) return;
    this.#servers.delete(proxyId);
    const closed = new Promise((resolve) => entry.server.close(resolve));
    for (const connection of entry.connections) connection.destroy();
    await closed;
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#servers.keys()].map((proxyId) => this.close(proxyId)));
  }
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
