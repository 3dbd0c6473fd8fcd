// What a stranger may do to the receiver of spans that is no mistake of an SDK: leave in the middle, and hold much that never becomes whole.

import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/harness/envoy.ts";
import { eventually } from "../../../../test/harness/eventually.ts";
import { silentLogger } from "../../../lib/log.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";

let stack: AsyncDisposableStack;
let socketPath: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  socketPath = join(folder.path, "otlp.sock");
  const receiver = new OtlpReceiver({ socketPath, take: () => 0, logger: silentLogger });
  await receiver.listen();
  stack.defer(() => receiver.close());
});

afterEach(() => stack.disposeAsync());

const tracesPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/** Frames of RFC 9113. */
const frameType = { data: 0, headers: 1, reset: 3, settings: 4 } as const;
const endHeaders = 4;
const endStream = 1;

function frame(type: keyof typeof frameType, { flags = 0, stream = 0 }, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(frameType[type], 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literals without indexing (RFC 7541, 6.2.2). */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
}

function headers(stream: number, contentType: string, path: string): Buffer {
  const fields = [":method POST", ":scheme http", `:path ${path}`, ":authority x", `content-type ${contentType}`];
  return frame(
    "headers",
    { flags: endHeaders, stream },
    Buffer.concat(
      fields.map((field) => {
        const cut = field.indexOf(" ");
        return literal(field.slice(0, cut), field.slice(cut + 1));
      }),
    ),
  );
}

function reset(stream: number, code: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(code);
  return frame("reset", { stream }, payload);
}

/** A connection as the node carries it. */
function proxied(address: string): Socket {
  const socket = connect({ path: socketPath });
  socket.on("error", () => {});
  socket.write(`PROXY TCP4 ${address} 198.18.0.1 40000 4317\r\n`);
  stack.defer(() => void socket.destroy());
  return socket;
}

/** One that speaks HTTP/2 already. */
function open(address: string): Socket {
  const socket = proxied(address);
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(frame("settings", {}));
  return socket;
}

/** What was read so far. */
function reader(socket: Socket): () => Buffer {
  let read = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
  });
  return () => read;
}

/** Whether a frame of this type and stream was read. */
function has(bytes: Buffer, type: number, stream: number): boolean {
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
    if (bytes.readUInt8(at + 3) === type && bytes.readUInt32BE(at + 5) === stream) return true;
  }
  return false;
}

test.each([
  { what: "another content type", contentType: "text/plain", path: "/x" },
  { what: "another service", contentType: "application/grpc", path: "/x" },
  { what: "spans", contentType: "application/grpc", path: tracesPath },
])("a request for $what that is taken back at once harms nobody", async ({ contentType, path }) => {
  const failures: unknown[] = [];
  const onFailure = (error: unknown): void => void failures.push(error);
  process.on("uncaughtException", onFailure).on("unhandledRejection", onFailure);
  stack.defer(() => void process.off("uncaughtException", onFailure).off("unhandledRejection", onFailure));
  const socket = open("198.18.0.7");
  const read = reader(socket);
  // In one write, so that both are there before anything is answered: with NO_ERROR and with CANCEL.
  socket.write(Buffer.concat([headers(1, contentType, path), reset(1, 0), headers(3, contentType, path), reset(3, 8)]));
  socket.write(Buffer.concat([headers(5, "application/grpc", "/x"), frame("data", { flags: endStream, stream: 5 })]));
  await eventually(() => has(read(), frameType.headers, 5), 20_000, "an answer to the next request");
  expect(failures).toEqual([]);
});

/** A call of which so many bytes come and no end; the status once it is answered. */
function unfinished(session: ClientHttp2Session, bytes: number): Promise<string> {
  const stream = session.request({ ":method": "POST", ":path": tracesPath, "content-type": "application/grpc", te: "trailers" });
  stream.on("error", () => {});
  stream.write(Buffer.alloc(bytes));
  stream.resume();
  return new Promise((resolve) => stream.once("trailers", (trailers) => resolve(String(trailers["grpc-status"]))));
}

test("bodies that never become whole are refused beyond a sender's room, and leave the room of others", async () => {
  const greedy = connectHttp2("http://x", { createConnection: () => proxied("198.18.0.7") });
  stack.defer(() => greedy.destroy());
  // UNAVAILABLE: twelve times a mebibyte is more than eight.
  expect(await Promise.race(Array.from({ length: 12 }, () => unfinished(greedy, 1024 * 1024)))).toBe("14");
  const other = connectHttp2("http://x", { createConnection: () => proxied("198.18.0.8") });
  stack.defer(() => other.destroy());
  const call = other.request({ ":method": "POST", ":path": tracesPath, "content-type": "application/grpc", te: "trailers" });
  const status = new Promise((resolve) => call.once("trailers", (trailers) => resolve(trailers["grpc-status"])));
  call.resume().end(Buffer.alloc(5));
  expect(await status).toBe("0");
});
