// Names outside the mesh: the node process asks the supervisor over IPC, which asks the nameservers of the host's resolv.conf
// by UDP, and by TCP when the answer is cut.

import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect, isIP } from "node:net";
import { z } from "zod";
import { Unavailable } from "../../lib/errors.ts";
import type { ForwardDns } from "./dns-server.ts";
import type { Channel } from "./ipc.ts";

/** A nameserver of the host; port 53 unless told. */
export interface Nameserver {
  readonly address: string;
  readonly port?: number;
}

/** Two tries fit into the 2 s after which the pod gets SERVFAIL. */
const tryTimeoutMs = 900;
const truncatedBit = 0x02;
const maxPending = 1000;

/** Text of a resolv.conf -> its nameservers, at most three as in the C library. */
export function parseNameservers(text: string): readonly Nameserver[] {
  return text
    .split("\n")
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address) !== 0)
    .slice(0, 3)
    .map((address) => ({ address }));
}

function askUdp(server: Nameserver, query: Uint8Array): Promise<Uint8Array> {
  const socket = createSocket(isIP(server.address) === 6 ? "udp6" : "udp4");
  return new Promise<Uint8Array>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Unavailable(`${server.address} did not answer`)), tryTimeoutMs);
    socket.once("close", () => clearTimeout(timer));
    socket.on("error", reject);
    socket.on("message", (answer) => {
      // A late answer to something else, or a forged one.
      if (answer.length >= 12 && answer[0] === query[0] && answer[1] === query[1]) resolve(answer);
    });
    socket.connect(server.port ?? 53, server.address, () => socket.send(query));
  }).finally(() => socket.close());
}

function askTcp(server: Nameserver, query: Uint8Array): Promise<Uint8Array> {
  const socket = connect({ host: server.address, port: server.port ?? 53 });
  return new Promise<Uint8Array>((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.setTimeout(tryTimeoutMs, () => reject(new Unavailable(`${server.address} did not answer by TCP`)));
    socket.once("error", reject);
    socket.once("end", () => reject(new Unavailable(`${server.address} closed the connection`)));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        resolve(received.subarray(2, 2 + received.readUInt16BE(0)));
    });
    socket.write(Buffer.concat([length, query]));
  }).finally(() => socket.destroy());
}

async function ask(server: Nameserver, query: Uint8Array): Promise<Uint8Array> {
  const answer = await askUdp(server, query);
  return ((answer[2] ?? 0) & truncatedBit) === 0 ? answer : await askTcp(server, query);
}

/** Asks the nameservers in turn. */
export function createResolver(servers: readonly Nameserver[]): ForwardDns {
  return async (query) => {
    let failure: unknown = new Unavailable("the host has no nameserver");
    for (const server of servers) {
      try {
        return await ask(server, query);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };
}

/** Asks whatever nameservers the host's resolv.conf names at that moment (laptops change networks). */
export function createHostResolver(path: string = "/etc/resolv.conf"): ForwardDns {
  return async (query) => {
    let text = "";
    try {
      text = readFileSync(path, "utf8");
    } catch {
      // No file: the C library then asks this machine itself.
    }
    const servers = parseNameservers(text);
    return await createResolver(servers.length === 0 ? [{ address: "127.0.0.1" }] : servers)(query);
  };
}

const bytesSchema = z.base64().transform((text) => Buffer.from(text, "base64"));
const querySchema = z.object({ id: z.number(), query: bytesSchema });
const answerSchema = z.object({ id: z.number(), answer: bytesSchema.optional() });

/** The supervisor's half. */
export function serveDnsQueries(channel: Channel, resolve: ForwardDns): void {
  channel.onMessage((message) => {
    if (message.kind !== "dns.query") return;
    const request = querySchema.safeParse(message);
    if (!request.success) return;
    const { id, query } = request.data;
    resolve(query).then(
      (answer) => channel.send({ kind: "dns.answer", id, answer: Buffer.from(answer).toString("base64") }),
      () => channel.send({ kind: "dns.answer", id }),
    );
  });
}

/** The node process's half. */
export function createIpcForwardDns(channel: Channel): ForwardDns {
  const pending = new Map<number, { resolve: (answer: Uint8Array) => void; reject: (error: unknown) => void }>();
  let nextId = 0;
  channel.onMessage((message) => {
    if (message.kind !== "dns.answer") return;
    const parsed = answerSchema.safeParse(message);
    if (!parsed.success) return;
    const waiting = pending.get(parsed.data.id);
    pending.delete(parsed.data.id);
    if (parsed.data.answer === undefined) waiting?.reject(new Unavailable("the host's resolver did not answer"));
    else waiting?.resolve(parsed.data.answer);
  });
  channel.onClose(() => {
    for (const { reject } of pending.values()) reject(new Unavailable("the supervisor is gone"));
    pending.clear();
  });
  return (query) => {
    if (pending.size >= maxPending) return Promise.reject(new Unavailable("too many DNS queries at the same time"));
    nextId += 1;
    const id = nextId;
    return new Promise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      channel.send({ kind: "dns.query", id, query: Buffer.from(query).toString("base64") });
    });
  };
}
