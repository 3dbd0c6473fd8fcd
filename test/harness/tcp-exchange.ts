// One connection to a server, plaintext or TLS: sends a text (or waits for the server to speak) and tells what came back.

import type { Socket } from "node:net";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import type { RawTarget } from "./raw-http.ts";

export interface OpenExchange extends Disposable {
  /** Sends a text; what came back next, "" when the connection ended first. */
  say(text: string): Promise<string>;
  /** What the server says by itself. */
  hear(): Promise<string>;
}

/** Connects; fails only by ending. */
export function openExchange({ port, tls, address = "127.0.0.1" }: RawTarget): OpenExchange {
  const tcp = connectTcp({ host: address, port });
  const socket: Socket =
    tls === undefined
      ? tcp
      : connectTls({
          socket: tcp,
          servername: tls.serverName,
          rejectUnauthorized: false,
          ALPNProtocols: [...(tls.alpn ?? [])],
          maxVersion: tls.maxVersion ?? "TLSv1.3",
          ...(tls.certificate === undefined ? {} : { cert: tls.certificate.certificatePem, key: tls.certificate.keyPem }),
        });
  for (const end of [tcp, socket]) end.on("error", () => {});
  let received = "";
  let isOver = false;
  let wake = (): void => {};
  socket.on("data", (chunk: Buffer) => {
    received += chunk.toString("latin1");
    wake();
  });
  for (const end of [tcp, socket]) {
    end.on("close", () => {
      isOver = true;
      wake();
    });
  }
  const hear = async (): Promise<string> => {
    if (received === "" && !isOver) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const heard = received;
    received = "";
    return heard;
  };
  return {
    hear,
    say: (text) => {
      if (!isOver) socket.write(text);
      return hear();
    },
    [Symbol.dispose]: () => tcp.destroy(),
  };
}
