// TCP and TLS clients inside a pod: what a connection is greeted with, how many land on which version, and HTTPS with a server name.
import { request as httpRequest } from "node:http";
import { request } from "node:https";
import { connect } from "node:net";

/** Connects, says `text` if given, and returns the first bytes; never rejects: {text, error, ms}. */
export function tcpOnce({ host, port, text, timeoutMs = 5000 }) {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let got = "";
    let timer;
    const socket = connect({ host, port });
    const done = (error) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: got, error, ms: performance.now() - startedAt });
    };
    timer = setTimeout(() => done("time-out"), timeoutMs);
    socket.on("connect", () => text !== undefined && socket.write(text));
    socket.on("error", (error) => done(error.code ?? String(error)));
    socket.on("close", () => done("closed"));
    socket.on("data", (chunk) => {
      got += chunk;
      done();
    });
  });
}

/** Opens `count` connections and counts the versions that greet ("220 v1 pod"): {byVersion, errors}. */
export async function tcpBurst({ count, concurrency = 16, ...target }) {
  const byVersion = {};
  const errors = [];
  let next = 0;
  const worker = async () => {
    while (next++ < count) {
      const { text, error } = await tcpOnce(target);
      const version = /^220 (\S+) /.exec(text)?.[1];
      if (version === undefined) errors.push(error ?? text);
      else byVersion[version] = (byVersion[version] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
  return { byVersion, errors };
}

/** One HTTPS request over a fresh connection: {status, body, version} or {status: 0, error}. */
export function tlsGet({ host, port, path = "/", serverName, timeoutMs = 5000 }) {
  return new Promise((resolve) => {
    const failed = (error) => resolve({ status: 0, error: error.code ?? String(error) });
    const asked = request(
      { host, port, path, servername: serverName ?? host, rejectUnauthorized: false, agent: false, timeout: timeoutMs },
      (response) => {
        let body = "";
        response.on("data", (chunk) => (body += chunk));
        response.on("error", failed);
        response.on("end", () => resolve({ status: response.statusCode, body, version: response.headers["x-served-by"] }));
      },
    );
    asked.on("timeout", () => asked.destroy(new Error("time-out")));
    asked.on("error", failed);
    asked.end();
  });
}

/** Upgrades a connection as a WebSocket client does, says `text`, and returns the first answer: {status, text}. */
export function upgraded({ url, headers = {}, text = "hello", timeoutMs = 5000 }) {
  return new Promise((resolve) => {
    const asked = httpRequest(url, {
      headers: { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGVzdA==", ...headers },
      agent: false,
      timeout: timeoutMs,
    });
    asked.on("upgrade", (response, socket) => {
      socket.once("data", (chunk) => {
        socket.destroy();
        resolve({ status: response.statusCode, text: String(chunk) });
      });
      socket.write(text);
    });
    asked.on("response", (response) => {
      response.resume();
      resolve({ status: response.statusCode, text: "" });
    });
    asked.on("timeout", () => asked.destroy(new Error("time-out")));
    asked.on("error", (error) => resolve({ status: 0, text: error.code ?? String(error) }));
    asked.end();
  });
}
