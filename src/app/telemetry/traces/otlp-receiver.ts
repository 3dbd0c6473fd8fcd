// Where applications' spans arrive: OTLP over gRPC and over HTTP (protobuf and JSON), on one Unix socket. The node carries pods' connections here and says
// in a first line whose they are (PROXY protocol, version 1). Bodies are bounded; what is no OTLP is refused and harms nobody else.

import { unlinkSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { BadInput, MeshError, Unavailable } from "../../../lib/errors.ts";
import type { Logger } from "../../../lib/log.ts";
import type { ReportedSpans } from "../../../telemetry/traces/span.ts";
import { ReportLimits } from "../report-limits.ts";
import { BodyRoom, bodyOf, grpcMessage, partialSuccess, spansOfBody, unpacked } from "./otlp-bodies.ts";

export interface OtlpReceiverOptions {
  readonly socketPath: string;
  /** Takes spans from an address; returns how many of them can't be used. */
  readonly take: (address: string, spans: readonly ReportedSpans[]) => number;
  readonly logger: Logger;
  /** Of a clock that never jumps; Node's own unless given. */
  readonly nowMs?: () => number;
}

/** The longest line that the PROXY protocol has. */
const maxLine = 107;
const lineMs = 5000;
const maxConnections = 1024;
/** A connection that says nothing for so long is closed; exporters open a new one. */
const idleMs = 120_000;
/** A body that takes longer isn't waited for. */
const bodyMs = 30_000;
/** Of one sender, unpacked: some thousand spans. A bucket of two seconds holds the longest body. */
const bytesPerSecond = 2.5 * 1024 * 1024;

export class OtlpReceiver {
  readonly #options: OtlpReceiverOptions;
  readonly #server: Server;
  readonly #http: HttpServer;
  readonly #sockets = new Map<Socket, string>();
  readonly #room = new BodyRoom();
  readonly #limits = new ReportLimits({ bytesPerSecond });
  #refused = 0;

  constructor(options: OtlpReceiverOptions) {
    this.#options = options;
    this.#http = createHttpServer((request, response) => void this.#answerHttp(request, response));
    this.#http.requestTimeout = bodyMs;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = maxConnections;
  }

  /** Opens the socket; one that a killed process left is replaced. */
  listen(): Promise<void> {
    const { socketPath } = this.#options;
    try {
      unlinkSync(socketPath);
    } catch {
      // There was none.
    }
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(socketPath, () => resolve());
    });
  }

  close(): void {
    for (const socket of this.#sockets.keys()) socket.destroy();
    this.#server.close();
    this.#http.close();
  }

  #accept(socket: Socket): void {
    this.#sockets.set(socket, "");
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => {});
    socket.setTimeout(lineMs, () => socket.destroy());
    let read = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      read = Buffer.concat([read, chunk]);
      const end = read.indexOf("\r\n");
      if (end === -1 && read.length > maxLine) return void socket.destroy();
      // What follows tells HTTP/2 from HTTP/1.1 by its first letters.
      if (end === -1 || read.length < end + 2 + preface.length) return;
      socket.off("data", onData);
      socket.pause();
      const [, , address = ""] = read.subarray(0, end).toString("latin1").split(" ");
      this.#sockets.set(socket, address);
      socket.setTimeout(idleMs);
      const rest = read.subarray(end + 2);
      socket.unshift(rest);
      if (rest.subarray(0, preface.length).equals(preface)) this.#speakHttp2(socket, address);
      else {
        this.#http.emit("connection", socket);
        socket.resume();
      }
    };
    socket.on("data", onData);
  }

  #speakHttp2(socket: Socket, address: string): void {
    const session: ServerHttp2Session = performServerHandshake(socket, { settings: { maxConcurrentStreams: 16 } });
    session.on("error", () => socket.destroy());
    session.on("stream", (stream, headers) => {
      stream.on("error", () => {});
      // Asked and taken back in one breath: an answer to it would throw.
      if (isOver(stream)) return;
      const path = String(headers[":path"] ?? "");
      if (String(headers["content-type"] ?? "").startsWith("application/grpc")) {
        void this.#answerGrpc(stream, { path, address, encoding: String(headers["grpc-encoding"] ?? "identity") });
      } else {
        stream.respond({ ":status": 415 });
        stream.end();
      }
    });
  }

  async #answerGrpc(stream: ServerHttp2Stream, call: GrpcCall): Promise<void> {
    let status = 0;
    let message = "";
    let answer: Uint8Array = nothing;
    try {
      if (!isOtlpService(call.path)) [status, message] = [12, "this is no OTLP service"];
      else {
        const { message: packed, encoding } = grpcMessage(await this.#bodyOf(stream, call.address), call.encoding);
        if (call.path === tracesService) answer = await this.#take(packed, { ...call, encoding, contentType: "application/x-protobuf" });
      }
    } catch (error) {
      [status, message] = [grpcStatusOf(error), MeshError.from(error).message];
    }
    if (isOver(stream)) return;
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () =>
      stream.sendTrailers({ "grpc-status": String(status), ...(message === "" ? {} : { "grpc-message": encodeURIComponent(message) }) }),
    );
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(answer.length, 1);
    stream.end(status === 0 ? Buffer.concat([frame, answer]) : undefined);
  }

  async #bodyOf(stream: ServerHttp2Stream, sender: string): Promise<Uint8Array> {
    const timer = setTimeout(() => stream.destroy(), bodyMs);
    return await bodyOf(stream, { sender, room: this.#room }).finally(() => clearTimeout(timer));
  }

  async #answerHttp(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const contentType = (request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
    const end = (code: number, body: Uint8Array | string, type = "text/plain"): void => {
      if (!response.destroyed) response.writeHead(code, { "content-type": type }).end(body);
    };
    request.on("error", () => {});
    if (!httpPaths.has(path)) return end(404, "OTLP is taken at /v1/traces\n");
    if (request.method !== "POST") return end(405, "POST spans here\n");
    const isJson = contentType === "application/json";
    if (!isJson && contentType !== "application/x-protobuf") return end(415, "send application/x-protobuf or application/json\n");
    try {
      const sender = this.#sockets.get(request.socket) ?? "";
      const body = await bodyOf(request, { sender, room: this.#room });
      const encoding = request.headers["content-encoding"] ?? "identity";
      const answer = path === "/v1/traces" ? await this.#take(body, { address: sender, encoding, contentType }) : nothing;
      end(200, isJson ? "{}" : answer, contentType);
    } catch (error) {
      end(httpStatusOf(error), `${MeshError.from(error).message}\n`);
      // The rest of a body that is too long isn't read.
      response.once("finish", () => request.socket.destroySoon());
    }
  }

  /** Reports that were more than their senders may send, since the start. */
  get refused(): number {
    return this.#refused;
  }

  async #take(packed: Uint8Array, { address, encoding, contentType }: PackedReport): Promise<Uint8Array> {
    const body = await unpacked(packed, encoding, (bytes) => this.#charge(address, bytes));
    const skipped = this.#options.take(address, spansOfBody(body, contentType));
    return skipped === 0 ? nothing : partialSuccess(skipped);
  }

  #charge(address: string, bytes: number): void {
    if (this.#limits.admits(address, bytes, this.#options.nowMs?.() ?? performance.now())) return;
    this.#refused += 1;
    throw new Unavailable("more spans than a pod may send", { fix: "sample less, or send fewer attributes" });
  }
}

/** The client has left it, or it is answered. */
function isOver(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed || stream.headersSent;
}

/** INVALID_ARGUMENT, UNAVAILABLE (which exporters try again), INTERNAL. */
function grpcStatusOf(error: unknown): number {
  if (error instanceof BadInput) return 3;
  return error instanceof Unavailable ? 14 : 13;
}

function httpStatusOf(error: unknown): number {
  if (error instanceof BadInput) return 400;
  return error instanceof Unavailable ? 503 : 500;
}

interface PackedReport {
  readonly address: string;
  readonly encoding: string;
  readonly contentType: string;
}

interface GrpcCall {
  readonly path: string;
  readonly address: string;
  readonly encoding: string;
}

const preface = Buffer.from("PRI ");
const nothing = new Uint8Array();

/** Metrics and logs of applications are taken, so that their SDKs have nothing to complain about, and not kept. */
const httpPaths: ReadonlySet<string> = new Set(["/v1/traces", "/v1/metrics", "/v1/logs"]);
const tracesService = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

function isOtlpService(path: string): boolean {
  return path === tracesService || /^\/opentelemetry\.proto\.collector\.(metrics|logs)\.v1\.(Metrics|Logs)Service\/Export$/.test(path);
}
