// The node's part in feature flags: OFREP over HTTP at the fabric's own address. A pod is known by its address; what it asks goes to the control plane's
// socket, and is asked again while that is away, so that no application falls back to its own default because of a restart.

import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Pod } from "../../../api/kubernetes/pod.ts";
import { boundPort } from "../../../lib/bound-port.ts";
import type { Logger } from "../../../lib/log.ts";
import { flagPort } from "../capture.ts";

export interface FlagServerOptions {
  /** The fabric's own address. */
  readonly address: string;
  /** The control plane's API. */
  readonly apiPath: string;
  readonly podAt: (address: string) => Pod | undefined;
  /** Of OFREP; 0 is any free one. */
  readonly port?: number;
  readonly logger: Logger;
  /** How long a question waits for a control plane that is away, in ms. Default 20,000: a restart takes 1 to 2 s, on a busy machine 10. A client that waits less ends its question itself. */
  readonly patienceMs?: number;
}

const maxConnections = 1024;
/** Of one pod at a time; then 429, after which SDKs use their own defaults for a while. So it stands far above what waits for a control plane that is away. */
const maxInFlight = 512;
/** Of one pod in one second; then 429. */
const maxPerSecond = 2000;
/** A context is a few hundred bytes, and no proxy takes headers beyond 60 KiB. */
const maxBody = 64 * 1024;
const pauseMs = 50;

/** Nothing else of the API may be reached from pods. */
const served = /^\/ofrep\/v1\/(evaluate\/flags(\/[^/?#]{1,600})?|configuration)(\?.*)?$/;

interface Load {
  inFlight: number;
  second: number;
  asked: number;
}

export class FlagServer {
  readonly #options: FlagServerOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #loads = new Map<string, Load>();
  readonly #closing = new AbortController();
  #server: Server | undefined;

  constructor(options: FlagServerOptions) {
    this.#options = options;
  }

  /** Opens the port; resolves with it. What can't be opened is told, and the mesh goes on without it. */
  listen(): Promise<number> {
    const { address, port = flagPort, logger } = this.#options;
    const limits = { maxHeaderSize: 16 * 1024, headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 60_000 };
    const server = createServer(limits, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        if (!request.destroyed || !response.headersSent) logger.debug("a flag was not answered", { error: String(error) });
        if (response.headersSent) response.destroy();
        else end(response, 503, { errorDetails: "the control plane is away" });
      });
    });
    server.maxConnections = maxConnections;
    this.#server = server;
    return new Promise((resolve) => {
      server.on("error", (error) => {
        logger.error("flags can't be served", { address, port, error: error.message });
        resolve(0);
      });
      server.listen(port, address, () => resolve(boundPort(server) ?? 0));
    });
  }

  close(): void {
    this.#closing.abort();
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#agent.destroy();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    const source = request.socket.remoteAddress ?? "";
    const match = served.exec(url);
    if (match === null) return end(response, 404, { errorDetails: "only /ofrep/v1 is served here" });
    if (method !== (match[1] === "configuration" ? "GET" : "POST")) return end(response, 405, { errorDetails: `${method} is not served` });
    const pod = this.#options.podAt(source);
    if (pod === undefined) return end(response, 403, { errorDetails: "flags are answered to pods of the mesh" });
    const load = this.#loads.get(source) ?? { inFlight: 0, second: 0, asked: 0 };
    this.#loads.set(source, load);
    if (!admit(load)) return end(response, 429, { errorDetails: "too many questions at a time" }, { "retry-after": "1" });
    load.inFlight += 1;
    try {
      const body = await bodyOf(request);
      if (body === undefined) return end(response, 413, { errorDetails: "the body is longer than 64 KiB" }, { connection: "close" });
      await this.#forward({ method, path: url.split("?")[0] ?? "", body, headers: this.#headersFor(pod, request) }, response);
    } finally {
      load.inFlight -= 1;
      if (load.inFlight === 0 && this.#loads.size > maxConnections) this.#loads.delete(source);
    }
  }

  #headersFor({ metadata }: Pod, { headers }: IncomingMessage): Readonly<Record<string, string>> {
    const known = headers["if-none-match"];
    return {
      "content-type": headers["content-type"] ?? "application/json",
      "x-lateen-pod": `${metadata.namespace ?? "default"}/${metadata.name}`,
      ...(known === undefined ? {} : { "if-none-match": known }),
    };
  }

  async #forward(question: Question, response: ServerResponse): Promise<void> {
    const { patienceMs = 20_000 } = this.#options;
    const deadline = performance.now() + patienceMs;
    while (!response.destroyed) {
      const answer = await this.#ask(question).catch(() => undefined);
      const isAway = answer === undefined || answer.status === 503;
      if (!isAway || performance.now() > deadline || this.#closing.signal.aborted) {
        const headers = answer?.tag === undefined ? {} : { etag: answer.tag };
        const status = answer?.status ?? 503;
        return end(response, status, answer?.text ?? { errorDetails: "the control plane is away" }, headers);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  #ask({ method, path, body, headers }: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        { socketPath: this.#options.apiPath, agent: this.#agent, method, path, headers: { ...headers, "content-length": body.length } },
        (incoming) => {
          let text = "";
          incoming.setEncoding("utf8");
          incoming.on("data", (chunk: string) => {
            text += chunk;
          });
          incoming.once("error", reject);
          incoming.once("end", () => resolve({ status: incoming.statusCode ?? 503, text, tag: incoming.headers.etag }));
        },
      );
      outgoing.setTimeout(5000, () => outgoing.destroy(new Error("no answer within 5 s")));
      outgoing.once("error", reject);
      outgoing.end(body);
    });
  }
}

interface Question {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly tag: string | undefined;
}

function admit(load: Load): boolean {
  const second = Math.floor(performance.now() / 1000);
  if (load.second !== second) Object.assign(load, { second, asked: 0 });
  load.asked += 1;
  return load.inFlight < maxInFlight && load.asked <= maxPerSecond;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBody) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

function end(response: ServerResponse, status: number, body: object | string, headers: Readonly<Record<string, string>> = {}): void {
  if (response.destroyed) return;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, { ...(status === 304 ? {} : { "content-type": "application/json; charset=utf-8" }), ...headers });
  response.end(status === 304 ? undefined : text);
}
