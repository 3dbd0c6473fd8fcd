// The node's side of OFREP over real sockets: whose question it is, what is served, limits, and a control plane that comes and goes.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { podSchema } from "../../../api/kubernetes/pod.ts";
import { silentLogger } from "../../../lib/log.ts";
import { FlagServer } from "./flag-server.ts";

const pod = podSchema.parse({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web-1", namespace: "shop", uid: "u" },
  spec: { containers: [{ name: "app", image: "a" }] },
});

let folder: string;
let apiPath: string;
let servers: Server[];
let flags: FlagServer;
let base: string;
let isKnown: boolean;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "lf-"));
  apiPath = join(folder, "api.sock");
  servers = [];
  isKnown = true;
  flags = new FlagServer({
    address: "127.0.0.1",
    port: 0,
    apiPath,
    podAt: () => (isKnown ? pod : undefined),
    logger: silentLogger,
    patienceMs: 3000,
  });
  base = `http://127.0.0.1:${await flags.listen()}`;
});
afterEach(() => {
  flags.close();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  rmSync(folder, { recursive: true, force: true });
});

async function controlPlane(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void): Promise<Server> {
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    answer(request, response, body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(apiPath, resolve));
  return server;
}

const echo = (request: IncomingMessage, response: ServerResponse, body: string): void => {
  const { url, method, headers } = request;
  response
    .writeHead(200, { etag: '"t"' })
    .end(JSON.stringify({ url, method, pod: headers["x-lateen-pod"], known: headers["if-none-match"], body }));
};
const one = "/ofrep/v1/evaluate/flags/new-cart";
const post = (path: string, body = "{}", headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${base}${path}`, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });

test("a question goes on in its pod's name, whatever it says itself; its query doesn't", async () => {
  await controlPlane(echo);
  const response = await post(`${one}?namespace=other`, '{"a":1}', { "x-lateen-pod": "other/pod", "if-none-match": '"x"' });
  expect(response.headers.get("etag")).toBe('"t"');
  expect(await response.json()).toEqual({ url: one, method: "POST", pod: "shop/web-1", known: '"x"', body: '{"a":1}' });
  expect(await (await fetch(`${base}/ofrep/v1/configuration`)).json()).toMatchObject({ url: "/ofrep/v1/configuration", method: "GET" });
});

test("nothing else of the API can be reached", async () => {
  await controlPlane(echo);
  for (const path of ["/api/v1/pods", "/ofrep/v1/evaluate/flags/a/b", "/lateen/v1/status", "/ofrep", `${one}/`])
    expect((await post(path)).status).toBe(404);
  expect((await fetch(`${base}${one}`)).status).toBe(405);
  isKnown = false;
  expect((await post(one)).status).toBe(403);
});

test("long bodies and junk are refused, and the next question is answered", async () => {
  await controlPlane(echo);
  expect((await post(one, "x".repeat(70_000))).status).toBe(413);
  await new Promise<void>((resolve) => {
    const socket = connect(Number(new URL(base).port), "127.0.0.1", () => socket.write("\0\x01\xff GET nothing\r\n\r\n"));
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.on("close", () => resolve());
  });
  expect((await post(one)).status).toBe(200);
});

test("a control plane that is away, or dies with the question in its hands, is waited for", async () => {
  const waiting = post(one);
  const dying = await controlPlane((request) => void request.socket.destroy());
  await new Promise((resolve) => dying.once("request", resolve));
  dying.close();
  dying.closeAllConnections();
  await new Promise((resolve) => dying.once("close", resolve));
  rmSync(apiPath, { force: true });
  let asked = 0;
  await controlPlane((request, response, body) => {
    asked += 1;
    if (asked === 1) response.writeHead(503).end("{}");
    else echo(request, response, body);
  });
  expect((await waiting).status).toBe(200);
  expect(asked).toBe(2);
});

test("without one the answer is an error in the end", async () => {
  const response = await post(one);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ errorDetails: "the control plane is away" });
});

test("too many questions of one pod at a time get 429, and are answered again later", async () => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  await controlPlane((request, response, body) => void opened.then(() => echo(request, response, body)));
  let refused = 0;
  const asked = Array.from({ length: 600 }, async () => {
    const { status, headers } = await post(one);
    if (status === 429 && headers.get("retry-after") === "1") refused += 1;
    return status;
  });
  await expect.poll(() => refused, { timeout: 20_000 }).toBe(88);
  open();
  const statuses = await Promise.all(asked);
  expect(statuses.filter((status) => status === 200)).toHaveLength(512);
  expect((await post(one)).status).toBe(200);
}, 30_000);
