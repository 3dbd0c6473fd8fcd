// One small HTTP server and client for the shop's services. In: a table "GET /path" -> handler. Out: a running server that
// answers JSON, passes the caller's tracing and cohort headers on, and finishes its requests on SIGTERM.
import http from "node:http";
import { hostname } from "node:os";

/** Headers a service passes from the request it serves to the requests it makes (W3C, Zipkin B3, Envoy, and our testers' header). */
const PASSED_ON = /^(traceparent|tracestate|baggage|x-request-id|b3|x-b3-[a-z]+|x-shop-tester)$/;

/** How long a request to another service may take, in ms; the caller answers 502 after that. */
const CALL_TIMEOUT_MS = Number(process.env.CALL_TIMEOUT_MS ?? 5000);

/** How long requests may still run after SIGTERM, in ms; below Kubernetes' terminationGracePeriodSeconds of 30. */
const DRAIN_TIMEOUT_MS = 20_000;

// Connections to the sidecar are kept open, as any busy client does.
const keepAlive = new http.Agent({ keepAlive: true, maxSockets: 256 });

/** A call to another service that failed; the handler's caller gets `status` and the message as JSON. */
export class CallError extends Error {
  constructor(message, status = 502) {
    super(message);
    this.status = status;
  }
}

/** The headers of `incoming` that belong on every call made for its sake. */
export function passedOn(incoming) {
  return Object.fromEntries(Object.entries(incoming).filter(([name]) => PASSED_ON.test(name)));
}

/** GETs JSON from `url`; throws a CallError that names `what` on a refused connection, a timeout, a status >= 400 or bad JSON. */
export async function getJson(what, url, options) {
  const { timeoutMs = CALL_TIMEOUT_MS, headers = {} } = options;
  const { status, body } = await send({ what, url, timeoutMs, options: { agent: keepAlive, headers } });
  if (status >= 400) throw new CallError(`${what} answered ${status}: ${errorIn(body)}`);
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new CallError(`${what} sent no JSON: ${cause.message}`);
  }
}

async function send(call) {
  try {
    return await sendOnce(call);
  } catch (error) {
    // A kept connection may be closed by the other side while we write; a GET may be sent once more.
    if (error.stale) return sendOnce(call);
    throw error;
  }
}

function sendOnce({ what, url, timeoutMs, options }) {
  return new Promise((resolve, reject) => {
    const outgoing = http.request(url, options, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => resolve({ status: answer.statusCode, body: Buffer.concat(chunks).toString() }));
      answer.on("error", (cause) => reject(new CallError(`${what}: ${cause.message}`)));
    });
    const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    outgoing.on("close", () => clearTimeout(timer));
    outgoing.on("error", (cause) => {
      const error = new CallError(`${what}: ${cause.message || cause.code}`);
      error.stale = outgoing.reusedSocket && cause.code === "ECONNRESET";
      reject(error);
    });
    outgoing.end();
  });
}

function errorIn(body) {
  try {
    return JSON.parse(body).error ?? "no reason given";
  } catch {
    return body.slice(0, 200) || "no reason given";
  }
}

/** This pod as the first hop of its answer: `{service, version, pod, ms}`; `ms` is the time since the request came in. */
export function thisHop(service, request) {
  return { service, version: VERSION, pod: hostname(), ms: since(arrivals.get(request)) };
}

const VERSION = process.env.VERSION ?? "v1";
const arrivals = new WeakMap();

/** Milliseconds since a time of performance.now(), to the microsecond. */
export function since(start) {
  return Math.round((performance.now() - start) * 1000) / 1000;
}

/**
 * Serves `routes` ("GET /path" -> async (request) => object, or {status, type, body, headers}) on PORT (default 8080), and GET /healthz.
 * Prints one line "<name> listening on <port>" when it accepts connections.
 */
export function serve(name, routes, { onClose, server = http.createServer(), port = process.env.PORT ?? 8080 } = {}) {
  const table = { "GET /healthz": () => ({ ok: true }), ...routes };
  let draining = false;
  server.keepAliveTimeout = 0; // the sidecar decides: a server that closes idle connections first makes 503s of reused ones
  server.on("request", async (request, response) => {
    arrivals.set(request, performance.now());
    const { status, type, body, headers } = await answerOf(name, table, request);
    if (draining) response.setHeader("connection", "close");
    response.writeHead(status, { ...headers, "content-type": type });
    response.end(body);
  });
  server.listen(Number(port), () => console.log(`${name} listening on ${server.address().port}`));
  process.once("SIGTERM", () => {
    draining = true;
    setTimeout(() => process.exit(1), DRAIN_TIMEOUT_MS).unref();
    server.close(async () => {
      await onClose?.();
      process.exit(0);
    });
  });
  process.once("SIGINT", () => process.exit(130));
  return server;
}

async function answerOf(name, table, request) {
  const path = request.url.split("?")[0];
  const key = `${request.method} ${path}`;
  try {
    if (!Object.hasOwn(table, key)) throw new CallError(`no such page: ${key}`, 404);
    const answer = await table[key](request);
    if (answer.type !== undefined) return { status: 200, ...answer };
    return { status: answer.status ?? 200, headers: answer.headers, type: JSON_TYPE, body: jsonOf(answer.json ?? answer) };
  } catch (error) {
    if (!(error instanceof CallError)) console.error(error);
    const headers = { "x-shop-failed": `${name}=${VERSION}` };
    return { status: error.status ?? 500, headers, type: JSON_TYPE, body: jsonOf({ error: error.message }) };
  }
}

const JSON_TYPE = "application/json; charset=utf-8";
const jsonOf = (value) => `${JSON.stringify(value)}\n`;
