// The port a server listens on, which the system chose where 0 was asked for.

/** A server of node:net, node:http or node:tls. */
interface Listening {
  address(): { readonly port: number } | string | null;
}

/** Undefined for a Unix socket, and before the server listens. */
export function boundPort(server: Listening): number | undefined {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : undefined;
}
