// HTTP requests over a Unix socket or loopback TCP, with connections kept alive; errors become the MeshErrors they were on the server.

import type { IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Diagnostic } from "../api/diagnostic.ts";
import { Conflict, codeOf, type ErrorCode, MeshError, NotFound, Unavailable } from "../lib/errors.ts";
import { isJsonObject } from "../store/json.ts";

/** Imported, node:http would load undici as well, for names that nobody uses here: every command would take 40 ms longer. */
const { Agent, request: httpRequest } = process.getBuiltinModule("node:http");

/** Where the API is. */
export type ApiAddress = SocketAddress | { readonly host: string; readonly port: number; readonly token: string };

export interface SocketAddress {
  readonly socketPath: string;
  /** Somebody starts the control plane again when it ends: milliseconds that it is waited for. Not at all unless given. */
  readonly restartMs?: number;
  /** Called when an answer hasn't begun after so many milliseconds; not for questions that the other side may think about. */
  readonly silence?: { readonly afterMs: number; readonly tell: () => void };
  /** In place of ApiRequest.idleMs's default. */
  readonly idleMs?: number;
}

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  /** Default application/json. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without a byte until Unavailable; 0 waits for ever. Default 30 s, or the address's. */
  readonly idleMs?: number;
}

export interface ApiResponse {
  readonly text: string;
  readonly body: unknown;
  readonly warnings: readonly string[];
  readonly code: number;
  readonly header: (name: string) => string | undefined;
}

/** The server refused an object: what is wrong with it. */
export class RefusedResource extends MeshError {
  readonly diagnostics: readonly Diagnostic[];

  constructor(message: string, diagnostics: readonly Diagnostic[]) {
    super("invalid", message);
    this.diagnostics = diagnostics;
  }
}

export class Transport {
  readonly #address: ApiAddress;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  #isClosed = false;

  constructor(address: ApiAddress) {
    this.#address = address;
  }

  /** Sends and reads the whole answer. @throws what failedWith says. */
  async send(request: ApiRequest): Promise<ApiResponse> {
    const response = await this.open(request);
    const text = await textOf(response);
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const code = response.statusCode ?? 0;
    if (code >= 400) throw errorOf(code, body);
    const header = (name: string): string | undefined => response.headers[name]?.toString();
    return { text, body, code, header, warnings: warningsOf(header("warning")) };
  }

  /** Sends and returns once the headers are there; the caller reads the body. Waits where the address says so. @throws Unavailable */
  async open(request: ApiRequest): Promise<IncomingMessage> {
    const { restartMs = 0 } = this.#socketAddress;
    const endMs = performance.now() + restartMs;
    for (;;) {
      try {
        return await this.#openNow(request);
      } catch (error) {
        if (this.#isClosed || performance.now() >= endMs || !mayTryAgain(error, request)) throw error;
        await sleep(retryMs);
      }
    }
  }

  #openNow({
    method,
    path,
    query = {},
    body,
    contentType = "application/json",
    signal,
    idleMs: ownIdleMs,
  }: ApiRequest): Promise<IncomingMessage> {
    const { silence, idleMs: usualIdleMs = defaultIdleMs } = this.#socketAddress;
    const idleMs = ownIdleMs ?? usualIdleMs;
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers: Record<string, string> = { accept: "application/json" };
    if (payload !== undefined) {
      headers["content-type"] = contentType;
      headers["content-length"] = String(Buffer.byteLength(payload));
    }
    if ("token" in this.#address) headers["authorization"] = `Bearer ${this.#address.token}`;
    return new Promise((resolve, reject) => {
      const options = { ...this.#place(), method, path: withQuery(path, query), headers, agent: this.#agent, signal };
      const outgoing = httpRequest(withoutUndefined(options), resolve);
      outgoing.once("error", (error) => reject(this.#unreachable(error)));
      if (idleMs > 0) outgoing.setTimeout(idleMs, () => outgoing.destroy(new NoAnswer(idleMs)));
      // Whoever names a time expects an answer that takes its time, or none that ends.
      if (silence !== undefined && (ownIdleMs === undefined || ownIdleMs === 0)) {
        const timer = setTimeout(silence.tell, silence.afterMs);
        for (const event of ["response", "error", "close"]) outgoing.once(event, () => clearTimeout(timer));
      }
      outgoing.end(payload);
    });
  }

  /** Ends what is asked, too. */
  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
  }

  get #socketAddress(): Partial<SocketAddress> {
    return "socketPath" in this.#address ? this.#address : {};
  }

  #place(): { socketPath: string } | { host: string; port: number } {
    return "socketPath" in this.#address
      ? { socketPath: this.#address.socketPath }
      : { host: this.#address.host, port: this.#address.port };
  }

  #unreachable(cause: Error): MeshError {
    if (cause.name === "AbortError") return new MeshError("timeout", "the request was given up", { cause });
    const isStartedAgain = (this.#socketAddress.restartMs ?? 0) > 0;
    const where = "socketPath" in this.#address ? this.#address.socketPath : `${this.#address.host}:${this.#address.port}`;
    return new Unavailable(`the control plane does not answer at ${where}: ${cause.message}`, {
      cause,
      fix: isStartedAgain ? (cause instanceof NoAnswer ? fixes.silent : fixes.startedAgain) : fixes.notThere,
    });
  }
}

const fixes = {
  silent:
    "Its process is there, but stopped or too busy: try again. If it stays so, end it with kill -9, and the mesh starts it again at once.",
  startedAgain:
    "The mesh runs, and its control plane is being started again: try again in a moment. `lateen logs --own` says why it ended.",
  notThere: "Start the mesh with `lateen up`.",
};

/** The other side took the request, and said nothing. */
class NoAnswer extends Error {
  constructor(idleMs: number) {
    super(`no answer within ${idleMs / 1000} s`);
  }
}

const defaultIdleMs = 30_000;
const retryMs = 100;

/** Whether nothing was done yet: nobody took the connection, or it broke before the answer to a question. */
function mayTryAgain(error: unknown, { method, signal }: ApiRequest): boolean {
  if (!(error instanceof Unavailable) || signal?.aborted === true) return false;
  const code = codeOf(error.cause);
  return code === "ENOENT" || code === "ECONNREFUSED" || (method === "GET" && (code === "ECONNRESET" || code === "EPIPE"));
}

function withoutUndefined<T extends { signal: AbortSignal | undefined }>({ signal, ...options }: T) {
  return signal === undefined ? options : { ...options, signal };
}

function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? path : `${path}?${parameters}`;
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  try {
    for await (const chunk of response) text += String(chunk);
  } catch (error) {
    throw new Unavailable("the control plane broke the connection in the middle of an answer", { cause: error });
  }
  return text;
}

/** The thrown form of a metav1.Status. */
export function errorOf(code: number, body: unknown): MeshError {
  const status = isJsonObject(body) ? body : {};
  const message = typeof status["message"] === "string" ? status["message"] : `the control plane answered ${code}`;
  const details = isJsonObject(status["details"]) ? status["details"] : {};
  if (code === 404) return new NotFound(message);
  if (code === 409 && status["reason"] !== "AlreadyExists") return new Conflict(message);
  if (code === 422) return new RefusedResource(message, diagnosticsIn(details["diagnostics"]));
  return code === 503 ? new Unavailable(message) : new MeshError(codes[code] ?? "internal", message);
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: "bad_request",
  401: "bad_request",
  409: "already_exists",
  410: "gone",
  504: "timeout",
};

function diagnosticsIn(value: unknown): Diagnostic[] {
  return Array.isArray(value) ? value.filter(isDiagnostic) : [];
}

function isDiagnostic(value: unknown): value is Diagnostic {
  return (
    isJsonObject(value) && ["code", "severity", "resource", "path", "message", "fix"].every((field) => typeof value[field] === "string")
  );
}

/** The texts of `299 - "text"` headers, which Node joins with ", ". */
function warningsOf(header: string | undefined): string[] {
  const texts = (header ?? "").matchAll(/299 - "((?:[^"\\]|\\.)*)"/g);
  return [...texts].map((match) => (match[1] ?? "").replaceAll(/\\(.)/g, "$1"));
}
