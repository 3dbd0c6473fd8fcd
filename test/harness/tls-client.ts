// HTTP over TLS by hand: one connection is one handshake, and what the server showed in it is told.

import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { connect } from "node:tls";
import type { TestCertificate } from "./test-identities.ts";

/** What came back, and who answered. */
export interface Answer {
  /** 0 when there was no handshake, or no answer. */
  readonly status: number;
  readonly body: string;
  readonly fingerprint: string;
}

/** A TLS connection on loopback that checks nothing of the server. */
export class Connection {
  readonly #socket: TLSSocket;
  /** Of the server's certificate. */
  readonly fingerprint: string;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    // Only now: later node sometimes no longer knows.
    this.fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? "";
  }

  /** Connects; fails when the handshake does. */
  static async open(port: number, options: ConnectionOptions = {}): Promise<Connection> {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    socket.on("error", () => {});
    await once(socket, "secureConnect");
    return new Connection(socket);
  }

  /** "TLSv1.3". */
  get protocol(): string {
    return this.#socket.getProtocol() ?? "";
  }

  /** One request; status 0 when the connection ends instead. */
  async get(host: string): Promise<Answer> {
    this.#socket.write(`GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
    const text = await this.#read((soFar) => {
      const end = soFar.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(soFar)?.[1] ?? "0");
      if (end >= 0 && /transfer-encoding: chunked/i.test(soFar)) return soFar.endsWith("0\r\n\r\n");
      return end >= 0 && soFar.length >= end + 4 + length;
    });
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? "0");
    return { status, body: text.slice(text.indexOf("\r\n\r\n") + 4), fingerprint: this.fingerprint };
  }

  /** Everything until the other side ends. */
  rest(): Promise<string> {
    return this.#read(() => false);
  }

  #read(isWhole: (text: string) => boolean): Promise<string> {
    return new Promise((resolve) => {
      let text = "";
      const done = () => {
        this.#socket.off("data", onData).off("close", done);
        resolve(text);
      };
      const onData = (chunk: Buffer) => {
        text += chunk.toString("latin1");
        if (isWhole(text)) done();
      };
      this.#socket.on("data", onData).once("close", done);
      if (this.#socket.closed) done();
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** One request over a connection of its own; status 0 when there is none. */
export async function get(port: number, host: string, options: ConnectionOptions = {}): Promise<Answer> {
  try {
    const connection = await Connection.open(port, { servername: host, ...options });
    const answer = await connection.get(host);
    connection.close();
    return answer;
  } catch {
    return { status: 0, body: "", fingerprint: "" };
  }
}

/** The options of a client with this certificate. */
export function as({ certificatePem, keyPem }: TestCertificate): ConnectionOptions {
  return { cert: certificatePem, key: keyPem };
}

/** SHA-256, as node prints it. */
export function fingerprint({ certificatePem }: TestCertificate): string {
  return new X509Certificate(certificatePem).fingerprint256;
}

/** The status of one HTTP/2 request. */
export function getHttp2(session: ClientHttp2Session, authority: string): Promise<number> {
  return new Promise((resolve, reject) => {
    session.once("error", reject);
    const stream = session.request({ ":path": "/", ":authority": authority });
    stream.once("error", reject);
    stream.once("response", (headers) => resolve(Number(headers[":status"] ?? 0)));
    stream.resume();
    stream.end();
  });
}
