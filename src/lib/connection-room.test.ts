// Connections of a real server: who goes when it is full, and when.

import { createServer, request, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { listenOnLoopback } from "../../test/harness/loopback.ts";
import { ConnectionRoom, type ConnectionRoomOptions } from "./connection-room.ts";

let server: Server;
let port: number;
const clients: Socket[] = [];
const open: ServerResponse[] = [];

async function start(options: ConnectionRoomOptions): Promise<void> {
  const room = new ConnectionRoom(options);
  server = createServer(({ socket, url }, response) => {
    room.serve(socket, response);
    if (url === "/slow") open.push(response);
    else response.end("here");
  });
  server.on("connection", (socket) => room.admit(socket));
  port = await listenOnLoopback(server);
}

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  open.splice(0);
  server.closeAllConnections();
  server.close();
});

/** A connection that has sent this much; what it is told when it is closed. */
async function connected(text = ""): Promise<{ readonly closed: Promise<string> }> {
  const accepted = new Promise((resolve) => server.once("connection", resolve));
  const client = connect(port, "127.0.0.1");
  clients.push(client);
  client.on("error", () => {});
  let said = "";
  client.on("data", (chunk) => {
    said += String(chunk);
  });
  const closed = new Promise<string>((resolve) => client.once("close", () => resolve(said)));
  await accepted;
  client.write(text);
  return { closed };
}

function ask(path = "/"): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
    });
    asked.once("error", reject).end();
  });
}

async function served(count: number): Promise<void> {
  while (open.length < count) await new Promise((resolve) => setImmediate(resolve));
}

test("the one that has been idle for longest makes room, whether it has sent nothing or half a request", async () => {
  await start({ max: 3, idleMs: 60_000 });
  const first = await connected("GET / HTT");
  const others = [await connected(), await connected()];
  expect(await ask()).toBe(200);
  expect(await first.closed).toBe("");
  const left = others.map(({ closed }) => Promise.race([closed, Promise.resolve("open")]));
  expect(await Promise.all(left)).toEqual(["open", "open"]);
});

test("nobody is idle for ever", async () => {
  await start({ max: 3, idleMs: 300 });
  const connections = [await connected(), await connected("GET / HTT"), await connected("GET / HTTP/1.1\r\nhost: a\r\n\r\n")];
  const [silent, half, whole] = await Promise.all(connections.map(({ closed }) => closed));
  expect([silent, half]).toEqual(["", ""]);
  expect(whole).toContain("here");
});

test("an answer under way stays while it is young; then the oldest goes", async () => {
  await start({ max: 2, idleMs: 60_000, busyMs: 60_000 });
  const asked = "GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  const slow = [await connected(asked), await connected(asked)];
  await served(2);
  await expect(ask()).rejects.toThrow(/socket hang up|ECONNRESET/);
  for (const response of open) response.end("slow");
  expect((await Promise.all(slow.map(({ closed }) => closed))).every((said) => said.includes("slow"))).toBe(true);
});

test("who doesn't read its answer keeps nobody out for longer than that", async () => {
  await start({ max: 1, busyMs: 0 });
  const slow = await connected("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
  await served(1);
  expect(await ask()).toBe(200);
  expect(await slow.closed).toBe("");
});
