// Who counts as a copy, on a real Envoy: counters, access log and spans say the same of every request, whatever stands around the mark in its baggage.

import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { Server as GrpcServer, type handleUnaryCall, ServerCredentials } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import type { AccessLogFilterJson, AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import { FileAccessLogSchema } from "#envoy/envoy/extensions/access_loggers/file/v3/file_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { HttpProtocolOptionsSchema } from "#envoy/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js";
import { startEnvoy, temporaryFolder } from "../../../test/harness/envoy.ts";
import { eventually } from "../../../test/harness/eventually.ts";
import { any } from "../../envoy/any.ts";
import { xdsClusterName } from "../../envoy/names.ts";
import { defaultMeshSettings } from "../../model/mesh.ts";
import { copyMark } from "../../telemetry/proxy-reports.ts";
import { parseOtlpSpans } from "../../telemetry/traces/otlp-spans.ts";
import type { ReportedSpan } from "../../telemetry/traces/span.ts";
import { withoutMirrorBaggage } from "./mirror-mark.ts";
import { isCopy, isNoCopy } from "./stats-filters.ts";
import { tracing } from "./tracing.ts";

type Headers = Readonly<Record<string, string | readonly string[]>>;

const copies: readonly Headers[] = [
  { "x-lateen-mirror": "1" },
  { "x-lateen-mirror": "1", baggage: "a=b" },
  { baggage: "lateen.mirror=1" },
  { baggage: "a=b,lateen.mirror=1" },
  { baggage: "a=b , lateen.mirror=1 , c=d" },
  { baggage: "lateen.mirror = 1;x=y,c=d" },
  { baggage: ["a=b", "lateen.mirror=1"] },
];
const users: readonly Headers[] = [
  {},
  { "x-lateen-mirror": "0" },
  { "x-lateen-mirror": "0", baggage: "a=b" },
  { baggage: "xlateen.mirror=12" },
  { baggage: "a=b,lateen.mirror=12" },
  { baggage: "a=lateen.mirror=1" },
  { baggage: "a=b;lateen.mirror=1" },
  { baggage: "lateenxmirror=1" },
];

test("counters, access log and spans agree about copies", { timeout: 60_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryFolder());
  const spans = await startCollector(join(path, "collector.sock"), stack);
  const [socketPath, log] = [join(path, "envoy.sock"), join(path, "log")];
  stack.use(await startEnvoy(bootstrap({ socketPath, log, collector: join(path, "collector.sock") })));
  const all = [...copies, ...users];
  for (const [index, headers] of all.entries()) await sent(socketPath, `/${index}`, headers);
  const lines = async () => (await readFile(log, "utf8")).split("\n").filter((line) => line !== "");
  await eventually(async () => (await lines()).length >= 2 * all.length, 20_000, "the access log");
  const said = all.map((_, index) => (index < copies.length ? "1" : "-"));
  const logged = (what: string) => lines().then((all) => all.filter((line) => line.startsWith(what)));
  expect(await logged("log")).toEqual(said.map((mark, index) => `log /${index} ${mark}`));
  expect(await logged("counted")).toEqual(said.map((mark, index) => `counted /${index} ${mark === "1" ? "copy" : "user"}`));
  await eventually(() => spans.length >= all.length, 30_000, "the spans");
  const tagged = new Map(spans.map(({ attributes }) => [new URL(String(attributes["http.url"])).pathname, attributes["lateen.mirrored"]]));
  expect(all.map((_, index) => tagged.get(`/${index}`))).toEqual(said.map((mark) => (mark === "1" ? "1" : undefined)));
});

test("strangers' marks are taken off, and nobody else's baggage", { timeout: 60_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryFolder());
  const [socketPath, log] = [join(path, "envoy.sock"), join(path, "log")];
  stack.use(await startEnvoy(bootstrap({ socketPath, log, collector: join(path, "none.sock"), isStrange: true })));
  const all = [...copies.slice(2), ...users];
  for (const [index, headers] of all.entries()) await sent(socketPath, `/${index}`, headers);
  const lines = async () => (await readFile(log, "utf8")).split("\n").filter((line) => line.startsWith("baggage"));
  await eventually(async () => (await lines()).length >= all.length, 20_000, "the access log");
  const left = ["-", "-", "-", "-", "-", "-", "-", "a=b", "xlateen.mirror=12", "-", "a=lateen.mirror=1", "a=b;lateen.mirror=1"];
  expect(await lines()).toEqual([...left, "lateenxmirror=1"].map((baggage) => `baggage ${baggage}`));
});

interface World {
  readonly socketPath: string;
  readonly log: string;
  readonly collector: string;
  readonly isStrange?: boolean;
}

function bootstrap({ socketPath, log, collector, isStrange = false }: World) {
  const written = (format: string, filter?: AccessLogFilterJson): AccessLogJson => ({
    name: "envoy.access_loggers.file",
    typedConfig: any(FileAccessLogSchema, { path: log, logFormat: { textFormatSource: { inlineString: `${format}\n` } } }),
    ...(filter === undefined ? {} : { filter }),
  });
  const traced = tracing({ direction: "inbound", statPrefix: "x", routes: "x", settings: { ...defaultMeshSettings } });
  const manager = any(HttpConnectionManagerSchema, {
    statPrefix: "x",
    ...(traced === undefined || isStrange ? {} : { tracing: traced }),
    accessLog: isStrange
      ? [written("baggage %REQ(BAGGAGE)%")]
      : [
          written(`log %REQ(:PATH)% ${copyMark}`),
          written("counted %REQ(:PATH)% copy", isCopy),
          written("counted %REQ(:PATH)% user", isNoCopy),
        ],
    httpFilters: [...(isStrange ? [withoutMirrorBaggage] : []), { name: "router", typedConfig: any(RouterSchema, {}) }],
    routeConfig: { virtualHosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, directResponse: { status: 200 } }] }] },
  });
  const endpoint = { lbEndpoints: [{ endpoint: { address: { pipe: { path: collector } } } }] };
  const http2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": any(HttpProtocolOptionsSchema, {
      explicitHttpConfig: { http2ProtocolOptions: {} },
    }),
  };
  return {
    node: { id: "x", cluster: "x" },
    layeredRuntime: { layers: [{ name: "static", staticLayer: { "tracing.random_sampling": 100 } }] },
    staticResources: {
      clusters: [
        {
          name: xdsClusterName,
          type: "STATIC" as const,
          connectTimeout: "1s",
          typedExtensionProtocolOptions: http2,
          loadAssignment: { clusterName: xdsClusterName, endpoints: [endpoint] },
        },
      ],
      listeners: [
        { name: "l", address: { pipe: { path: socketPath } }, filterChains: [{ filters: [{ name: "http", typedConfig: manager }] }] },
      ],
    },
  };
}

async function startCollector(path: string, stack: AsyncDisposableStack): Promise<readonly ReportedSpan[]> {
  const spans: ReportedSpan[] = [];
  const bytes = (value: Buffer): Buffer => value;
  const coder = { requestSerialize: bytes, requestDeserialize: bytes, responseSerialize: bytes, responseDeserialize: bytes };
  const take: handleUnaryCall<Buffer, Buffer> = ({ request: report }, respond) => {
    spans.push(...parseOtlpSpans(report).flatMap((part) => part.spans));
    respond(null, Buffer.alloc(0));
  };
  const server = new GrpcServer();
  const exported = {
    path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    requestStream: false,
    responseStream: false,
    ...coder,
  };
  server.addService({ Export: exported }, { Export: take });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
  );
  stack.defer(() => server.forceShutdown());
  return spans;
}

function sent(socketPath: string, path: string, headers: Headers): Promise<void> {
  return new Promise((resolve, reject) => {
    const list = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
    const call = request({ socketPath, path, agent: false }, (answer) => void answer.resume().once("end", () => resolve()));
    for (const name of new Set(list.map(([key = ""]) => key))) {
      call.setHeader(
        name,
        list.filter(([key]) => key === name).map(([, value = ""]) => value),
      );
    }
    call.setHeader("host", "x");
    call.once("error", reject).end();
  });
}
