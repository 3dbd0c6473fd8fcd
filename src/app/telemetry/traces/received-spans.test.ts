// Spans of applications over real sockets: what the receiver takes, bounds and refuses.

import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/harness/envoy.ts";
import { silentLogger } from "../../../lib/log.ts";
import { encodeOtlpSpans } from "../../../telemetry/traces/otlp-encode.ts";
import type { ReportedSpans } from "../../../telemetry/traces/span.ts";
import { unpacked } from "./otlp-bodies.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";
import { span } from "./testing/span.ts";

interface Taken {
  readonly address: string;
  readonly spans: readonly ReportedSpans[];
}

async function startReceiver(stack: AsyncDisposableStack) {
  const folder = stack.use(await temporaryFolder());
  const taken: Taken[] = [];
  const socketPath = join(folder.path, "otlp.sock");
  const take = (address: string, spans: readonly ReportedSpans[]): number => {
    taken.push({ address, spans });
    return spans.reduce((sum, { skipped }) => sum + skipped, 0);
  };
  // A clock that stands: no bucket fills again.
  const receiver = new OtlpReceiver({ socketPath, take, logger: silentLogger, nowMs: () => 0 });
  await receiver.listen();
  stack.defer(() => receiver.close());
  const openFrom = (address: string): Socket => {
    const socket = connect({ path: socketPath });
    socket.write(`PROXY TCP4 ${address} 198.18.0.1 40000 4318\r\n`);
    return socket;
  };
  return { taken, open: () => openFrom("198.18.0.7"), openFrom, receiver };
}

interface Post {
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

function post(
  open: () => Socket,
  { path = "/v1/traces", headers, body }: Post,
): Promise<{ readonly status: number; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ createConnection: open, method: "POST", path, headers: { host: "x", ...headers } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.once("end", () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    asked.once("error", reject);
    asked.end(body);
  });
}

function grpc(open: () => Socket, path: string, message: Uint8Array, { compressed = false } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2("http://x", { createConnection: open });
    session.once("error", reject);
    const encoding = compressed ? { "grpc-encoding": "gzip" } : {};
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...encoding });
    let status = "";
    stream.on("trailers", (trailers) => {
      status = String(trailers["grpc-status"]);
    });
    stream.resume();
    stream.once("error", reject);
    stream.once("close", () => {
      session.destroy();
      resolve(status);
    });
    const packed = compressed ? gzipSync(message) : Buffer.from(message);
    const frame = Buffer.alloc(5);
    frame.writeUInt8(compressed ? 1 : 0, 0);
    frame.writeUInt32BE(packed.length, 1);
    stream.end(Buffer.concat([frame, packed]));
  });
}

const tracesPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const protobuf = { "content-type": "application/x-protobuf" };
const json = { "content-type": "application/json" };

test("applications' spans are taken over HTTP and gRPC, packed or not, with their address", async () => {
  await using stack = new AsyncDisposableStack();
  const { taken, open } = await startReceiver(stack);
  const bytes = encodeOtlpSpans([span()]);
  const jsonSpan = {
    traceId: "463ac35c9f6413ad48485a3953bb6124",
    spanId: "00f067aa0ba902b7",
    name: "pay",
    startTimeUnixNano: "1795285310000000000",
  };
  const text = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [jsonSpan, { name: "without ids" }] }] }] });
  expect((await post(open, { headers: protobuf, body: bytes })).status).toBe(200);
  expect((await post(open, { headers: { ...protobuf, "content-encoding": "gzip" }, body: gzipSync(bytes) })).status).toBe(200);
  expect(await post(open, { headers: json, body: text })).toMatchObject({ status: 200, body: Buffer.from("{}") });
  expect(await grpc(open, tracesPath, bytes)).toBe("0");
  expect(await grpc(open, tracesPath, bytes, { compressed: true })).toBe("0");
  expect(taken.map(({ address, spans }) => [address, spans[0]?.spans[0]?.name])).toEqual(
    Array.from({ length: 5 }, () => ["198.18.0.7", "pay"]),
  );
  // What SDKs send besides is taken and left.
  expect((await post(open, { path: "/v1/metrics", headers: protobuf, body: "anything" })).status).toBe(200);
  expect(await grpc(open, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", bytes)).toBe("0");
  expect(taken).toHaveLength(5);
});

test("one pod's reports are bounded by what they are unpacked; others' are taken", async () => {
  await using stack = new AsyncDisposableStack();
  const { taken, open, openFrom, receiver } = await startReceiver(stack);
  const flood = [2, 2, 1, 1].map((mebibytes) => gzipSync(JSON.stringify({ padding: "x".repeat(mebibytes * 1024 * 1024) })));
  const packed = { ...json, "content-encoding": "gzip" };
  const statuses: number[] = [];
  for (const body of flood) statuses.push((await post(open, { headers: packed, body })).status);
  // Five mebibytes are in a bucket; the packed ones are some kilobytes.
  expect(statuses).toEqual([200, 200, 503, 503]);
  const bomb = encodeOtlpSpans([span({ statusText: "x".repeat(900_000) })]);
  expect(await grpc(open, tracesPath, bomb, { compressed: true })).toBe("0");
  expect(await grpc(open, tracesPath, bomb, { compressed: true })).toBe("14");
  expect(receiver.refused).toBe(3);
  expect((await post(() => openFrom("198.18.0.8"), { headers: packed, body: gzipSync(bomb) })).status).toBe(400);
  expect(await grpc(() => openFrom("198.18.0.8"), tracesPath, bomb, { compressed: true })).toBe("0");
  expect(taken.map(({ address }) => address)).toEqual(["198.18.0.7", "198.18.0.7", "198.18.0.7", "198.18.0.8"]);
});

test("a bomb that says less than it is stops there", async () => {
  const bomb = gzipSync(Buffer.alloc(3 * 1024 * 1024));
  bomb.writeUInt32LE(100, bomb.length - 4);
  const charged: number[] = [];
  await expect(unpacked(bomb, "gzip", (bytes) => void charged.push(bytes))).rejects.toThrow("can't be unpacked");
  expect(charged).toEqual([bomb.length, 100]);
});

test("junk is refused, and the next request is served", async () => {
  await using stack = new AsyncDisposableStack();
  const { taken, open } = await startReceiver(stack);
  const refused = async (request: Post): Promise<number> => (await post(open, request)).status;
  expect(await refused({ headers: protobuf, body: "\x0a\xff" })).toBe(400);
  expect(await refused({ headers: json, body: "{" })).toBe(400);
  expect(await refused({ headers: { "content-type": "text/plain" }, body: "x" })).toBe(415);
  expect(await refused({ path: "/", headers: protobuf, body: "x" })).toBe(404);
  expect(await refused({ headers: { ...protobuf, "content-encoding": "br" }, body: "x" })).toBe(400);
  expect(await refused({ headers: { ...protobuf, "content-encoding": "gzip" }, body: gzipSync(Buffer.alloc(5 * 1024 * 1024)) })).toBe(400);
  expect(await refused({ headers: protobuf, body: Buffer.alloc(5 * 1024 * 1024) }).catch(() => 400)).toBe(400);
  expect(await grpc(open, tracesPath, Buffer.from([0x0a, 0xff]))).toBe("3");
  expect(await grpc(open, "/other.Service/Call", Buffer.alloc(0))).toBe("12");
  for (const bytes of ["\r\n\r\n\r\n", "PROXY x\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish rubbish", "x".repeat(200)]) {
    const socket = open();
    socket.on("error", () => {});
    await new Promise((resolve) => socket.once("close", resolve).resume().end(bytes));
  }
  expect(taken).toEqual([]);
  expect((await post(open, { headers: protobuf, body: encodeOtlpSpans([span()]) })).status).toBe(200);
});
