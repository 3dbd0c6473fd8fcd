// Surroundings for tests of the authority: a clock moved by hand, seeded randomness, a directory that goes away, and mutual TLS on loopback.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { z } from "zod";
import type { Surroundings } from "../leaf.ts";

export interface TestSurroundings extends Surroundings {
  nowMs: number;
}

/** Time stands still until the test moves `nowMs`; bytes come from a small seeded generator. */
export function testSurroundings(nowMs = Date.now(), seed = 1): TestSurroundings {
  let state = seed;
  const nextByte = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  };
  const surroundings: TestSurroundings = {
    nowMs,
    clock: { now: () => surroundings.nowMs, monotonic: () => surroundings.nowMs },
    randomBytes: (size) => Uint8Array.from({ length: size }, nextByte),
  };
  return surroundings;
}

/** A directory of its own, not made yet, removed with what is in it. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const parent = mkdtempSync(join(tmpdir(), "lateen-ca-"));
  return { path: join(parent, "ca"), [Symbol.dispose]: () => rmSync(parent, { recursive: true, force: true }) };
}

export interface Side {
  readonly chainPem: string;
  readonly keyPem: string;
  readonly bundlePem: string;
}

/** What each side saw of the other: its URI and DNS SANs, or why it refused. */
export interface Handshake {
  readonly clientSaw: string;
  readonly serverSaw: string;
}

/** A mutual TLS 1.3 handshake on loopback; rejects when either side refuses the other. Certificates are checked at the real time. */
export async function mutualTls(client: Side, server: Side): Promise<Handshake> {
  const listener = createServer({ ...optionsOf(server), requestCert: true, rejectUnauthorized: false });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const accepted = new Promise<string>((resolve, reject) => {
    listener.once("tlsClientError", reject);
    listener.once("secureConnection", (socket) => {
      socket.on("error", reject);
      if (!socket.authorized) {
        reject(Object.assign(new Error("the server refuses the client"), { code: String(socket.authorizationError) }));
        socket.destroy();
      }
      resolve(socket.getPeerX509Certificate()?.subjectAltName ?? "");
      socket.write("welcome");
    });
  });
  accepted.catch(() => {});
  const port = z.object({ port: z.number() }).parse(listener.address()).port;
  const socket = connect({ ...optionsOf(client), port, host: "127.0.0.1", checkServerIdentity: () => undefined });
  try {
    // With TLS 1.3 a client believes in the handshake before the server has looked at its certificate: only data proves it.
    const answered = new Promise<void>((resolve, reject) => {
      socket.once("data", () => resolve());
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed without an answer")));
    });
    const failed = accepted.then(() => answered);
    await Promise.race([answered, failed]);
    return { clientSaw: socket.getPeerX509Certificate()?.subjectAltName ?? "", serverSaw: await accepted };
  } finally {
    socket.destroy();
    listener.close();
  }
}

function optionsOf({ chainPem, keyPem, bundlePem }: Side) {
  return { cert: chainPem, key: keyPem, ca: bundlePem, minVersion: "TLSv1.3" } as const;
}
