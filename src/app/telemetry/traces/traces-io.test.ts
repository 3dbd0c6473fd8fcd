// Spans over real sockets: the receiver for applications, the bridge in front of it, and the forwarders behind the store.

import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Server as GrpcServer, status as grpcStatus, type handleUnaryCall, ServerCredentials } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/harness/envoy.ts";
import { eventually } from "../../../../test/harness/eventually.ts";
import { silentLogger } from "../../../lib/log.ts";
import type { TraceProvider } from "../../../model/telemetry-settings.ts";
import { SpanBridge } from "../../../platform/local/node/span-bridge.ts";
import { encodeOtlpSpans } from "../../../telemetry/traces/otlp-encode.ts";
import { parseOtlpSpans } from "../../../telemetry/traces/otlp-spans.ts";
import type { ReportedSpans, Span } from "../../../telemetry/traces/span.ts";
import { connectDirectly } from "./destination.ts";
import { Forwarder } from "./forwarder.ts";
import { unpacked } from "./otlp-bodies.ts";
import { OtlpReceiver } from "./otlp-receiver.ts";
import { reachThrough } from "./reach.ts";

let ids = 0;

function span(fields: Partial<Span> = {}): Span {
  ids += 1;
  return {
    traceId: "463ac35c9f6413ad48485a3953bb6124",
    spanId: ids.toString(16).padStart(16, "0"),
    parentId: "",
    name: "pay",
    kind: "server",
    startUs: 1_795_285_310_000_000,
    durationUs: 1500,
    isError: true,
    statusText: "no money",
    attributes: { "http.status_code": "503", items: 3, ratio: 0.5, gift: true },
    events: [{ name: "asked", timeUs: 1_795_285_310_000_500, attributes: { who: "bank" } }],
    sender: { kind: "proxy", service: "shop", version: "v2", workload: "shop-v2", namespace: "store", pod: "shop-v2-x" },
    isMirrored: false,
    resource: {},
    ...fields,
  };
}

test("what is sent on is what was kept", () => {
  const sent = span();
  const [part] = parseOtlpSpans(encodeOtlpSpans([sent]));
  const { sender: _sender, isMirrored: _isMirrored, resource: _resource, ...reported } = sent;
  expect(part?.spans).toEqual([reported]);
  expect(part?.resource).toMatchObject({
    "service.name": "shop",
    "service.version": "v2",
    "k8s.pod.name": "shop-v2-x",
    "lateen.reporter": "proxy",
  });
});

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

const provider = (protocol: TraceProvider["protocol"], port: number, path = ""): TraceProvider => ({
  name: "there",
  protocol,
  service: "127.0.0.1",
  port,
  path,
});

async function listening(server: Server, stack: AsyncDisposableStack): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stack.defer(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function forwarderTo(target: TraceProvider, stack: AsyncDisposableStack, more: object = {}): Forwarder {
  const connectThere = () => connectDirectly(target.service, target.port);
  const forwarder = new Forwarder({ provider: target, connect: connectThere, logger: silentLogger, pauseMs: 5, ...more });
  stack.defer(() => forwarder.close());
  return forwarder;
}

test("spans go to OTLP over HTTP and to Zipkin; what is busy is tried again, what refuses is not", async () => {
  await using stack = new AsyncDisposableStack();
  const answers = [503, 429, 200, 400, 202];
  const got: { readonly path: string; readonly body: Buffer }[] = [];
  const server = createHttpServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    got.push({ path: request.url ?? "", body: Buffer.concat(chunks) });
    response.writeHead(answers.shift() ?? 200).end();
  });
  const port = await listening(server, stack);
  const otlp = forwarderTo(provider("otlp-http", port, "/v1/traces"), stack);
  otlp.take([span()]);
  await eventually(() => otlp.view().sentSpans === 1, 20_000);
  expect(got.map(({ path }) => path)).toEqual(["/v1/traces", "/v1/traces", "/v1/traces"]);
  expect(parseOtlpSpans(got[2]?.body ?? Buffer.alloc(0))[0]?.spans[0]?.name).toBe("pay");
  expect(otlp.view()).not.toHaveProperty("problem");
  otlp.take([span()]);
  await eventually(() => otlp.view().droppedSpans === 1, 20_000);
  expect(otlp.view().problem).toContain("answered 400");
  const zipkin = forwarderTo(provider("zipkin", port, "/api/v2/spans"), stack);
  zipkin.take([span({ durationUs: 0, parentId: "00f067aa0ba902b7" })]);
  await eventually(() => zipkin.view().sentSpans === 1, 20_000);
  expect(JSON.parse(String(got.at(-1)?.body))).toMatchObject([
    {
      kind: "SERVER",
      duration: 1,
      parentId: "00f067aa0ba902b7",
      localEndpoint: { serviceName: "shop" },
      tags: { error: "no money", items: "3" },
    },
  ]);
});

test("spans go to OTLP over gRPC, as Jaeger takes them", async () => {
  await using stack = new AsyncDisposableStack();
  const got: Buffer[] = [];
  const codes = [grpcStatus.UNAVAILABLE, grpcStatus.OK, grpcStatus.PERMISSION_DENIED];
  const bytes = (value: Buffer): Buffer => value;
  const coder = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  const answer: handleUnaryCall<Buffer, Buffer> = ({ request }, respond) => {
    got.push(request);
    const code = codes.shift() ?? grpcStatus.OK;
    if (code === grpcStatus.OK) respond(null, Buffer.alloc(0));
    else respond({ code, details: "not now" });
  };
  const server = new GrpcServer();
  server.addService({ Export: { path: tracesPath, requestStream: false, responseStream: false, ...coder } }, { Export: answer });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  stack.defer(() => server.forceShutdown());
  const forwarder = forwarderTo(provider("otlp-grpc", port), stack);
  forwarder.take([span()]);
  await eventually(() => forwarder.view().sentSpans === 1, 20_000);
  expect(got).toHaveLength(2);
  expect(parseOtlpSpans(got[1] ?? Buffer.alloc(0))[0]?.spans[0]?.name).toBe("pay");
  forwarder.take([span()]);
  await eventually(() => forwarder.view().droppedSpans === 1, 20_000);
  expect(forwarder.view().problem).toContain("gRPC 7: not now");
});

test("without a destination spans wait, the oldest go, and that is told", async () => {
  await using stack = new AsyncDisposableStack();
  const closed = createServer();
  const port = await listening(closed, stack);
  await new Promise<void>((resolve) => closed.close(() => resolve()));
  const forwarder = forwarderTo(provider("otlp-http", port, "/v1/traces"), stack, { maxQueued: 3 });
  forwarder.take([span(), span()]);
  await eventually(() => forwarder.view().problem !== undefined, 20_000);
  forwarder.take([span(), span(), span()]);
  await eventually(() => forwarder.view().droppedSpans === 2, 20_000);
  expect(forwarder.view()).toMatchObject({ sentSpans: 0, problem: expect.stringContaining("can't be reached") });
});

test("a connection through the node says why there is none, and else carries bytes from the first one", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const echo = await listening(
    createServer((socket) => socket.on("error", () => {}).pipe(socket)),
    stack,
  );
  const reachPath = join(folder.path, "reach.sock");
  const dial = (address: string, port: number) =>
    address === "198.18.0.9" ? connectDirectly("127.0.0.1", port) : Promise.reject(new Error(`no pod has the address ${address}`));
  const bridge = new SpanBridge({ address: "127.0.0.1", collectorPath: "/nonexistent", ports: [], reachPath, dial, logger: silentLogger });
  bridge.listen();
  stack.defer(() => bridge.close());
  const reach = reachThrough(reachPath);
  await eventually(async () => {
    const socket = await reach("198.18.0.9", echo);
    const answer = new Promise((resolve) => socket.once("data", (chunk) => resolve(String(chunk))));
    socket.write("hello");
    expect(await answer).toBe("hello");
    socket.destroy();
    return true;
  });
  await expect(reach("198.18.0.8", echo)).rejects.toThrow("no pod has the address 198.18.0.8");
});
