// A server on loopback that takes plaintext and TLS on one port, as a PERMISSIVE sidecar or a foreign host does, and tells what it saw.

import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, TLSSocket } from "node:tls";

export interface ServerCertificate {
  /** The certificate first, then those that lead to a root. */
  readonly chainPem: string;
  readonly keyPem: string;
}

/** What the server saw of a request. */
export interface SeenRequest {
  readonly isEncrypted: boolean;
  readonly sni: string;
  readonly alpn: string;
  /** Subject alternative names of the client's certificate, "" for none. */
  readonly client: string;
  /** Of the client's certificate. */
  readonly serial: string;
  readonly host: string;
}

export interface TlsServer extends AsyncDisposable {
  readonly port: number;
  /** Answers new connections with another certificate. */
  use(certificate: ServerCertificate): void;
}

export interface TlsServerOptions {
  readonly certificate: ServerCertificate;
  /** Agreed upon; the client's own first choice when unset. */
  readonly alpn?: readonly string[];
}

const tlsHandshake = 0x16;

/** Starts it; the body of each answer is a SeenRequest as JSON. */
export async function startTlsServer({ certificate, alpn }: TlsServerOptions): Promise<TlsServer> {
  const options = (used: ServerCertificate) => ({ cert: used.chainPem, key: used.keyPem });
  const plain = createHttpServer(answer);
  // Not Node's https server: that one insists on a protocol of its own.
  const secure = createTlsServer({
    ...options(certificate),
    requestCert: true,
    rejectUnauthorized: false,
    ...(alpn === undefined
      ? { ALPNCallback: ({ protocols }: { readonly protocols: readonly string[] }) => protocols[0] }
      : { ALPNProtocols: [...alpn] }),
  });
  secure.on("secureConnection", (socket) => plain.emit("connection", socket));
  secure.on("tlsClientError", () => {});
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      (chunk[0] === tlsHandshake ? secure : plain).emit("connection", socket);
      process.nextTick(() => socket.resume());
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve, reject) => server.once("listening", resolve).once("error", reject));
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    use: (next) => secure.setSecureContext(options(next)),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request;
  const host = request.headers.host ?? "";
  const seen: SeenRequest =
    socket instanceof TLSSocket
      ? {
          isEncrypted: true,
          sni: "servername" in socket && typeof socket.servername === "string" ? socket.servername : "",
          alpn: socket.alpnProtocol === false || socket.alpnProtocol === null ? "" : socket.alpnProtocol,
          client: socket.getPeerX509Certificate()?.subjectAltName ?? "",
          serial: socket.getPeerX509Certificate()?.serialNumber ?? "",
          host,
        }
      : { isEncrypted: false, sni: "", alpn: "", client: "", serial: "", host };
  response.end(JSON.stringify(seen));
}
