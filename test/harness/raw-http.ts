// HTTP/1.1 by hand over a kept connection, plaintext or TLS: sends paths and headers that no proper client would, and reads the answer.

import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TestCertificate } from "./test-identities.ts";

export interface RawRequest {
  readonly method?: string;
  /** As it stands in the request line, characters up to U+00FF as bytes. */
  readonly path: string;
  readonly host: string;
  /** In this order, repeated names included. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

export interface RawResponse {
  /** 0 when the connection ended without an answer. */
  readonly status: number;
  /** By name in lower case; the last one of a repeated name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface RawTarget {
  readonly port: number;
  /** Client's address on loopback; 127.0.0.1 when unset. */
  readonly localAddress?: string;
  readonly address?: string;
  /** TLS with this certificate, and this server name. */
  readonly tls?: RawTls | undefined;
}

/** What the client shows and offers. */
export interface RawTls {
  readonly certificate: TestCertificate | undefined;
  readonly serverName: string;
  readonly alpn?: readonly string[];
  /** The newest version it speaks; TLS 1.3 when unset. */
  readonly maxVersion?: "TLSv1.2";
}

export interface RawConnection extends Disposable {
  /** One request after the other. */
  send(request: RawRequest): Promise<RawResponse>;
}

/** Connects when something is first sent, and again when the server has closed. */
export function rawConnection(target: RawTarget): RawConnection {
  let socket: Socket | undefined;
  return {
    async send(request) {
      if (socket === undefined || socket.destroyed || !socket.writable) {
        socket = await open(target);
        // What breaks ends with "close", which answers the request.
        socket.on("error", () => {});
      }
      const response = await exchange(socket, request);
      if (response.status === 0 || response.headers["connection"] === "close") socket.destroy();
      return response;
    },
    [Symbol.dispose]: () => socket?.destroy(),
  };
}

function open({ port, localAddress = "127.0.0.1", address = "127.0.0.1", tls }: RawTarget): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const tcp = connectTcp({ host: address, port, localAddress });
    if (tls === undefined) {
      tcp.once("error", reject).once("connect", () => resolve(tcp));
      return;
    }
    const { certificate, serverName, alpn = [], maxVersion = "TLSv1.3" } = tls;
    const identity = certificate === undefined ? {} : { cert: certificate.certificatePem, key: certificate.keyPem };
    const secure = connectTls({
      socket: tcp,
      servername: serverName,
      rejectUnauthorized: false,
      ALPNProtocols: [...alpn],
      maxVersion,
      ...identity,
    });
    tcp.once("error", reject);
    secure.once("error", reject).once("secureConnect", () => resolve(secure));
  });
}

function exchange(socket: Socket, request: RawRequest): Promise<RawResponse> {
  return new Promise((resolve) => {
    let received = "";
    const settle = (response: RawResponse): void => {
      socket.off("data", onData).off("close", onEnd).off("end", onEnd);
      resolve(response);
    };
    const onEnd = (): void => settle({ status: 0, headers: {}, body: received });
    const onData = (chunk: Buffer): void => {
      received += chunk.toString("latin1");
      const response = parse(received);
      if (response !== undefined) settle(response);
    };
    socket.on("data", onData).once("close", onEnd).once("end", onEnd);
    const headers = [["host", request.host], ...(request.headers ?? [])].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    socket.write(Buffer.from(`${request.method ?? "GET"} ${request.path} HTTP/1.1\r\n${headers}\r\n`, "latin1"));
  });
}

/** Undefined until all of it is there; bodies have a content-length or are chunked. */
function parse(text: string): RawResponse | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [statusLine = "", ...lines] = text.slice(0, end).split("\r\n");
  const pairs = lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]);
  const headers: Record<string, string> = Object.fromEntries(pairs);
  const body = text.slice(end + 4);
  const whole =
    headers["transfer-encoding"] === "chunked" ? body.endsWith("0\r\n\r\n") : body.length >= Number(headers["content-length"] ?? "0");
  return whole ? { status: Number(statusLine.split(" ")[1] ?? "0"), headers, body } : undefined;
}
