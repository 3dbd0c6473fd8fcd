// Sizes of requests on a real Envoy: what our loggers record and the collector completes is, bucket by bucket, what one logger of all requests' sizes says.

import { createServer } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AccessLogJson } from "#envoy/envoy/config/accesslog/v3/accesslog_pb.js";
import { ConfigSchema } from "#envoy/envoy/extensions/access_loggers/stats/v3/stats_pb.js";
import { temporaryFolder } from "../../../test/harness/envoy.ts";
import { eventually } from "../../../test/harness/eventually.ts";
import { any } from "../../envoy/any.ts";
import { defaultMeshSettings } from "../../model/mesh.ts";
import { Collector } from "../../telemetry/collector.ts";
import { joinedTag, joinTags } from "../../telemetry/composite-tags.ts";
import { startStatsEnvoy } from "../../telemetry/testing/stats-envoy.ts";
import { requestStatsLogs } from "./stats-log.ts";

/** Counts as a client does. */
const ours = requestStatsLogs({ direction: "outbound", statPrefix: "test", routes: "80", settings: defaultMeshSettings });

/** One logger of everything, which counts beside ours as a server does. */
function everything(): AccessLogJson {
  const tags = [{ name: joinedTag, valueFormat: joinTags({ traffic: "destination;http", response: "%RESPONSE_CODE%;%RESPONSE_FLAGS%" }) }];
  const config = any(ConfigSchema, {
    statsScope: { sharingName: "istio", maxCounters: 5000, maxHistograms: 15_000, enableEviction: true },
    histograms: [
      { stat: { name: "istio_request_duration_milliseconds", tags }, unit: "Milliseconds", valueFormat: "%DURATION%" },
      { stat: { name: "istio_request_bytes", tags }, unit: "Bytes", valueFormat: "%BYTES_RECEIVED%" },
      { stat: { name: "istio_response_bytes", tags }, unit: "Bytes", valueFormat: "%BYTES_SENT%" },
    ],
  });
  return { name: "everything", typedConfig: config };
}

const chunked = "5\r\nabcde\r\n0\r\n\r\n";

/** Requests by hand: whatever comes after the head follows at once. */
const requests: Readonly<Record<string, string>> = {
  "without a body": head("GET / HTTP/1.1"),
  "GET that says its length": `${head("GET / HTTP/1.1", "content-length: 700")}${"x".repeat(700)}`,
  "POST that says its length": `${head("POST / HTTP/1.1", "content-length: 3000")}${"x".repeat(3000)}`,
  "empty POST": head("POST / HTTP/1.1", "content-length: 0"),
  "chunked GET that says its type": `${head("GET / HTTP/1.1", "content-type: text/plain\r\ntransfer-encoding: chunked")}${chunked}`,
  "chunked PUT": `${head("PUT / HTTP/1.1", "transfer-encoding: chunked")}${chunked}`,
  HEAD: head("HEAD / HTTP/1.1"),
  "another answer": head("GET /status/404 HTTP/1.1"),
  WebSocket: `${head("GET / HTTP/1.1", "connection: upgrade\r\nupgrade: websocket")}hello, this is a stream`,
  "no HTTP": "NONSENSE\r\n\r\n",
};

function head(line: string, more = "connection: close"): string {
  return `${line}\r\nhost: a\r\n${more.includes("upgrade") ? more : `${more}\r\nconnection: close`}\r\n\r\n`;
}

test("every size is where one logger of all has it, but for GETs that don't say that they have a body", { timeout: 60_000 }, async () => {
  await using world = await startWorld({ evictionSeconds: 60 });
  for (const request of Object.values(requests)) await world.send(request);
  await world.sendHttp2("GET", "");
  await world.sendHttp2("POST", "x".repeat(300));
  await world.counted(Object.keys(requests).length + 2);
  const sizes = world.sizesBy("source");
  expect(sizes).toEqual(world.sizesBy("destination"));
  expect(sizes).toMatchObject({
    "istio_request_bytes_bucket 200 0.5": 4,
    "istio_request_bytes_bucket 200 1": 4,
    "istio_request_bytes_bucket 200 5": 6,
    "istio_request_bytes_count 200 ": 9,
    "istio_request_bytes_bucket 101 25": 1,
    "istio_request_bytes_bucket 404 0.5": 1,
    "istio_request_bytes_sum 404 ": 0,
    "istio_request_bytes_bucket 400 0.5": 1,
  });
  await world.send(`${head("GET / HTTP/1.1", "transfer-encoding: chunked")}${chunked}`);
  await world.sendHttp2("GET", "x".repeat(300));
  await world.counted(Object.keys(requests).length + 4);
  const [recorded, all] = [world.sizesBy("source"), world.sizesBy("destination")];
  expect(recorded["istio_request_bytes_bucket 200 0.5"]).toBe((all["istio_request_bytes_bucket 200 0.5"] ?? 0) + 2);
  expect(recorded["istio_request_bytes_count 200 "]).toBe(all["istio_request_bytes_count 200 "]);
});

test("bodies that were rare enough for Envoy to drop their series are counted once, and nobody's zeros twice", {
  timeout: 60_000,
}, async () => {
  await using world = await startWorld({ evictionSeconds: 0.3 });
  const [get, post] = [requests["without a body"] ?? "", requests["POST that says its length"] ?? ""];
  let sent = 0;
  const sendNext = async (request: string) => {
    // Envoy drops what is idle right after a flush: what is sent then doesn't fall into the same moment.
    await world.nextReport();
    await world.send(request);
    sent += 1;
  };
  for (let round = 0; round < 2; round += 1) {
    await sendNext(post);
    const seen = world.reports();
    // Twice the interval is six reports.
    while (world.reports() < seen + 12) await sendNext(get);
    expect(world.series()).toBe(5);
  }
  await world.counted(sent);
  expect(world.sizesBy("source")).toMatchObject({
    "istio_request_bytes_count 200 ": sent,
    "istio_request_bytes_bucket 200 0.5": sent - 2,
    "istio_request_bytes_bucket 200 2500": sent - 2,
  });
  expect(world.sizesBy("source")).toEqual(world.sizesBy("destination"));
});

async function startWorld({ evictionSeconds }: { readonly evictionSeconds: number }) {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryFolder());
  const upstream = join(path, "upstream.sock");
  stack.defer(await serve(upstream));
  const envoy = stack.use(await startStatsEnvoy({ evictionInterval: `${evictionSeconds}s`, upstream, loggers: [...ours, everything()] }));
  // A flush that comes late on a busy machine must not pass for a lost one.
  const times = { sinceMs: Date.now() - 60_000, flushMs: 500, evictionMs: evictionSeconds * 1000 };
  const collector = new Collector({ ...times, peerOf: () => undefined });
  let taken = 0;
  const take = (): number => {
    for (const post of envoy.posts.slice(taken)) collector.receive("a.b", post, Date.now());
    taken = envoy.posts.length;
    return taken;
  };
  const answers = (reporter: string) =>
    Object.entries(sizesOf(collector, reporter)).reduce(
      (sum, [key, value]) => sum + (/^istio_response_bytes_count/.test(key) ? value : 0),
      0,
    );
  const cleanup = stack.move();
  return {
    send: (text: string) => exchange(envoy.socket, text),
    sendHttp2: (method: string, body: string) => exchangeHttp2(envoy.socket, method, body),
    counted: (count: number) =>
      eventually(
        () => take() > 0 && ["source", "destination"].every((reporter) => answers(reporter) === count),
        20_000,
        `${count} requests`,
      ),
    reports: take,
    nextReport: () => {
      const last = take();
      return eventually(() => take() > last, 20_000, "a report");
    },
    series: () => collector.seriesOf("a.b", "histogram"),
    sizesBy: (reporter: string) => sizesOf(collector, reporter),
    [Symbol.asyncDispose]: () => cleanup.disposeAsync(),
  };
}

/** A server that reads all of a request before it answers, and hears one piece of a WebSocket. */
async function serve(path: string): Promise<() => Promise<void>> {
  const server = createServer((message, answer) => {
    message.resume().on("end", () => answer.end("hello"));
  });
  server.on("upgrade", (_, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    socket.on("error", () => {}).on("data", () => socket.end());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
}

/** Resolves when the other side has closed. */
function exchange(path: string, text: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path);
    // What breaks ends with "close".
    socket.on("error", () => {}).on("close", () => resolve());
    socket.resume().write(text);
  });
}

async function exchangeHttp2(path: string, method: string, body: string): Promise<void> {
  const session = connectHttp2("http://a", { createConnection: () => connect(path) });
  await new Promise<void>((resolve, reject) => {
    const stream = session.request({ ":method": method, ":path": "/" }, { endStream: body === "" });
    if (body !== "") stream.end(body);
    stream.resume().on("end", resolve).on("error", reject);
  });
  session.close();
}

/** Samples of the sizes by one reporter: by name with suffix, code and bound. */
function sizesOf(collector: Collector, reporter: string): Readonly<Record<string, number>> {
  const families = collector.families().filter(({ name }) => name === "istio_request_bytes" || name === "istio_response_bytes");
  const shown = families.flatMap((family) => family.samples).map(({ name, labels, value }) => ({ name, value, labels: new Map(labels) }));
  return Object.fromEntries(
    shown.flatMap(({ name, labels, value }) =>
      labels.get("reporter") === reporter ? [[`${name} ${labels.get("response_code")} ${labels.get("le") ?? ""}`, value]] : [],
    ),
  );
}
