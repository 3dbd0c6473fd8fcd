// Spans that are sent on over real sockets: to where, in which form, and what becomes of those that nobody takes.

import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { Server as GrpcServer, status as grpcStatus, type handleUnaryCall, ServerCredentials } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { eventually } from "../../../../test/harness/eventually.ts";
import { listenOnLoopback } from "../../../../test/harness/loopback.ts";
import { silentLogger } from "../../../lib/log.ts";
import type { TraceProvider } from "../../../model/telemetry-settings.ts";
import { encodeOtlpSpans } from "../../../telemetry/traces/otlp-encode.ts";
import { parseOtlpSpans } from "../../../telemetry/traces/otlp-spans.ts";
import { connectDirectly } from "./destination.ts";
import { Forwarder } from "./forwarder.ts";
import { span } from "./testing/span.ts";

const tracesPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

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

const provider = (protocol: TraceProvider["protocol"], port: number, path = ""): TraceProvider => ({
  name: "there",
  protocol,
  service: "127.0.0.1",
  port,
  path,
});

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
  const port = await listenOnLoopback(server);
  stack.defer(() => void server.close());
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
  const port = await listenOnLoopback(closed);
  await new Promise<void>((resolve) => closed.close(() => resolve()));
  const forwarder = forwarderTo(provider("otlp-http", port, "/v1/traces"), stack, { maxQueued: 3 });
  forwarder.take([span(), span()]);
  await eventually(() => forwarder.view().problem !== undefined, 20_000);
  forwarder.take([span(), span(), span()]);
  await eventually(() => forwarder.view().droppedSpans === 2, 20_000);
  expect(forwarder.view()).toMatchObject({ sentSpans: 0, problem: expect.stringContaining("can't be reached") });
});
