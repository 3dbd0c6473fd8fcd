// The application of end-to-end tests: answers who it is and what it received over HTTP/1.1, HTTP/2, gRPC and a server-first TCP protocol,
// and sends requests from inside its pod when told over a Unix socket in the folder all containers share.
import { rmSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import { connect, createServer as createTcpServer } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { selfSigned } from "../../examples/shop/remote/certificate.mjs";
import { runHttp, startLoad, stopLoad } from "./test-app-client.mjs";
import { ownSpan, tracePassed } from "./test-app-spans.mjs";
import { tcpBurst, tcpOnce, tlsGet, upgraded } from "./test-app-streams.mjs";
import { tlsSay, tlsServe } from "./test-app-tls.mjs";

const version = process.env.VERSION ?? "";
const pod = hostname();
const open = new Set();
let failing = false;
// Every so many requests one fails, as a version does that isn't quite right.
const failEvery = Number(process.env.FAIL_EVERY ?? 0);
let answered = 0;

const forwardAgent = new Agent({ keepAlive: true, maxSockets: 64 });

/** The version that answers a further request, "" when it fails. */
function versionBehind(url, headers) {
  return new Promise((resolve) => {
    get(url, { agent: forwardAgent, headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode === 200 ? (response.headers["x-served-by"] ?? "") : ""));
    }).on("error", () => resolve(""));
  });
}

/** One JSON answer; the query says what happens: ?status=503&delay=100&reset=1&forward=http://next/ (x-served-by is then "v1>v2"), ?span=name. */
async function answer(request, respond, destroy) {
  seen.push({ method: request.method, path: request.url, headers: request.headers });
  if (seen.length > 1000) seen.shift();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = new URL(request.url, "http://test");
  const delayMs = Number(url.searchParams.get("delay") ?? 0);
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (url.pathname === "/fail-on") failing = true;
  if (url.pathname === "/fail-off") failing = false;
  if (url.searchParams.has("reset")) return destroy();
  const forced = url.searchParams.get("status");
  const onlyVersion = url.searchParams.get("onlyVersion");
  if (url.pathname !== "/healthz") answered += 1;
  const isFailing = failing || (failEvery > 0 && answered % failEvery === 0);
  const bad = isFailing && !url.pathname.startsWith("/fail") && url.pathname !== "/healthz";
  const status = bad ? 503 : forced !== null && (onlyVersion === null || onlyVersion === version) ? Number(forced) : 200;
  const body = { pod, version, method: request.method, path: request.url, headers: request.headers, bytes: Buffer.concat(chunks).length };
  const next = url.searchParams.get("forward");
  const traced = { ...tracePassed(request.headers) };
  const ended = url.searchParams.has("span") ? ownSpan(url.searchParams.get("span"), traced) : () => {};
  const servedBy = next === null ? version : `${version}>${await versionBehind(next, traced)}`;
  ended();
  respond(status, JSON.stringify(body), servedBy);
}

const seen = [];

const http1 = createServer((request, response) => {
  void answer(
    request,
    (status, body, servedBy) =>
      response.writeHead(status, { "content-type": "application/json", "x-served-by": servedBy, "x-pod": pod }).end(body),
    () => request.socket.destroy(),
  );
});
http1.keepAliveTimeout = 120_000;
// Any upgrade becomes an echo, as a WebSocket server's connection would.
http1.on("upgrade", (_request, socket) => {
  socket.on("error", () => {});
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-served-by: ${version}\r\n\r\n`);
  socket.on("data", (chunk) => socket.write(`${version} ${chunk}`));
});

const http2 = createHttp2Server((request, response) => {
  if ((request.headers["content-type"] ?? "").startsWith("application/grpc")) {
    request.resume();
    response.writeHead(200, { "content-type": "application/grpc", "x-served-by": version });
    response.addTrailers({ "grpc-status": request.headers["x-want-grpc-status"] ?? process.env.GRPC_STATUS ?? "0" });
    // One empty message: five bytes of frame header.
    response.end(Buffer.alloc(5));
    return;
  }
  void answer(
    request,
    (status, body) => {
      response.writeHead(status, { "content-type": "application/json", "x-served-by": version });
      response.end(body);
    },
    () => request.stream.close(),
  );
});

// Speaks first, as SMTP and MySQL do, then echoes lines.
const tcp = createTcpServer((socket) => {
  open.add(socket);
  socket.on("close", () => open.delete(socket));
  socket.on("error", () => {});
  socket.write(`220 ${version} ${pod}\n`);
  socket.on("data", (chunk) => socket.write(`${version} ${chunk}`));
});

// HTTP/1.1 over TLS of its own, as a service that proxies can't look into.
const { certificate, key } = selfSigned("test.example");
const https = createHttpsServer({ cert: certificate, key }, (request, response) => {
  const body = { pod, version, path: request.url, serverName: request.socket.servername || "" };
  response.writeHead(200, { "content-type": "application/json", "x-served-by": version }).end(JSON.stringify(body));
});

const listeners = [http1.listen(8080), http2.listen(8081), tcp.listen(8082), https.listen(8443)];

/** Commands of the test: one JSON line in, one JSON line out. */
const control = createTcpServer({ allowHalfOpen: true }, (socket) => {
  let text = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end === -1) return;
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    run(JSON.parse(line)).then(
      (result) => socket.end(`${JSON.stringify({ ok: true, result })}\n`),
      (error) => socket.end(`${JSON.stringify({ ok: false, error: String(error?.stack ?? error) })}\n`),
    );
  });
});

const held = new Map();

async function run(command) {
  if (command.kind === "http") return await runHttp(command);
  if (command.kind === "load-start") return startLoad(command);
  if (command.kind === "load-stop") return await stopLoad(command);
  if (command.kind === "seen") return seen.splice(0);
  if (command.kind === "fail") {
    failing = command.on === true;
    return failing;
  }
  if (command.kind === "tcp-once") return await tcpOnce(command);
  if (command.kind === "tcp-burst") return await tcpBurst(command);
  if (command.kind === "upgrade") return await upgraded(command);
  if (command.kind === "tls-say") return await tlsSay(command);
  if (command.kind === "tls-serve") return await tlsServe(command);
  if (command.kind === "tls") return await tlsGet(command);
  if (command.kind === "grpc") return await grpcCall(command);
  if (command.kind === "grpc-burst") return await grpcBurst(command);
  if (command.kind === "http2") return await http2Call(command);
  if (command.kind === "tcp-open") return await tcpOpen(command);
  if (command.kind === "tcp-held") return held.has(command.id);
  if (command.kind === "tcp-say") return await tcpSay(command);
  throw new Error(`unknown command ${command.kind}`);
}

function http2Call({ origin, path = "/", authority, headers = {}, timeoutMs = 5000 }) {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(origin);
    const timer = setTimeout(() => reject(new Error("time-out")), timeoutMs);
    session.on("error", reject);
    const request = session.request({ ":path": path, ...(authority === undefined ? {} : { ":authority": authority }), ...headers });
    let body = "";
    let responseHeaders = {};
    request.on("response", (got) => {
      responseHeaders = { ...got };
    });
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("error", reject);
    request.on("end", () => {
      clearTimeout(timer);
      session.close();
      resolve({ status: responseHeaders[":status"], headers: responseHeaders, body });
    });
    request.end();
  });
}

function grpcCall({ origin, path = "/test.Test/Call", messages = 1, timeoutMs = 5000, headers = {} }) {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(origin);
    const timer = setTimeout(() => reject(new Error("time-out")), timeoutMs);
    session.on("error", reject);
    const request = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
    const result = { status: 0, grpcStatus: "", servedBy: "", bytes: 0 };
    request.on("response", (got) => {
      result.status = got[":status"];
      result.servedBy = got["x-served-by"] ?? "";
      if (got["grpc-status"] !== undefined) result.grpcStatus = got["grpc-status"];
    });
    request.on("trailers", (got) => {
      result.grpcStatus = got["grpc-status"] ?? "";
    });
    request.on("data", (chunk) => {
      result.bytes += chunk.length;
    });
    request.on("error", reject);
    request.on("end", () => {
      clearTimeout(timer);
      session.close();
      resolve(result);
    });
    request.end(Buffer.alloc(5 * messages));
  });
}

/** Many calls on one HTTP/2 connection, counted: {byVersion, byStatus}. */
async function grpcBurst({ origin, count, path = "/test.Test/Call", headers = {} }) {
  const session = connectHttp2(origin);
  const byVersion = {};
  const byStatus = {};
  const call = () =>
    new Promise((resolve, reject) => {
      const request = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
      let got = {};
      let trailers = {};
      request.on("response", (head) => (got = head));
      request.on("trailers", (tail) => (trailers = tail));
      request.on("error", reject);
      request.resume();
      request.on("end", () => {
        const status = trailers["grpc-status"] ?? got["grpc-status"] ?? "none";
        const version = got["x-served-by"] ?? "";
        byStatus[status] = (byStatus[status] ?? 0) + 1;
        byVersion[version] = (byVersion[version] ?? 0) + 1;
        resolve();
      });
      request.end(Buffer.alloc(5));
    });
  try {
    for (let sent = 0; sent < count; sent += 20) await Promise.all(Array.from({ length: Math.min(20, count - sent) }, call));
  } finally {
    session.destroy();
  }
  return { byVersion, byStatus };
}

function tcpOpen({ id, host, port, timeoutMs = 5000 }) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => reject(new Error("no greeting in time")), timeoutMs);
    socket.on("error", (error) => {
      clearTimeout(timer);
      held.delete(id);
      reject(error);
    });
    socket.once("close", () => {
      clearTimeout(timer);
      held.delete(id);
      reject(new Error("closed before the greeting"));
    });
    socket.once("data", (chunk) => {
      clearTimeout(timer);
      held.set(id, socket);
      resolve(String(chunk));
    });
  });
}

function tcpSay({ id, text, timeoutMs = 5000 }) {
  const socket = held.get(id);
  if (socket === undefined) throw new Error("the connection is closed");
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("no answer in time")), timeoutMs);
    socket.once("data", (chunk) => {
      clearTimeout(timer);
      resolve(String(chunk));
    });
    socket.write(text);
  });
}

if (process.env.SHARED !== undefined) {
  const path = join(process.env.SHARED, `${pod}.sock`);
  // Left by a run before that was killed.
  rmSync(path, { force: true });
  control.listen(path);
}

process.on("SIGTERM", () => {
  // Answers what it holds, as a careful application does; on a busy machine that takes longer than one expects.
  http1.once("close", () => setTimeout(() => process.exit(0), 50));
  for (const server of listeners) server.close();
  http1.closeIdleConnections();
  for (const socket of open) socket.end();
  setTimeout(() => process.exit(0), 4000);
});
