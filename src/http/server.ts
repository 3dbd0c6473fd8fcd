// The HTTP API's server: Kubernetes' paths and Lateen's own, on a Unix socket (only its owner's, in a folder only its owner's)
// and, when asked for, on loopback TCP behind a bearer token.

import { chmodSync, lstatSync, rmSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import { boundPort } from "../lib/bound-port.ts";
import { Unavailable } from "../lib/errors.ts";
import { buildApp } from "./build-app.ts";
import type { ApiServerOptions } from "./options.ts";

export interface ApiServer {
  /** The TCP port, when there is one. */
  readonly port: number | undefined;
  /** Ends watches and connections and removes the socket. */
  close(): Promise<void>;
}

/** Starts listening. @throws Unavailable when socket or port can't be opened. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const ending = new AbortController();
  const onSocket = buildApp({ ...options, signal: ending.signal, token: undefined });
  const apps: FastifyInstance[] = [onSocket];
  const close = async (): Promise<void> => {
    ending.abort();
    await Promise.all(apps.map((app) => app.close()));
  };
  try {
    removeStaleSocket(options.socketPath);
    await onSocket.listen({ path: options.socketPath });
    chmodSync(options.socketPath, 0o600);
    if (options.tcp === undefined) return { port: undefined, close };
    const onTcp = buildApp({ ...options, signal: ending.signal, token: options.tcp.token });
    apps.push(onTcp);
    await onTcp.listen({ host: "127.0.0.1", port: options.tcp.port });
    return { port: boundPort(onTcp.server), close };
  } catch (error) {
    await close();
    throw cannotListen(options, error);
  }
}

function removeStaleSocket(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSocket() === true) rmSync(path);
}

function cannotListen({ socketPath, tcp }: ApiServerOptions, cause: unknown): Unavailable {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const where = tcp === undefined ? socketPath : `${socketPath} and 127.0.0.1:${tcp.port}`;
  return new Unavailable(`the API can't listen on ${where}: ${reason}`, {
    cause,
    fix: "Check that the folder can be written and the port is free.",
  });
}
