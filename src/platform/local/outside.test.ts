import { once } from "node:events";
import { createServer as createHttpServer, get, type Server as HttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { decode, encode } from "dns-packet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { openHostPort, sendHostPort } from "./forward.ts";
import { startTestNode, type TestNode } from "./testing/node-harness.ts";

// 203.0.113.0/24 (TEST-NET-3) stands for the internet; the test's dialer leads it to servers on this machine's loopback.
const outsideAddress = "203.0.113.5";
let node: TestNode;
let web: HttpServer;
let banner: Server;

const portOf = (server: Server | HttpServer): number => {
  const address: AddressInfo | string | null = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};

/** Knows outside.example only. */
async function answerDns(query: Uint8Array): Promise<Uint8Array> {
  const { id, questions = [] } = decode(Buffer.from(query));
  const known = questions[0]?.name === "outside.example";
  const recursionAvailable = 0x80;
  const flags = recursionAvailable | (known ? 0 : 3);
  const answers =
    known && questions[0]?.type === "A" ? [{ type: "A" as const, name: "outside.example", ttl: 60, data: outsideAddress }] : [];
  return encode({ type: "response", id: id ?? 0, flags, questions, answers });
}

beforeAll(async () => {
  web = createHttpServer((_request, response) => response.end("host")).listen(0, "127.0.0.1");
  // Speaks first, and closes its half before the client has said anything.
  banner = createServer({ allowHalfOpen: true }, (socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nbanner")).listen(0, "127.0.0.1");
  await Promise.all([once(web, "listening"), once(banner, "listening")]);
  node = await startTestNode({
    dialer: { targetOf: (address) => (address === outsideAddress ? "127.0.0.1" : undefined) },
    resolver: answerDns,
  });
});
afterAll(async () => {
  web?.close();
  banner?.close();
  await node?.close();
});

test("pods reach the outside world by address and by name, also a server that speaks first", async () => {
  const urls = [
    `http://${outsideAddress}:${portOf(web)}/`,
    `http://outside.example:${portOf(web)}/`,
    `http://${outsideAddress}:${portOf(banner)}/`,
  ];
  expect(await node.run("fetchOutside", { urls })).toEqual(["200 host", "200 host", "200 banner"]);
});

test("what can't be reached ends with a reset, never a hang", async () => {
  const urls = [`http://${outsideAddress}:1/`, "http://192.0.2.1/", "http://198.19.9.9/", "http://240.240.1.1/", "http://198.18.200.200/"];
  const expected = ["ECONNRESET", "ECONNRESET", "ECONNREFUSED", "ECONNREFUSED", "EHOSTUNREACH"];
  expect(await node.run("fetchOutside", { urls })).toEqual(expected);
});

test("UDP to the outside fails at once", async () => {
  expect(await node.run("udpOutside")).toBe("EHOSTUNREACH");
});

test("DNS inside a pod: short and full names, types, wildcards, many addresses by TCP, forwarding", async () => {
  expect(await node.run("dns")).toEqual({
    short: "198.19.0.20",
    namespaced: "198.19.0.20",
    full: "198.19.0.20",
    upper: "198.19.0.20",
    six: "ENODATA",
    unknown: "ENOTFOUND",
    wildcard: "240.240.0.7",
    many: "120",
    srv: expect.stringContaining('"port":80'),
    ptr: '["web.shop.svc.cluster.local"]',
    forwarded: outsideAddress,
  });
});

const fetchText = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const asked = get({ host: "127.0.0.1", port, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => {
        body += chunk.toString();
      });
      response.once("end", () => resolve(body));
    });
    asked.once("error", reject);
  });

test("a host port leads into the fabric; a target that refuses resets", async () => {
  const { target } = z.object({ target: z.string() }).parse(await node.run("startForwardTarget"));
  const good = await openHostPort(0);
  const bad = await openHostPort(0);
  await sendHostPort(node.process.channel, target, good.server);
  await sendHostPort(node.process.channel, target.replace(/:\d+$/, ":1"), bad.server);
  expect(await fetchText(good.port)).toBe("forwarded 198.18.0.1");
  expect(await Promise.all(Array.from({ length: 20 }, () => fetchText(good.port)))).toEqual(
    Array.from({ length: 20 }, () => "forwarded 198.18.0.1"),
  );
  await expect(fetchText(bad.port)).rejects.toMatchObject({ code: "ECONNRESET" });
  await expect(openHostPort(good.port)).rejects.toThrow(/is in use/);
});

test("many connections through the egress and many look-ups at once", async () => {
  const url = `http://${outsideAddress}:${portOf(web)}/`;
  expect(await node.run("burst", { url, count: 400, parallel: 40 })).toMatchObject({ seen: { 200: 400 } });
  expect(await node.run("dnsBurst", { count: 200 })).toMatchObject({ ok: 200 });
});

test("a forwarded connection keeps its half-close", async () => {
  const { target } = z.object({ target: z.string() }).parse(await node.run("startHalfCloseTarget"));
  const { server, port } = await openHostPort(0);
  await sendHostPort(node.process.channel, target, server);
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  let text = "";
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.end("hello");
  await once(socket, "end");
  expect(text).toBe("got hello");
});
