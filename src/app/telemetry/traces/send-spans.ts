// One batch of spans to one destination: OTLP over HTTP or gRPC, or Zipkin's JSON. Out: taken, refused for good, or worth another try.

import { request } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import type { TraceProvider } from "../../../model/telemetry-settings.ts";
import { encodeOtlpSpans } from "../../../telemetry/traces/otlp-encode.ts";
import type { Span } from "../../../telemetry/traces/span.ts";
import { zipkinSpan } from "../../../telemetry/traces/zipkin.ts";

export interface SendSpans {
  readonly provider: TraceProvider;
  readonly connect: () => Promise<Socket>;
  readonly signal: AbortSignal;
}

export interface SendAnswer {
  readonly outcome: "sent" | "refused" | "retry";
  /** Why it wasn't taken. */
  readonly problem?: string;
}

const timeoutMs = 10_000;

/** Sends; rejects when the destination can't be reached. */
export async function sendSpans({ provider, connect, signal }: SendSpans, spans: readonly Span[]): Promise<SendAnswer> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const socket = await connect();
  socket.on("error", () => {});
  try {
    if (provider.protocol === "otlp-grpc") return await sendGrpc({ provider, socket, signal: bounded }, encodeOtlpSpans(spans));
    const isZipkin = provider.protocol === "zipkin";
    const body = isZipkin ? Buffer.from(JSON.stringify(spans.map(zipkinSpan))) : encodeOtlpSpans(spans);
    const contentType = isZipkin ? "application/json" : "application/x-protobuf";
    return await sendHttp({ provider, socket, signal: bounded }, { body, contentType });
  } finally {
    socket.destroy();
  }
}

interface Connected {
  readonly provider: TraceProvider;
  readonly socket: Socket;
  readonly signal: AbortSignal;
}

/** OTLP: these may be tried again; so may what went wrong in between. */
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504]);

function sendHttp(
  { provider: { service, port, path }, socket, signal }: Connected,
  { body, contentType }: { readonly body: Uint8Array; readonly contentType: string },
): Promise<SendAnswer> {
  return new Promise((resolve, reject) => {
    // With an agent, even none, Node would open a connection of its own.
    const headers = { "content-type": contentType, "content-length": body.length, host: `${hostOf(service)}:${port}` };
    const post = request({ createConnection: () => socket, method: "POST", path, headers, signal }, (answer) => {
      answer.resume();
      answer.once("error", reject);
      answer.once("end", () => {
        const code = answer.statusCode ?? 0;
        if (code >= 200 && code < 300) return resolve({ outcome: "sent" });
        resolve({ outcome: retryable.has(code) ? "retry" : "refused", problem: `${service}:${port}${path} answered ${code}` });
      });
    });
    post.once("error", reject);
    post.end(body);
  });
}

/** gRPC's codes that OTLP calls retryable: CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS. */
const retryableGrpc: ReadonlySet<string> = new Set(["1", "4", "8", "10", "11", "14", "15"]);

function sendGrpc({ provider: { service, port }, socket, signal }: Connected, message: Uint8Array): Promise<SendAnswer> {
  return new Promise((resolve, reject) => {
    const session: ClientHttp2Session = connectHttp2(`http://${hostOf(service)}:${port}`, { createConnection: () => socket });
    session.once("error", reject);
    const stream = session.request(
      {
        ":method": "POST",
        ":path": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "content-type": "application/grpc",
        te: "trailers",
      },
      { signal },
    );
    let status = "";
    let text = "";
    // gRPC writes its message with percent signs, as in URLs.
    const plain = (message: string): string => {
      try {
        return decodeURIComponent(message).slice(0, 300);
      } catch {
        return message.slice(0, 300);
      }
    };
    const read = (headers: Readonly<Record<string, unknown>>): void => {
      status = String(headers["grpc-status"] ?? status);
      text = plain(String(headers["grpc-message"] ?? text));
    };
    stream.on("response", read);
    stream.on("trailers", read);
    stream.resume();
    stream.once("error", reject);
    stream.once("close", () => {
      session.destroy();
      if (status === "0") return resolve({ outcome: "sent" });
      const problem = status === "" ? "ended without a gRPC status" : `answered gRPC ${status}${text === "" ? "" : `: ${text}`}`;
      resolve({ outcome: status === "" || retryableGrpc.has(status) ? "retry" : "refused", problem: `${service}:${port} ${problem}` });
    });
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([frame, message]));
  });
}

/** Without the namespace that may stand before it. */
function hostOf(service: string): string {
  return service.split("/").at(-1) ?? service;
}
