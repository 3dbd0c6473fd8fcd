// TLS with certificates that the test brings, from inside a pod: what a peer does that speaks mutual TLS without a sidecar, honest or not.

import { createServer } from "node:http";
import { connect, createServer as createTlsServer } from "node:tls";

/**
 * Connects with this certificate (PEM; none when unset), says `text`, and tells what came back before the end: {text, error, serial}, the
 * serial number of the server's certificate with it.
 * With TLS 1.3 a client learns only then whether its certificate was taken.
 */
export function tlsSay({ host, port, cert, key, serverName = "test", alpn = [], text = "", timeoutMs = 5000 }) {
  return new Promise((resolve) => {
    let got = "";
    let serial = "";
    let timer;
    const socket = connect({ host, port, cert, key, servername: serverName, rejectUnauthorized: false, ALPNProtocols: alpn });
    const done = (error) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: got, error, serial });
    };
    timer = setTimeout(() => done("time-out"), timeoutMs);
    socket.on("secureConnect", () => {
      serial = socket.getPeerX509Certificate()?.serialNumber ?? "";
      socket.write(text);
    });
    socket.on("error", (error) => done(error.code ?? String(error)));
    socket.on("close", () => done("closed"));
    socket.on("data", (chunk) => {
      got += chunk;
      done();
    });
  });
}

/** Answers HTTP/1.1 over TLS with this certificate, to anybody, for as long as the pod lives. */
export function tlsServe({ port, cert, key }) {
  return new Promise((resolve, reject) => {
    const http = createServer((request, response) => {
      const client = request.socket.getPeerX509Certificate()?.subjectAltName ?? "";
      // One connection each, so that every answer tells of a handshake of now.
      response.writeHead(200, { "x-served-by": "tls-serve", connection: "close" }).end(JSON.stringify({ client }));
    });
    // Not Node's https server: that one insists on a protocol by ALPN, and a sidecar never chooses one.
    const server = createTlsServer({ cert, key, requestCert: true, rejectUnauthorized: false });
    server.on("secureConnection", (socket) => http.emit("connection", socket));
    server.on("tlsClientError", () => {});
    server.once("error", reject);
    server.listen(port, () => resolve({}));
  });
}
